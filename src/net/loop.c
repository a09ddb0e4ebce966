/* loop.c - the pass: ready descriptors, posted tasks, due timers, deferred work.
 *
 * Posting is a push on a lock-free stack; the loop takes the whole stack at once and runs it in the
 * order it was pushed. The waker writes to the poller only when the loop may be asleep, told by
 * `is_awake`: the loop clears it before it looks at the stack for the last time.
 *
 * With a deputy there are two threads. `turn` is held by the one that runs callbacks; the leader,
 * who waits for descriptors, lets it go for that and for an errand:
 *
 *     leader   waits | pass | pass | errand .................. | done | waits | ...
 *     deputy   rests                | watches | leads: waits | pass | waits .......  when it lasts
 *
 * Whoever comes back from an errand and finds the other one leading does what is to be done behind
 * the errand, in its turn, and becomes the deputy. While errands come the deputy looks each
 * WATCH_NS whether one lasts; waking it for each would cost as much as a short errand.
 */
#include "net/loop.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "net/poller.h"

enum { DEFERRED_ROUNDS = 4 };
/* The deputy takes over when it saw one errand twice; at once when most are longer than LONG_NS. */
enum { WATCH_NS = 1000000, LONG_NS = 250000, ERRANDS_AVERAGED = 8 };

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
    /* Whose turn it is; valid while is_running. Others ask whether it is theirs. */
    _Atomic pthread_t thread;
    char name[16];

    /* All that is not atomic is used by whoever holds `turn`. Outside of everything else. */
    struct lock turn;
    pthread_cond_t wanted; /* the thread that does not lead is */
    pthread_t leader;
    pthread_t deputy; /* the second thread, whichever leads; valid with has_deputy */
    bool has_deputy;
    bool deputy_rests;          /* it does not look by itself */
    bool hands_over;            /* it is to lead at once */
    bool is_away;               /* a thread is on an errand */
    struct loop_errand *errand; /* asked for */
    int64_t errand_due_ns;
    int64_t errand_lasts_ns; /* on average of late */
    uint64_t errand_number;  /* of the last one begun */
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
    pthread_cond_init(&loop->wanted, NULL);
    lock_init(&loop->turn, LOCK_TURN);
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

static bool is_quiet(struct loop *loop)
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
    return is_quiet(loop) && !has_errand && !has_timer && !atomic_load(&loop->is_stopping);
}

static void set_due(struct loop *loop)
{
    if (loop->timer_count > 0)
        poller_set_due(loop->poller, loop->timers[0]->due_ns);
}

static int wait_for_ready(struct loop *loop)
{
    assert(lock_is_held(&loop->turn));
    atomic_store(&loop->is_awake, false);
    bool waits = may_wait(loop);
    if (waits)
        set_due(loop);
    poller_expect(loop->poller);
    lock_release(&loop->turn);
    int ready = poller_wait(loop->poller, waits);
    lock_take(&loop->turn);
    atomic_store(&loop->thread, pthread_self());
    atomic_store(&loop->is_awake, true);
    return ready;
}

static void run_pass(struct loop *loop, int ready)
{
    assert(lock_is_held(&loop->turn));
    read_clocks(loop);
    poller_run(loop->poller, ready);
    run_posted(loop);
    run_due_timers(loop);
    run_backlog(loop);
    run_deferred(loop);
    run_last(loop);
}

/* ---- errands --------------------------------------------------------------------------------- */

void loop_errand_ask(struct loop *loop, struct loop_errand *errand, int64_t patience_ns)
{
    assert(loop_is_current(loop));
    assert(loop->has_deputy);
    assert(loop->errand == NULL || loop->errand == errand);
    if (loop->errand != NULL)
        return;
    loop->errand = errand;
    loop->errand_due_ns = loop->now_ns + patience_ns;
}

/* `ready`: what the pass found. */
static bool is_errand_due(struct loop *loop, int ready)
{
    if (loop->errand == NULL || loop->is_away)
        return false;
    return loop->now_ns >= loop->errand_due_ns || (ready == 0 && is_quiet(loop));
}

static bool is_leader(const struct loop *loop)
{
    return pthread_equal(loop->leader, pthread_self());
}

/* One that is very long says no more than one that is long: it is about most of them. */
static void note_length(struct loop *loop, int64_t lasted_ns)
{
    if (lasted_ns > 2 * LONG_NS)
        lasted_ns = 2 * LONG_NS;
    loop->errand_lasts_ns += (lasted_ns - loop->errand_lasts_ns) / ERRANDS_AVERAGED;
}

