/* timers.c - runs the timers on the broker's loop.
 *
 * Two kinds of work go to the workers, each one at a time: turns (wheel and log, timer_work) and
 * flushes (timer_flush), which wait for the disk and must not hold up what is due in a moment. A
 * flush stands for messages that were delivered and taken in, so the store's log has to be on disk
 * first, or a loss of power would lose copies that are said to be delivered.
 */
#include "broker/later/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/log.h"

/* Messages delivered in one pass of the loop, so that requests in between do not wait. */
enum { DELIVER_BUDGET = 64 };
enum { PACE_MS = 50 };
/* How soon to look again whether the store is on disk, or a worker is free. */
enum { BUSY_RETRY_MS = 50 };

struct timers {
    struct broker *broker;
    struct timer *timer;
    struct loop_timer due_timer;
    struct job work_job;
    bool is_working;
    struct loop_timer flush_timer;
    struct job flush_job;
    bool is_flush_wanted;   /* a snapshot is to be taken when the turn has ended */
    bool is_flush_snapshot; /* taken, waits for the store */
    bool is_flushing;       /* with a worker */
    int64_t flush_needs;    /* phy_offset */
    uint64_t put_count;
    bool is_paced;
    int64_t paced_until_ms; /* while is_paced nothing is delivered before */
    bool is_stopped;
};

static struct timers *by_due_timer(struct loop_timer *t)
{
    return (struct timers *)((char *)t - offsetof(struct timers, due_timer));
}

static struct timers *by_flush_timer(struct loop_timer *t)
{
    return (struct timers *)((char *)t - offsetof(struct timers, flush_timer));
}

static struct timers *by_work_job(struct job *job)
{
    return (struct timers *)((char *)job - offsetof(struct timers, work_job));
}

static struct timers *by_flush_job(struct job *job)
{
    return (struct timers *)((char *)job - offsetof(struct timers, flush_job));
}

static int64_t now(const struct timers *t)
{
    return loop_now_ms(t->broker->loop);
}

/* ---- delivery -------------------------------------------------------------------------------- */

static int put(void *ctx, const struct record *record, int64_t *end_phy_offset)
{
    struct timers *t = ctx;
    struct store_put_result result;
    *end_phy_offset = 0;
    int err = store_put(t->broker->store, record, 1, now(t), &result, NULL);
    if (err == 0) {
        *end_phy_offset = result.end_phy_offset;
        t->put_count++;
    }
    return err;
}

static void work(struct job *job)
{
    timer_work(by_work_job(job)->timer);
}

/* Plans when to be woken: for a delivery, or for a turn of work. */
static void schedule(struct timers *t, int64_t due_ms)
{
    if (!t->is_stopped)
        loop_timer_start_at(t->broker->loop, &t->due_timer, due_ms);
}

static void plan_flush(struct timers *t)
{
    bool is_under_way = t->is_flush_wanted || t->is_flush_snapshot || t->is_flushing;
    if (!t->is_stopped && !is_under_way && t->flush_timer.at == 0 && timer_has_progress(t->timer))
        loop_timer_start(t->broker->loop, &t->flush_timer, t->broker->conf.timer_flush_interval_ms);
}

int64_t timers_pace_ms(void)
{
    return fault_value("timers.pace_ms", PACE_MS);
}

/* Delivers what is due, as much as one pass may. Returns when to go on. */
static int64_t deliver(struct timers *t, int64_t now_ms)
{
    if (t->broker->conf.timer_stop_dequeue)
        return INT64_MAX;
    if (!t->is_paced)
        return timer_run(t->timer, now_ms, DELIVER_BUDGET);
    if (now_ms < t->paced_until_ms)
        return t->paced_until_ms;
    uint64_t put_before = t->put_count;
    int64_t due_ms = timer_run(t->timer, now_ms, TIMERS_PACED_COUNT);
    if (t->put_count != put_before)
        t->paced_until_ms = now_ms + timers_pace_ms();
    return due_ms > t->paced_until_ms ? due_ms : t->paced_until_ms;
}

/* Delivers, and has the next turn of work done when it is time. */
static void go_on(struct timers *t)
{
    int64_t now_ms = now(t);
    int64_t due_ms = deliver(t, now_ms);
    int64_t work_ms = timer_work_due(t->timer, now_ms);
    if (work_ms <= now_ms && !t->is_stopped) {
        timer_work_begin(t->timer, now_ms, !t->broker->conf.timer_stop_enqueue);
        t->is_working = workers_submit(t->broker->workers, t->broker->loop, &t->work_job) == 0;
        if (!t->is_working) {
            timer_work_abort(t->timer);
            work_ms = now_ms + BUSY_RETRY_MS;
        } else {
            work_ms = INT64_MAX;
        }
    }
    plan_flush(t);
    schedule(t, due_ms < work_ms ? due_ms : work_ms);
}

