/* txn_window.c - how each half stands, from a base on, and which op records still matter.
 *
 * The base is where the saved position of the half queue will be: all before it has ended or was
 * stored again behind. An op record matters as long as one of its halves is not before the base.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "delivery/txn_internal.h"

enum { FIRST_STATES = 256, FIRST_PLACES = 32 };

void half_window_init(struct half_window *w, int64_t base)
{
    assert(base >= 0);
    *w = (struct half_window){ .base = base };
}

void half_window_fini(struct half_window *w)
{
    free(w->states);
}

enum half_state half_window_get(const struct half_window *w, int64_t half_offset)
{
    if (half_offset < w->base)
        return HALF_OVER;
    uint64_t index = (uint64_t)(half_offset - w->base);
    return index < w->count ? (enum half_state)w->states[index] : HALF_WAITS;
}

void half_window_set(struct half_window *w, int64_t half_offset, enum half_state state)
{
    assert(half_offset >= w->base && state != HALF_WAITS);
    size_t index = (size_t)(half_offset - w->base);
    if (index >= w->cap) {
        size_t cap = w->cap == 0 ? FIRST_STATES : w->cap;
        while (cap <= index)
            cap *= 2;
        w->states = memory_resize(w->states, cap, sizeof *w->states);
        w->cap = cap;
    }
    if (index >= w->count) {
        memset(w->states + w->count, HALF_WAITS, index + 1 - w->count);
        w->count = index + 1;
    }
    w->states[index] = (uint8_t)state;
    assert(half_window_get(w, half_offset) == state);
}

int64_t half_window_next(const struct half_window *w, int64_t from)
{
    int64_t at = from < w->base ? w->base : from;
    while (half_window_get(w, at) != HALF_WAITS)
        at++;
    return at;
}

void half_window_advance(struct half_window *w, int64_t base)
{
    assert(base >= w->base);
    uint64_t passed = (uint64_t)(base - w->base);
    size_t gone = passed < w->count ? (size_t)passed : w->count;
    w->count -= gone;
    if (w->count > 0)
        memmove(w->states, w->states + gone, w->count);
    w->base = base;
}

void op_places_fini(struct op_places *p)
{
    free(p->places);
}

void op_places_add(struct op_places *p, int64_t op_offset, int64_t highest_half)
{
    assert(p->count == 0 || p->places[p->count - 1].op_offset < op_offset);
    MEMORY_GROW(p->places, p->count, p->cap, FIRST_PLACES);
    p->places[p->count++] = (struct op_place){ op_offset, highest_half };
}

int64_t op_places_advance(struct op_places *p, int64_t base, int64_t end)
{
    assert(p->count == 0 || p->places[p->count - 1].op_offset < end);
    size_t gone = 0;
    while (gone < p->count && p->places[gone].highest_half < base)
        gone++;
    p->count -= gone;
    if (p->count == 0)
        return end;
    memmove(p->places, p->places + gone, p->count * sizeof *p->places);
    return p->places[0].op_offset;
}