static void run_errand(struct loop *loop)
{
    assert(lock_is_held(&loop->turn));
    struct loop_errand *errand = loop->errand;
    int64_t begun_ns = clock_monotonic_ns();
    assert(!loop->is_away);
    loop->errand = NULL;
    loop->is_away = true;
    loop->errand_number++;
    loop->hands_over = is_leader(loop) && loop->errand_lasts_ns > LONG_NS;
    if (loop->deputy_rests || loop->hands_over)
        pthread_cond_signal(&loop->wanted);
    lock_release(&loop->turn);
    errand->run(errand);
    lock_take(&loop->turn);
    atomic_store(&loop->thread, pthread_self());
    loop->is_away = false;
    loop->hands_over = false;
    read_clocks(loop);
    note_length(loop, loop->now_ns - begun_ns);
    errand->done(errand);
    run_deferred(loop);
}

/* The leader waits already, for what was there then. */
static void tell_leader(struct loop *loop)
{
    if (!is_quiet(loop) || loop->errand != NULL)
        wake(loop);
    set_due(loop);
}

/* Goes, and again as long as the leader sleeps and there is somewhere to go. */
static void go_on_errands(struct loop *loop)
{
    assert(lock_is_held(&loop->turn));
    do {
        run_errand(loop);
    } while (!is_leader(loop) && loop->errand != NULL && !atomic_load(&loop->is_awake));
    if (!is_leader(loop))
        tell_leader(loop);
}

/* ---- who runs it ----------------------------------------------------------------------------- */

static void lead(struct loop *loop)
{
    assert(lock_is_held(&loop->turn));
    while (is_leader(loop) && !atomic_load(&loop->is_stopping)) {
        int ready = wait_for_ready(loop);
        run_pass(loop, ready);
        if (is_errand_due(loop, ready))
            go_on_errands(loop);
    }
}

/* Until an errand lasts. */
static void stand_by(struct loop *loop)
{
    assert(lock_is_held(&loop->turn));
    uint64_t seen = loop->errand_number;
    while (!atomic_load(&loop->is_stopping)) {
        if (loop->is_away && (loop->hands_over || loop->errand_number == seen)) {
            loop->leader = pthread_self();
            return;
        }
        bool has_none = loop->errand_number == seen;
        seen = loop->errand_number;
        if (has_none) {
            loop->deputy_rests = true;
            lock_wait(&loop->turn, &loop->wanted);
            loop->deputy_rests = false;
            seen = UINT64_MAX; /* the one that woke it has just begun */
        } else {
            int64_t due_ns = clock_monotonic_ns() + WATCH_NS;
            lock_wait_until(&loop->turn, &loop->wanted, due_ns);
        }
    }
}

static void take_part(struct loop *loop)
{
    lock_take(&loop->turn);
    while (!atomic_load(&loop->is_stopping)) {
        atomic_store(&loop->thread, pthread_self());
        if (is_leader(loop))
            lead(loop);
        else
            stand_by(loop);
    }
    pthread_cond_signal(&loop->wanted);
    lock_release(&loop->turn);
}

static void *run_deputy(void *arg)
{
    take_part(arg);
    return NULL;
}

int loop_add_deputy(struct loop *loop)
{
    assert(atomic_load(&loop->is_running) && loop_is_current(loop));
    assert(!loop->has_deputy);
    char name[sizeof loop->name];
    int cause = pthread_create(&loop->deputy, NULL, run_deputy, loop);
    if (cause != 0) {
        log_error("thread_start_failed name=%s_deputy errno=%d", loop->name, cause);
        return err_from_errno(cause);
    }
    snprintf(name, sizeof name, "%.8s_deputy", loop->name);
    pthread_setname_np(loop->deputy, name);
    loop->has_deputy = true;
    return 0;
}

bool loop_has_deputy(const struct loop *loop)
{
    return loop->has_deputy;
}

void loop_run(struct loop *loop)
{
    loop->leader = pthread_self();
    atomic_store(&loop->thread, loop->leader);
    atomic_store(&loop->is_running, true);
    take_part(loop);
    if (loop->has_deputy)
        pthread_join(loop->deputy, NULL);
    loop->has_deputy = false;
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
