/* loop.c - the pass: ready descriptors, posted tasks, due timers, deferred work.
 *
 * Posting is a push on a lock-free stack; the loop takes the whole stack at once and runs it in the
 * order it was pushed. The waker writes to the poller only when the loop may be asleep, told by
 * `is_awake`: the loop clears it before it looks at the stack for the last time.
 */
#include "net/loop.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/poller.h"

enum { DEFERRED_ROUNDS = 4 };

struct loop {
    struct poller *poller;
    int64_t now_ms;
    int64_t now_ns;
    struct list deferred;
    struct list backlog;        /* of loop_deferred.link, too */
    struct list last;           /* the same */
    struct loop_timer **timers; /* binary heap by due_ns; timer->at is its place + 1 */
    uint32_t timer_count;
    uint32_t timer_cap;
    _Atomic(struct loop_task *) posted;
    atomic_bool is_awake;
    atomic_bool is_stopping;
    atomic_bool is_running;
    pthread_t thread; /* valid while is_running */
    char name[16];
};

/* A step of the backlog takes a fraction of it. */
enum { BACKLOG_NS = 1000000 };

static void read_clocks(struct loop *loop)
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
    snprintf(loop->name, sizeof loop->name, "%s", name);
    list_init(&loop->deferred);
    list_init(&loop->backlog);
    list_init(&loop->last);
    read_clocks(loop);
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
    free(loop);
}

bool loop_is_current(const struct loop *loop)
{
    return !atomic_load(&loop->is_running) || pthread_equal(loop->thread, pthread_self());
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

static void wake(struct loop *loop)
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
    wake(loop);
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
static void run_deferred(struct loop *loop)
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
    run_deferred(loop);
}

/* ---- timers ---------------------------------------------------------------------------------- */

static void place(struct loop *loop, struct loop_timer *timer, uint32_t i)
{
    loop->timers[i] = timer;
    timer->at = i + 1;
}

static void sift_up(struct loop *loop, struct loop_timer *timer, uint32_t i)
{
    while (i > 0 && loop->timers[(i - 1) / 2]->due_ns > timer->due_ns) {
        place(loop, loop->timers[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(loop, timer, i);
}

static void sift_down(struct loop *loop, struct loop_timer *timer, uint32_t i)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= loop->timer_count)
            break;
        if (child + 1 < loop->timer_count &&
            loop->timers[child + 1]->due_ns < loop->timers[child]->due_ns)
            child++;
        if (loop->timers[child]->due_ns >= timer->due_ns)
            break;
        place(loop, loop->timers[child], i);
        i = child;
    }
    place(loop, timer, i);
}

void loop_timer_init(struct loop_timer *t, void (*run)(struct loop_timer *t))
{
    *t = (struct loop_timer){ .run = run };
}

void loop_timer_stop(struct loop_timer *t)
{
    if (t->at == 0)
        return;
    struct loop *loop = t->loop;
    assert(loop_is_current(loop));
    uint32_t i = t->at - 1;
    assert(i < loop->timer_count && loop->timers[i] == t);
    t->at = 0;
    struct loop_timer *last = loop->timers[--loop->timer_count];
    if (last == t)
        return;
    sift_up(loop, last, i);
    sift_down(loop, last, last->at - 1);
}

static void arm(struct loop *loop, struct loop_timer *t, int64_t due_ns)
{
    assert(loop_is_current(loop));
    loop_timer_stop(t);
    if (loop->timer_count == loop->timer_cap) {
        uint32_t cap = loop->timer_cap == 0 ? 64 : loop->timer_cap * 2;
        struct loop_timer **timers = realloc(loop->timers, cap * sizeof(struct loop_timer *));
        if (timers == NULL)
            abort();
        loop->timers = timers;
        loop->timer_cap = cap;
    }
    t->loop = loop;
    t->due_ns = due_ns;
    loop->timer_count++;
    sift_up(loop, t, loop->timer_count - 1);
}

/* When it is due that is to wait so long. The pass's clock may be stale by the length of the pass;
 * a timer must not be early by that. */
static int64_t due_after(const struct loop *loop, int64_t wait_ns)
{
    int64_t now_ns = clock_monotonic_ns();
    if (wait_ns <= 0)
        return loop->now_ns + 1; /* not in this pass, in the next */
    return wait_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + wait_ns;
}

void loop_timer_start(struct loop *loop, struct loop_timer *t, int64_t delay_ms)
{
    int64_t most_ms = INT64_MAX / 1000000;
    arm(loop, t, due_after(loop, (delay_ms > most_ms ? most_ms : delay_ms) * 1000000));
}

void loop_timer_start_at(struct loop *loop, struct loop_timer *t, int64_t wall_ms)
{
    int64_t most_ms = INT64_MAX / 1000000;
    int64_t wall_ns = wall_ms < 0 ? 0 : (wall_ms > most_ms ? most_ms : wall_ms) * 1000000;
    arm(loop, t, due_after(loop, wall_ns - clock_wall_ns()));
}

/* Ends: what is started from here on is due after now_ns. A timer may be freed by its run(). */
static void run_due_timers(struct loop *loop)
{
    while (loop->timer_count > 0 && loop->timers[0]->due_ns <= loop->now_ns) {
        struct loop_timer *timer = loop->timers[0];
        loop_timer_stop(timer);
        timer->run(timer);
    }
}

/* ---- the pass -------------------------------------------------------------------------------- */

/* Until when to wait. What is due already ends the wait at once: the alarm of a time that has
 * passed goes off when it is set. */
static int64_t wait_until_ns(struct loop *loop)
{
    if (atomic_load(&loop->posted) != NULL || atomic_load(&loop->is_stopping) ||
        !list_empty(&loop->deferred) || !list_empty(&loop->backlog) || !list_empty(&loop->last))
        return POLLER_NOW;
    if (loop->timer_count == 0)
        return POLLER_NEVER;
    return loop->timers[0]->due_ns <= loop->now_ns ? POLLER_NOW : loop->timers[0]->due_ns;
}

void loop_run(struct loop *loop)
{
    loop->thread = pthread_self();
    atomic_store(&loop->is_running, true);
    while (!atomic_load(&loop->is_stopping)) {
        atomic_store(&loop->is_awake, false);
        int ready = poller_wait(loop->poller, wait_until_ns(loop));
        atomic_store(&loop->is_awake, true);
        read_clocks(loop);
        poller_run(loop->poller, ready);
        run_posted(loop);
        run_due_timers(loop);
        run_backlog(loop);
        run_deferred(loop);
        run_last(loop);
    }
    atomic_store(&loop->is_running, false);
    atomic_store(&loop->is_stopping, false); /* it may be run again */
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
