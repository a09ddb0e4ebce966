/* delays.c - runs the delay levels on the broker's loop.
 *
 * The offsets are saved behind the messages they stand for: only when the delivered copies are on
 * disk, or a loss of power in between would lose those copies and the claim to deliver them again.
 */
#include "broker/later/delays.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "broker/later/timers.h"

/* Messages delivered in one pass of the loop, so that requests in between do not wait. */
enum { DELIVER_BUDGET = 32 };
/* How soon to look again whether delivered copies are on disk, or a worker is free. */
enum { BUSY_RETRY_MS = 100 };

struct delays {
    struct broker *broker;
    struct delay *delay;
    char *path;
    struct loop_timer deliver_timer;
    struct job read_job;
    bool is_reading;
    struct loop_timer save_timer; /* armed while there is progress to save */
    struct job save_job;
    struct delay_offsets saved;  /* as in the file */
    struct delay_offsets saving; /* as in save_text */
    struct buf save_text;        /* the worker's while is_saving */
    bool is_saving;
    int save_err;
    int64_t delivered_end; /* phy_offset behind the latest delivered copy */
    uint64_t put_count;
    bool is_paced;
    int64_t paced_until_ms; /* while is_paced nothing is delivered before */
    bool is_stopped;
};

static struct delays *by_deliver_timer(struct loop_timer *t)
{
    return (struct delays *)((char *)t - offsetof(struct delays, deliver_timer));
}

static struct delays *by_save_timer(struct loop_timer *t)
{
    return (struct delays *)((char *)t - offsetof(struct delays, save_timer));
}

static struct delays *by_read_job(struct job *job)
{
    return (struct delays *)((char *)job - offsetof(struct delays, read_job));
}

static struct delays *by_save_job(struct job *job)
{
    return (struct delays *)((char *)job - offsetof(struct delays, save_job));
}

static int put(void *ctx, struct record *record, struct arena *arena)
{
    (void)arena;
    struct delays *d = ctx;
    struct store_put_result result;
    int err = store_put(d->broker->store, record, 1, loop_now_ms(d->broker->loop), &result, NULL);
    if (err == 0) {
        d->delivered_end = result.end_phy_offset;
        d->put_count++;
    }
    return err;
}

static bool has_progress(const struct delays *d)
{
    return memcmp(delay_progress(d->delay), &d->saved, sizeof d->saved) != 0;
}

/* Sees to it that progress is saved an interval later; sleeps when there is none. */
static void plan_save(struct delays *d)
{
    if (!d->is_stopped && !d->is_saving && d->save_timer.at == 0 && has_progress(d))
        loop_timer_start(d->broker->loop, &d->save_timer,
                         d->broker->conf.flush_delay_offset_interval_ms);
}

static void schedule(struct delays *d)
{
    if (d->is_stopped || d->is_reading)
        return;
    int64_t now_ms = loop_now_ms(d->broker->loop);
    int64_t due_ms = delay_next_due(d->delay, now_ms);
    if (due_ms == INT64_MAX) {
        loop_timer_stop(&d->deliver_timer);
        return;
    }
    if (d->is_paced && due_ms < d->paced_until_ms)
        due_ms = d->paced_until_ms;
    loop_timer_start_at(d->broker->loop, &d->deliver_timer, due_ms);
}

static void read_ahead(struct job *job)
{
    delay_read_ahead(by_read_job(job)->delay);
}

static void deliver(struct delays *d)
{
    assert(!d->is_reading && !d->is_stopped);
    int64_t now_ms = loop_now_ms(d->broker->loop);
    if (!d->is_paced) {
        delay_run(d->delay, now_ms, DELIVER_BUDGET);
    } else if (now_ms >= d->paced_until_ms) {
        uint64_t put_before = d->put_count;
        delay_run(d->delay, now_ms, TIMERS_PACED_COUNT);
        if (d->put_count != put_before)
            d->paced_until_ms = now_ms + timers_pace_ms();
    }
    plan_save(d);
    schedule(d);
    if (!delay_wants_read(d->delay))
        return;
    d->is_reading = workers_submit(d->broker->workers, d->broker->loop, &d->read_job) == 0;
    if (d->is_reading)
        loop_timer_stop(&d->deliver_timer);
    else
        loop_timer_start(d->broker->loop, &d->deliver_timer, BUSY_RETRY_MS);
}

static void read_ahead_done(struct job *job)
{
    struct delays *d = by_read_job(job);
    d->is_reading = false;
    if (!d->is_stopped)
        deliver(d);
}

