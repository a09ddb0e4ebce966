/* loop.c - the pass: ready descriptors, posted tasks, due timers, the backlog, deferred work.
 *
 * Posting is a push on a lock-free stack; the loop takes the whole stack at once and runs it in the
 * order it was pushed. The waker writes to the poller only when the loop may be asleep, told by
 * `is_awake`: the loop clears it before it looks at the stack for the last time.
 */
#include "net/loop_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { DEFERRED_ROUNDS = 4 };

/* A step of the backlog takes a fraction of it. */
enum { BACKLOG_NS = 500000 };

void loop_read_clocks(struct loop *loop)
{
    loop->now_ms = clock_wall_ms();
    loop->now_ns = clock_monotonic_ns();
}

int loop_new(const char *name, struct loop **made)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return ERR_NO_MEMORY;
    int err = poller_new(&loop->poller);
    if (err != 0) {
        free(loop);
        return err;
    }
    pthread_cond_init(&loop->wanted, NULL);
    lock_init(&loop->turn, LOCK_TURN);
    snprintf(loop->name, sizeof loop->name, "%s", name);
    list_init(&loop->deferred);
    list_init(&loop->backlog);
    list_init(&loop->last);
    loop_read_clocks(loop);
    *made = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    assert(!atomic_load(&loop->is_running));
    for (uint32_t i = 0; i < loop->timer_count; i++)
        loop->timers[i]->at = 0;
    free(loop->timers);
    poller_free(loop->poller);
    pthread_cond_destroy(&loop->wanted);
    lock_fini(&loop->turn);
    free(loop);
}

bool loop_is_current(const struct loop *loop)
{
    return !atomic_load(&loop->is_running) ||
           pthread_equal(atomic_load(&loop->thread), pthread_self());
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

int64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

/* ---- posted tasks ---------------------------------------------------------------------------- */

void loop_wake(struct loop *loop)
{
    if (!atomic_exchange(&loop->is_awake, true))
        poller_wake(loop->poller);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    struct loop_task *first = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do {
        task->next = first;
    } while (!atomic_compare_exchange_weak(&loop->posted, &first, task));
    loop_wake(loop);
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->is_stopping, true);
    poller_wake(loop->poller);
}

static void run_posted(struct loop *loop)
{
    struct loop_task *stack = atomic_exchange(&loop->posted, NULL);
    struct loop_task *in_order = NULL;
    while (stack != NULL) {
        struct loop_task *next = stack->next;
        stack->next = in_order;
        in_order = stack;
        stack = next;
    }
    while (in_order != NULL) {
        struct loop_task *task = in_order;
        in_order = task->next;
        task->run(task);
    }
}

/* ---- deferred work --------------------------------------------------------------------------- */

void loop_deferred_init(struct loop_deferred *d, void (*run)(struct loop_deferred *d))
{
    d->run = run;
    list_init(&d->link);
}

void loop_defer(struct loop *loop, struct loop_deferred *d)
{
    assert(loop_is_current(loop));
    if (list_empty(&d->link))
        list_append(&loop->deferred, &d->link);
}

void loop_undefer(struct loop_deferred *d)
{
    list_remove(&d->link);
}

/* What is deferred meanwhile runs too: waking a held pull defers the flush of its connection. What
 * goes on after DEFERRED_ROUNDS is left to the next pass, so that sockets and timers have their
 * turn. */
void loop_run_deferred(struct loop *loop)
{
    for (int round = 0; round < DEFERRED_ROUNDS && !list_empty(&loop->deferred); round++) {
        struct loop_deferred end = { .run = NULL };
        list_append(&loop->deferred, &end.link);
        while (loop->deferred.next != &end.link) {
            struct loop_deferred *d = list_entry(loop->deferred.next, struct loop_deferred, link);
            list_remove(&d->link);
            d->run(d);
        }
        list_remove(&end.link);
    }
}

/* ---- the backlog ----------------------------------------------------------------------------- */

void loop_go_on(struct loop *loop, struct loop_deferred *step)
{
    assert(loop_is_current(loop));
    if (list_empty(&step->link))
        list_append(&loop->backlog, &step->link);
}

/* At least one step: the pass may have been long without. */
static void run_backlog(struct loop *loop)
{
    if (list_empty(&loop->backlog))
        return;
    int64_t end_ns = clock_monotonic_ns() + BACKLOG_NS;
    do {
        struct loop_deferred *step = list_entry(loop->backlog.next, struct loop_deferred, link);
        list_remove(&step->link);
        step->run(step);
    } while (!list_empty(&loop->backlog) && clock_monotonic_ns() < end_ns);
}

void loop_go_last(struct loop *loop, struct loop_deferred *step)
{
    assert(loop_is_current(loop));
    if (list_empty(&step->link))
        list_append(&loop->last, &step->link);
}

static void run_last(struct loop *loop)
{
    if (list_empty(&loop->last))
        return;
    struct loop_deferred *step = list_entry(loop->last.next, struct loop_deferred, link);
    list_remove(&step->link);
    step->run(step);
    loop_run_deferred(loop);
}

/* ---- the pass -------------------------------------------------------------------------------- */

bool loop_is_quiet(struct loop *loop)
{
    return atomic_load(&loop->posted) == NULL && list_empty(&loop->deferred) &&
           list_empty(&loop->backlog) && list_empty(&loop->last);
}

/* Is there nothing to do before something comes? What is due already ends the wait at once: the
 * alarm of a time that has passed goes off when it is set. */
static bool may_wait(struct loop *loop)
{
    bool has_errand = loop->errand != NULL && !loop->is_away;
    bool has_timer = loop->timer_count > 0 && loop->timers[0]->due_ns <= loop->now_ns;
    return loop_is_quiet(loop) && !has_errand && !has_timer && !atomic_load(&loop->is_stopping);
}

int loop_wait_for_ready(struct loop *loop)
{
    assert(lock_is_held(&loop->turn));
    atomic_store(&loop->is_awake, false);
    bool waits = may_wait(loop);
    if (waits)
        loop_set_due(loop);
    poller_expect(loop->poller);
    lock_release(&loop->turn);
    int ready = poller_wait(loop->poller, waits);
    lock_take(&loop->turn);
    atomic_store(&loop->thread, pthread_self());
    atomic_store(&loop->is_awake, true);
    return ready;
}

void loop_run_pass(struct loop *loop, int ready)
{
    assert(lock_is_held(&loop->turn));
    bool has_backlog = !list_empty(&loop->backlog);
    loop_read_clocks(loop);
    poller_run(loop->poller, ready);
    run_posted(loop);
    loop_run_due_timers(loop);
    if (has_backlog) /* of the last pass: who came now does not wait for those who stand in it */
        loop_run_deferred(loop);
    run_backlog(loop);
    loop_run_deferred(loop);
    run_last(loop);
}

int loop_watch_start(struct loop *loop, struct loop_watch *w)
{
    assert(loop_is_current(loop));
    return poller_add(loop->poller, w);
}

int loop_watch_change(struct loop *loop, struct loop_watch *w, uint32_t events)
{
    assert(loop_is_current(loop));
    w->events = events;
    return poller_change(loop->poller, w);
}

void loop_watch_stop(struct loop *loop, struct loop_watch *w)
{
    assert(loop_is_current(loop));
    poller_remove(loop->poller, w);
}