static void due(struct loop_timer *timer)
{
    go_on(by_due_timer(timer));
}

void timers_pace(struct timers *t, bool pace)
{
    if (t->is_paced == pace)
        return;
    t->is_paced = pace;
    t->paced_until_ms = 0;
    schedule(t, now(t));
}

void timers_arrived(struct timers *t, struct slice properties)
{
    timer_arrived(t->timer, properties, now(t));
    int64_t work_ms = timer_work_due(t->timer, now(t));
    int64_t armed_ms = (t->due_timer.due_ns - loop_now_ns(t->broker->loop)) / 1000000 + now(t);
    if (work_ms != INT64_MAX && (t->due_timer.at == 0 || work_ms < armed_ms))
        schedule(t, work_ms);
}

/* ---- the check point ------------------------------------------------------------------------- */

static void flush(struct job *job)
{
    timer_flush(by_flush_job(job)->timer);
}

/* Hands the snapshot to a worker once the store is on disk as far as it says. */
static void flush_when_stored(struct timers *t)
{
    assert(t->is_flush_snapshot);
    if (t->is_stopped)
        return; /* timers_close() goes on from here */
    if (store_flushed_to(t->broker->store) >= t->flush_needs) {
        t->is_flushing = workers_submit(t->broker->workers, t->broker->loop, &t->flush_job) == 0;
        t->is_flush_snapshot = !t->is_flushing;
    } else {
        store_request_flush(t->broker->store, t->flush_needs);
    }
    if (!t->is_flushing)
        loop_timer_start(t->broker->loop, &t->flush_timer, BUSY_RETRY_MS);
}

static void take_snapshot(struct timers *t)
{
    assert(!t->is_working && !t->is_flushing && !t->is_flush_snapshot);
    t->is_flush_wanted = false;
    t->is_flush_snapshot = true;
    t->flush_needs = timer_flush_begin(t->timer, now(t));
    flush_when_stored(t);
}

static void flush_due(struct loop_timer *timer)
{
    struct timers *t = by_flush_timer(timer);
    if (t->is_flush_snapshot)
        flush_when_stored(t);
    else if (t->is_working)
        t->is_flush_wanted = true;
    else if (timer_has_progress(t->timer))
        take_snapshot(t);
}

static void flush_done(struct job *job)
{
    struct timers *t = by_flush_job(job);
    t->is_flushing = false;
    timer_flush_end(t->timer);
    plan_flush(t);
}

static void work_done(struct job *job)
{
    struct timers *t = by_work_job(job);
    t->is_working = false;
    timer_work_end(t->timer, now(t), !t->is_stopped && !t->broker->conf.timer_stop_dequeue);
    if (t->is_stopped)
        return;
    if (t->is_flush_wanted)
        take_snapshot(t);
    go_on(t);
}

struct timer *timers_timer(const struct timers *t)
{
    return t->timer;
}

/* ---- opening and closing --------------------------------------------------------------------- */

int timers_open(struct broker *broker, struct timers **timers)
{
    struct timers *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_NO_MEMORY;
    *t = (struct timers){
        .broker = broker,
        .work_job = { .run = work, .done = work_done },
        .flush_job = { .run = flush, .done = flush_done },
    };
    const struct timer_options options = {
        .store = broker->store,
        .root_dir = broker->conf.store_path_root_dir,
        .precision_ms = timer_precision(broker->conf.timer_precision_ms),
        .roll_window_ticks = broker->conf.timer_roll_window_slot,
        .log_file_bytes = broker->conf.timer_log_file_bytes,
        .put = put,
        .ctx = t,
    };
    int err = timer_open(&options, loop_now_ms(broker->loop), &t->timer);
    if (err != 0) {
        free(t);
        return err;
    }
    loop_timer_init(&t->due_timer, due);
    loop_timer_init(&t->flush_timer, flush_due);
    loop_timer_start(broker->loop, &t->due_timer, 0);
    *timers = t;
    return 0;
}

void timers_stop(struct timers *t)
{
    t->is_stopped = true;
    loop_timer_stop(&t->due_timer);
    loop_timer_stop(&t->flush_timer);
}

bool timers_are_idle(const struct timers *t)
{
    return !t->is_working && !t->is_flushing;
}

void timers_close(struct timers *t)
{
    if (t == NULL)
        return;
    assert(t->is_stopped && timers_are_idle(t));
    timer_close(t->timer, now(t));
    free(t);
}
