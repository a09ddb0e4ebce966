#include "delivery/timer_due.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

enum { HEAP_FIRST_CAP = 64 };

void timer_due_init(struct timer_due *due)
{
    *due = (struct timer_due){ 0 };
}

static struct timer_tick *tick_at(struct timer_due *due, uint32_t tick)
{
    assert(timer_due_fits(due, tick));
    return &due->ticks[tick % TIMER_DUE_TICKS];
}

static void forget_cancelled(struct timer_tick *tick)
{
    if (tick->cancelled == NULL)
        return;
    map_fini(tick->cancelled);
    free(tick->cancelled);
    tick->cancelled = NULL;
}

void timer_due_fini(struct timer_due *due)
{
    for (int i = 0; i < TIMER_DUE_TICKS; i++)
        forget_cancelled(&due->ticks[i]);
    free(due->heap);
}

bool timer_due_fits(const struct timer_due *due, uint32_t tick)
{
    return tick >= due->first_tick && tick - due->first_tick < TIMER_DUE_TICKS;
}

/* ---- the heap -------------------------------------------------------------------------------- */

static bool is_before(const struct timer_item *a, const struct timer_item *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->phy_offset < b->phy_offset;
}

static void rise(struct timer_due *due, size_t at, const struct timer_item *item)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!is_before(item, &due->heap[parent]))
            break;
        due->heap[at] = due->heap[parent];
        at = parent;
    }
    due->heap[at] = *item;
}

static void sink(struct timer_due *due, const struct timer_item *item)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= due->count)
            break;
        if (child + 1 < due->count && is_before(&due->heap[child + 1], &due->heap[child]))
            child++;
        if (!is_before(&due->heap[child], item))
            break;
        due->heap[at] = due->heap[child];
        at = child;
    }
    due->heap[at] = *item;
}

static void set_cap(struct timer_due *due, size_t cap)
{
    assert(cap >= due->count);
    struct timer_item *heap = memory_resize(due->heap, cap, sizeof *heap);
    due->heap = heap;
    due->cap = cap;
}

void timer_due_give_back(struct timer_due *due, const struct timer_item *item)
{
    assert(tick_at(due, item->tick)->waiting > 0);
    if (due->count == due->cap)
        set_cap(due, due->cap == 0 ? HEAP_FIRST_CAP : due->cap * 2);
    rise(due, due->count++, item);
}

void timer_due_add(struct timer_due *due, const struct timer_item *item)
{
    assert(item->due_ms > 0 && item->bytes > 0);
    tick_at(due, item->tick)->waiting++;
    timer_due_give_back(due, item);
}

const struct timer_item *timer_due_first(const struct timer_due *due)
{
    return due->count == 0 ? NULL : &due->heap[0];
}

struct timer_item timer_due_take(struct timer_due *due)
{
    assert(due->count > 0);
    struct timer_item first = due->heap[0];
    due->count--;
    if (due->count > 0) {
        struct timer_item last = due->heap[due->count];
        sink(due, &last);
        assert(!is_before(&due->heap[0], &first));
    }
    /* a crowd has gone: its memory goes too */
    if (due->cap > HEAP_FIRST_CAP && due->count < due->cap / 8)
        set_cap(due, due->cap / 4 < HEAP_FIRST_CAP ? HEAP_FIRST_CAP : due->cap / 4);
    return first;
}

void timer_due_done(struct timer_due *due, const struct timer_item *item)
{
    struct timer_tick *tick = tick_at(due, item->tick);
    assert(tick->waiting > 0);
    tick->waiting--;
}

/* ---- ticks ----------------------------------------------------------------------------------- */

void timer_due_cancel(struct timer_due *due, uint32_t tick, struct slice key)
{
    struct timer_tick *at = tick_at(due, tick);
    if (at->cancelled == NULL) {
        at->cancelled = memory_take(sizeof *at->cancelled);
        map_init(at->cancelled);
    }
    map_put(at->cancelled, key, at);
}

bool timer_due_has_cancelled(const struct timer_due *due, uint32_t tick)
{
    assert(timer_due_fits(due, tick));
    return due->ticks[tick % TIMER_DUE_TICKS].cancelled != NULL;
}

bool timer_due_is_cancelled(const struct timer_due *due, uint32_t tick, struct slice key)
{
    assert(timer_due_fits(due, tick) && key.len > 0);
    const struct timer_tick *at = &due->ticks[tick % TIMER_DUE_TICKS];
    return at->cancelled != NULL && map_get(at->cancelled, key) != NULL;
}

void timer_due_pass(struct timer_due *due, uint32_t upto)
{
    int left = TIMER_DUE_TICKS;
    while (due->first_tick < upto && due->ticks[due->first_tick % TIMER_DUE_TICKS].waiting == 0) {
        forget_cancelled(&due->ticks[due->first_tick % TIMER_DUE_TICKS]);
        due->first_tick = --left > 0 ? due->first_tick + 1 : upto; /* all have been looked at */
    }
}