static void deliver_due(struct loop_timer *t)
{
    deliver(by_deliver_timer(t));
}

static void save(struct job *job)
{
    struct delays *d = by_save_job(job);
    d->save_err = table_file_write(d->path, buf_slice(&d->save_text));
}

static void save_done(struct job *job)
{
    struct delays *d = by_save_job(job);
    d->is_saving = false;
    if (d->save_err == 0)
        d->saved = d->saving;
    plan_save(d);
}

static void make_save_text(struct delays *d)
{
    assert(!d->is_saving); /* the text is the worker's meanwhile */
    d->saving = *delay_progress(d->delay);
    buf_clear(&d->save_text);
    delay_offsets_text(&d->saving, loop_now_ms(d->broker->loop), true, &d->save_text);
}

static void save_due(struct loop_timer *t)
{
    struct delays *d = by_save_timer(t);
    if (store_flushed_to(d->broker->store) < d->delivered_end) {
        store_request_flush(d->broker->store, d->delivered_end);
        loop_timer_start(d->broker->loop, &d->save_timer, BUSY_RETRY_MS);
        return;
    }
    make_save_text(d);
    d->is_saving = workers_submit(d->broker->workers, d->broker->loop, &d->save_job) == 0;
    if (!d->is_saving)
        loop_timer_start(d->broker->loop, &d->save_timer, BUSY_RETRY_MS);
}

/* What delay_new() needs, in d and *options. */
static int read_settings(struct delays *d, const char *path, struct delay_options *options)
{
    int err = delay_offsets_read(path, &d->saved);
    if (err == ERR_NOT_FOUND) {
        for (int level = 0; level <= DELAY_LEVELS_MAX; level++)
            d->saved.next[level] = -1;
    } else if (err != 0) {
        return err;
    }
    *options = (struct delay_options){
        .store = d->broker->store,
        .offsets = d->saved,
        .put = put,
        .ctx = d,
    };
    return 0;
}

int delays_open(struct broker *broker, const char *path, struct delays **delays)
{
    int err = ERR_NO_MEMORY;
    struct delays *d = calloc(1, sizeof *d);
    if (d == NULL)
        goto fail;
    *d = (struct delays){
        .broker = broker,
        .read_job = { .run = read_ahead, .done = read_ahead_done },
        .save_job = { .run = save, .done = save_done },
    };
    d->path = memory_text(slice_str(path));
    struct delay_options options;
    err = read_settings(d, path, &options);
    if (err != 0)
        goto fail_free;
    err = delay_new(&options, &d->delay);
    if (err != 0)
        goto fail_free;
    loop_timer_init(&d->deliver_timer, deliver_due);
    loop_timer_init(&d->save_timer, save_due);
    loop_timer_start(broker->loop, &d->deliver_timer, 0);
    *delays = d;
    return 0;
fail_free:
    free(d->path);
    free(d);
fail:
    return err;
}

void delays_pace(struct delays *delays, bool pace)
{
    if (delays->is_paced == pace)
        return;
    delays->is_paced = pace;
    delays->paced_until_ms = 0;
    schedule(delays);
}

void delays_arrived(struct delays *delays, int32_t queue_id)
{
    delay_arrived(delays->delay, queue_id);
    schedule(delays);
}

void delays_stop(struct delays *delays)
{
    delays->is_stopped = true;
    loop_timer_stop(&delays->deliver_timer);
    loop_timer_stop(&delays->save_timer);
}

bool delays_are_idle(const struct delays *delays)
{
    return !delays->is_reading && !delays->is_saving;
}

void delays_close(struct delays *delays)
{
    if (delays == NULL)
        return;
    assert(delays->is_stopped && delays_are_idle(delays));
    if (has_progress(delays) && store_sync(delays->broker->store) == 0) {
        make_save_text(delays);
        if (table_file_write(delays->path, buf_slice(&delays->save_text)) != 0)
            log_warn("delay_offsets_not_saved path=%s", delays->path);
    }
    delay_free(delays->delay);
    buf_fini(&delays->save_text);
    free(delays->path);
    free(delays);
}

void delays_body(const struct delays *delays, struct buf *out)
{
    delay_offsets_text(delay_progress(delays->delay), loop_now_ms(delays->broker->loop), false,
                       out);
}

const struct delay_offsets *delays_progress(const struct delays *delays)
{
    return delay_progress(delays->delay);
}
