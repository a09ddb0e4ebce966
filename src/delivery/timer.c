/* timer.c - delivers messages of the timer topic at the time that was asked for.
 *
 * On disk the timers lie as the reference keeps them: a log of units, chained by the tick in which
 * they fall due, and a wheel with a slot per tick. A tick is a second long, and the reference
 * delivers a tick when it is over. Here the ticks that are about to begin are loaded into memory,
 * each timer with its exact time, and the loop delivers from there.
 *
 *     arrived ──> turn of work ──> wheel and log ── 3 s ahead ──> due (memory) ──> put
 *                                        └───────────────────────── read_ms <── tick over
 *
 * read_ms, the start of the first tick that is not over, is what the check point keeps. After a
 * crash the ticks from there on are loaded again, so what was delivered since the last check point
 * is delivered again, and nothing is left out. A tick is over when its time is and nothing in it
 * waits; it moves between turns of work only, so a unit is never written behind it.
 *
 * A recall takes effect when it is stored: the loop notes it on arrival (timer_arrived), before the
 * unit that stands for it is written, since its target may be due any millisecond.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "delivery/timer_internal.h"
#include "wire/properties.h"

/* What is not due at once is taken in together: a turn of work wakes two threads. */
enum { ARRIVED_WAIT_MS = 20, ARRIVED_SOON_MS = 100 };
/* A recall that far ahead of now is noted on arrival; others are loaded with their tick. */
enum { CANCEL_AHEAD_TICKS = 64 };

uint32_t timer_relative(const struct timer *t, int64_t time_ms)
{
    int64_t tick = time_ms / t->options.precision_ms - t->base_tick;
    return tick < 0 ? 0 : (uint32_t)tick;
}

