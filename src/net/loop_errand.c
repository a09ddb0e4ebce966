/* loop_errand.c - errands, and the second thread that runs the loop while one lasts.
 *
 * `turn` is held by the thread that runs callbacks; the leader, who waits for descriptors, lets it
 * go for that and for an errand:
 *
 *     leader   waits | pass | pass | errand .................. | done | waits | ...
 *     deputy   rests                | watches | leads: waits | pass | waits .......  when it lasts
 *
 * Whoever comes back from an errand and finds the other one leading does what is to be done behind
 * the errand, in its turn, and becomes the deputy. While errands come the deputy looks each
 * WATCH_NS whether one lasts; waking it for each would cost as much as a short errand.
 */
#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/thread_rank.h"
#include "net/loop_internal.h"

/* The deputy takes over when it saw one errand twice; at once when most are longer than LONG_NS: a
 * shorter one is not worth that the other core fetches all that the loop works with. */
enum { WATCH_NS = 1000000, LONG_NS = 1000000, ERRANDS_AVERAGED = 8 };

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
    return loop->now_ns >= loop->errand_due_ns || (ready == 0 && loop_is_quiet(loop));
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
    loop_read_clocks(loop);
    note_length(loop, loop->now_ns - begun_ns);
    errand->done(errand);
    loop_run_deferred(loop);
}

/* The leader waits already, for what was there then. */
static void tell_leader(struct loop *loop)
{
    if (!loop_is_quiet(loop) || loop->errand != NULL)
        loop_wake(loop);
    loop_set_due(loop);
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
        int ready = loop_wait_for_ready(loop);
        loop_run_pass(loop, ready);
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
    thread_go_first();
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
    snprintf(name, sizeof name, "%.8s_deputy", loop->name);
    int err = thread_start(&loop->deputy, name, run_deputy, loop);
    loop->has_deputy = err == 0;
    return err;
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