int64_t timer_tick_ms(const struct timer *t, uint32_t tick)
{
    return (t->base_tick + tick) * t->options.precision_ms;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void path_below(const struct timer *t, const char *name, char path[TIMER_PATH_MAX])
{
    snprintf(path, TIMER_PATH_MAX, "%.4000s/%s", t->options.root_dir, name);
}

/* Where reading goes on: at the check point. One without its checksum (the reference's, or a bit
 * has flipped) is believed as far as half the wheel reaches back, as is a log whose check point is
 * lost: better twice than never. */
static int64_t first_tick(const struct timer *t, int64_t now_ms)
{
    int64_t now_tick = now_ms / t->options.precision_ms;
    int64_t tick = t->work.check.read_ms / t->options.precision_ms;
    int64_t least = now_tick - t->work.wheel.slots / 2 + TIMER_WHEEL_BLANK_SLOTS;
    if (tick <= 0 && timer_log_is_new(t->work.log))
        return now_tick;
    if (tick > now_tick)
        return now_tick;
    return tick < least && !t->work.check.is_sealed ? least : tick;
}

static int open_files(struct timer *t)
{
    char path[TIMER_PATH_MAX];
    path_below(t, "config/timercheck", t->check_path);
    path_below(t, "config/timermetrics", t->metrics_path);
    int err = timer_check_read(t->check_path, &t->work.check);
    if (err != 0)
        return err;
    path_below(t, "timerlog", path);
    err = timer_log_open(path, t->options.log_file_bytes, t->work.check.log_pos, &t->work.log);
    if (err != 0)
        return err;
    path_below(t, "timerwheel", path);
    err = timer_wheel_open(path, t->options.wheel_slots, &t->work.wheel);
    if (err != 0)
        timer_log_close(t->work.log);
    return err;
}

/* Killed before its first check point, a broker that is started after a clock's jump would not know
 * that something waits so far back. A disk that is full may refuse: then it does not. */
static void write_first_check(struct timer *t, int64_t now_ms)
{
    struct timer_check *check = &t->work.check;
    if (check->read_ms != 0 || !timer_log_is_new(t->work.log))
        return;
    struct timer_check first = { .read_ms =
                                     now_ms / t->options.precision_ms * t->options.precision_ms };
    first.exact_ms = first.read_ms;
    if (timer_check_write(t->check_path, &first) != 0)
        log_warn("timer_check_not_written path=%s", t->check_path);
}

/* The window must leave the wheel room for what is not read yet. */
static int64_t usable_window(int64_t asked_ticks, int64_t slots)
{
    int64_t most = slots / 2 - TIMER_WHEEL_BLANK_SLOTS;
    assert(most > 0);
    return asked_ticks < 2 || asked_ticks > most ? most : asked_ticks;
}

int timer_open(const struct timer_options *options, int64_t now_ms, struct timer **opened)
{
    assert(options->put != NULL && options->precision_ms > 0 && now_ms > 0);
    struct timer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ERR_NO_MEMORY;
    t->options = *options;
    if (t->options.wheel_slots == 0)
        t->options.wheel_slots = TIMER_WHEEL_SLOTS;
    t->options.roll_window_ticks =
        usable_window(options->roll_window_ticks, t->options.wheel_slots);
    int err = store_queue_open(options->store, SLICE(TOPIC_TIMER), 0);
    if (err == 0)
        err = open_files(t);
    if (err != 0) {
        free(t);
        return err;
    }
    t->flushed = t->work.check;
    write_first_check(t, now_ms);
    t->base_tick = first_tick(t, now_ms);
    timer_rewind_opened(t);
    /* what an earlier process put into a tick behind its own is known when that is loaded */
    t->work.displaced_ms = t->displaced_ms = 1;
    t->work.displaced_tick = now_ms / t->options.precision_ms;
    assert(t->base_tick >= 0 && t->base_tick <= now_ms / t->options.precision_ms);
    t->opened_end = store_max_phy_offset(options->store);
    t->opened_queue_max = store_queue_max(options->store, SLICE(TOPIC_TIMER), 0);
    t->arrived_due_ms = INT64_MAX;
    t->rolled_ms = t->rolled_old_ms = INT64_MAX;
    t->work.chain_pos = TIMER_NO_POS;
    t->work.late_pos = TIMER_NO_POS;
    t->work.clean_due_ms = now_ms;
    t->flush.unsynced = (struct timer_log_unsynced){ .fds = { -1, -1 } };
    timer_due_init(&t->due);
    topic_counts_open(&t->counts, "timingCount", t->metrics_path);
    arena_init(&t->arena);
    *opened = t;
    return 0;
}

/* A snapshot, or what there is no worker for any more. Nothing is said of copies that the disk may
 * not have. */
static void flush_here(struct timer *t)
{
    t->flush.err = store_sync(t->options.store);
    if (t->flush.err == 0)
        timer_flush(t);
    else if (timer_log_sync(&t->flush.unsynced) != 0)
        log_warn("timer_log_not_synced path=%s", t->options.root_dir);
    timer_flush_end(t);
}

void timer_close(struct timer *t, int64_t now_ms)
{
    if (t == NULL)
        return;
    assert(!t->is_working);
    if (t->is_flushing) /* a snapshot that no worker got: its files are still to be synced */
        flush_here(t);
    if (timer_has_progress(t)) {
        timer_flush_begin(t, now_ms);
        flush_here(t);
    }
    if (t->counts.is_changed)
        timer_save_metrics(t);
    timer_wheel_close(&t->work.wheel);
    timer_log_close(t->work.log);
    topic_counts_fini(&t->counts);
    timer_due_fini(&t->due);
    buf_fini(&t->record);
    buf_fini(&t->flush.metrics_text);
    buf_fini(&t->work.notes);
    buf_fini(&t->work.records);
    buf_fini(&t->work.cold_records);
    arena_fini(&t->arena);
    free(t->cold);
    free(t->work.cold);
    free(t->work.items);
    free(t);
}

/* ---- turns of work --------------------------------------------------------------------------- */

void timer_arrived(struct timer *t, struct slice properties, int64_t now_ms)
{
    const struct record record = { .properties = properties, .store_timestamp = now_ms };
    int64_t own_tick_ms;
    if (!timer_tick_in(&record, &own_tick_ms))
        return;
    bool is_soon =
        timer_due_of(&record, own_tick_ms, t->options.precision_ms) <= now_ms + ARRIVED_SOON_MS;
    int64_t due_ms = is_soon ? now_ms : now_ms + ARRIVED_WAIT_MS;
    if (due_ms < t->arrived_due_ms)
        t->arrived_due_ms = due_ms;
    struct slice cancelled = timer_cancelled_by(&record);
    uint32_t tick = timer_relative(t, own_tick_ms);
    if (cancelled.data != NULL && tick < timer_relative(t, now_ms) + CANCEL_AHEAD_TICKS &&
        timer_due_fits(&t->due, tick))
        timer_due_cancel(&t->due, tick, cancelled);
}

/* When the next tick that may hold a timer is to be loaded. */
static int64_t load_due(const struct timer *t, int64_t now_ms)
{
    const struct timer_work *w = &t->work;
    if (w->is_loading)
        return now_ms;
    if (t->due.count >= TIMERS_LOADED_MAX || w->loaded_to - t->due.first_tick >= TIMER_DUE_TICKS)
        return INT64_MAX; /* deliveries make room first */
    uint32_t tick = w->empty_to > w->loaded_to ? w->empty_to : w->loaded_to;
    return timer_tick_ms(t, tick) - AHEAD_MS;
}

int64_t timer_work_due(const struct timer *t, int64_t now_ms)
{
    const struct timer_work *w = &t->work;
    if (t->is_working)
        return INT64_MAX;
    int64_t due_ms = load_due(t, now_ms);
    if (t->arrived_due_ms < due_ms)
        due_ms = t->arrived_due_ms;
    if (!w->is_recovered || w->has_backlog || t->cold_count > 0)
        due_ms = now_ms;
    if (due_ms < t->work_retry_ms)
        due_ms = t->work_retry_ms;
    return due_ms < now_ms ? now_ms : due_ms;
}

/* Nothing waits, and what has passed since is known to be empty: no tick of it has to be looked at.
 */
static void skip_idle_time(struct timer *t, int64_t now_ms)
{
    struct timer_work *w = &t->work;
    uint32_t now_tick = timer_relative(t, now_ms);
    uint32_t upto = w->empty_to < now_tick ? w->empty_to : now_tick;
    if (w->is_loading || t->due.count > 0 || t->cold_count > 0 || upto <= w->loaded_to)
        return;
    w->loaded_to = upto;
    t->loaded_to = upto;
}

void timer_work_begin(struct timer *t, int64_t now_ms, bool may_enqueue)
{
    struct timer_work *w = &t->work;
    assert(!t->is_working);
    assert(w->cold == NULL && w->cold_count == 0);
    assert(w->loaded_to == t->loaded_to);
    skip_idle_time(t, now_ms);
    timer_pass_ticks(t, now_ms);
    bool is_on_time = timer_rewind(t, now_ms);
    t->is_working = true;
    t->arrived_due_ms = is_on_time ? INT64_MAX : now_ms + ARRIVED_WAIT_MS;
    if (!is_on_time)
        t->work_retry_ms = now_ms + ARRIVED_WAIT_MS;
    if (t->rolled_ms < t->rolled_old_ms)
        t->rolled_old_ms = t->rolled_ms;
    t->rolled_ms = INT64_MAX;
    w->now_ms = now_ms;
    w->read_tick = t->due.first_tick;
    assert(w->read_tick <= w->loaded_to);
    w->waiting = t->due.count;
    w->may_enqueue = may_enqueue && is_on_time;
    w->is_out_of_reach = false;
    w->item_count = 0;
    buf_clear(&w->notes);
    w->cold = t->cold;
    w->cold_count = t->cold_count;
    t->cold = NULL;
    t->cold_count = 0;
    t->cold_cap = 0;
}

static void take_notes(struct timer *t, int64_t now_ms)
{
    struct slice rest = buf_slice(&t->work.notes);
    while (rest.len > 0) {
        struct timer_note note;
        assert(rest.len >= sizeof note);
        memcpy(&note, rest.data, sizeof note);
        rest = slice_from(rest, sizeof note);
        assert(note.len <= rest.len);
        struct slice text = slice_of(rest.data, note.len);
        rest = slice_from(rest, note.len);
        if (note.kind == NOTE_COUNT)
            topic_counts_add(&t->counts, text, 1, now_ms);
        else if (timer_due_fits(&t->due, note.tick))
            timer_due_cancel(&t->due, note.tick, text);
    }
}

void timer_work_abort(struct timer *t)
{
    assert(t->is_working);
    assert(t->work.loaded_to == t->loaded_to); /* the turn was never begun */
    t->is_working = false;
    t->arrived_due_ms = 0;
    timer_deliver_cold(t, 0, false);
}

/* Ticks before are in memory, or empty. */
static uint32_t known_to(const struct timer *t)
{
    bool is_behind = !t->is_working && t->work.empty_to > t->loaded_to;
    return is_behind ? t->work.empty_to : t->loaded_to;
}

void timer_work_end(struct timer *t, int64_t now_ms, bool may_deliver)
{
    struct timer_work *w = &t->work;
    assert(t->is_working);
    assert(w->loaded_to >= t->loaded_to);
    t->is_working = false;
    take_notes(t, now_ms);
    for (size_t i = 0; i < w->item_count; i++)
        timer_due_add(&t->due, &w->items[i]);
    t->loaded_to = w->loaded_to;
    if (t->base_tick + known_to(t) > w->displaced_tick)
        w->displaced_ms = INT64_MAX;
    t->displaced_ms = w->displaced_ms;
    t->is_recovered = w->is_recovered;
    if (w->err != 0)
        t->work_retry_ms = now_ms + TIMER_RETRY_MS;
    if (w->err == 0 && !w->has_backlog)
        t->rolled_old_ms = INT64_MAX;
    if (w->is_out_of_reach) /* deliveries make room first */
        t->work_retry_ms = now_ms + ARRIVED_WAIT_MS;
    if (w->is_recovered && w->err == 0 &&
        (!w->has_backlog || !w->may_enqueue || w->is_out_of_reach))
        t->is_ready = true;
    timer_deliver_cold(t, now_ms, may_deliver);
    /* of the turn's time when the clock was set back meanwhile: what it has passed over is over,
     * or the next turn would not go back to it */
    timer_pass_ticks(t, now_ms > w->now_ms ? now_ms : w->now_ms);
}

static void limit_by_cold(const struct timer_cold *cold, size_t count, int64_t *upto_ms)
{
    for (size_t i = 0; i < count; i++)
        if (cold[i].item.due_ms - 1 < *upto_ms)
            *upto_ms = cold[i].item.due_ms - 1;
}

int64_t timer_delivered_to(const struct timer *t, int64_t now_ms)
{
    const struct timer_work *w = &t->work;
    const struct timer_item *first = timer_due_first(&t->due);
    int64_t rolled_ms = t->rolled_ms < t->rolled_old_ms ? t->rolled_ms : t->rolled_old_ms;
    if (!t->is_ready)
        return 0;
    int64_t upto_ms = timer_tick_ms(t, known_to(t));
    if (upto_ms > now_ms)
        upto_ms = now_ms;
    if (rolled_ms <= upto_ms)
        upto_ms = rolled_ms - 1;
    if (t->displaced_ms <= upto_ms)
        upto_ms = t->displaced_ms - 1;
    if (first != NULL && first->due_ms - 1 < upto_ms)
        upto_ms = first->due_ms - 1;
    limit_by_cold(t->cold, t->cold_count, &upto_ms);
    if (t->is_working)
        limit_by_cold(w->cold, w->cold_count, &upto_ms); /* its items do not change meanwhile */
    assert(upto_ms <= now_ms);
    return upto_ms;
}

/* ---- progress -------------------------------------------------------------------------------- */
