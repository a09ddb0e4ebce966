/* timer_work.c - what the timers do on disk, in turns on a worker.
 *
 *   rmq_sys_wheel_timer ── enqueue ──> timer log, wheel         every record, in the queue's order
 *                                        └── load ──> items     a tick AHEAD_MS before it begins
 *
 * A turn is short, so that what has just arrived and is due soon does not wait behind a crowded
 * tick: a number of records, a number of units. What is in a tick that is loaded, or being loaded,
 * is handed to the loop as it is enqueued. Records are read when their tick is loaded: that tells
 * their exact time, and has them in the page cache when they are due.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/java_hash.h"
#include "base/log.h"
#include "base/memory.h"
#include "delivery/timer_internal.h"
#include "wire/properties.h"

enum {
    ENQUEUE_RECORDS = 512, /* a turn */
    LOAD_UNITS = 1000,     /* a turn */
    COLD_BYTES = 2 << 20,  /* a turn */
    CLEAN_INTERVAL_MS = 30000,
    PLACES_TRIED = 1000, /* of the wheel, for one unit */
};

/* ---- for the loop ---------------------------------------------------------------------------- */

static void emit(struct timer *t, const struct timer_item *item)
{
    struct timer_work *w = &t->work;
    MEMORY_GROW(w->items, w->item_count, w->item_cap, 64);
    w->items[w->item_count++] = *item;
}

static void emit_note(struct timer *t, enum timer_note_kind kind, uint32_t tick, struct slice text)
{
    struct timer_note note = { .kind = kind, .tick = tick, .len = (uint32_t)text.len };
    buf_append(&t->work.notes, &note, sizeof note);
    buf_append_slice(&t->work.notes, text);
}

/* Hands over what a unit stands for, its record at hand. */
static void emit_unit(struct timer *t, uint32_t tick, const struct timer_unit *unit,
                      const struct record *record, int64_t own_tick_ms)
{
    int64_t precision_ms = t->options.precision_ms;
    bool is_roll = (unit->magic & TIMER_MAGIC_ROLL) != 0;
    struct slice cancelled = timer_cancelled_by(record);
    if (!is_roll && cancelled.data != NULL) {
        emit_note(t, NOTE_CANCEL, tick, cancelled);
        return;
    }
    const struct timer_item item = {
        .due_ms = is_roll ? timer_tick_ms(t, tick) + precision_ms
                          : timer_due_of(record, own_tick_ms, precision_ms),
        .phy_offset = unit->phy_offset,
        .bytes = unit->bytes,
        .tick = tick,
        .write_tick = (int32_t)(unit->write_ms / precision_ms - t->base_tick),
        .is_roll = is_roll,
    };
    assert(item.due_ms > 0 && item.tick >= t->work.read_tick);
    emit(t, &item);
}

/* ---- from the queue into the wheel ----------------------------------------------------------- */

/* Which tick the record is to lie in, and whether it has to be put in again then. The wheel reaches
 * only so far: what is due beyond lies at its end, or half way when little would be left to go. */
static int64_t slot_tick_of(const struct timer *t, int64_t own_tick, int64_t write_tick,
                            bool *is_roll)
{
    int64_t window = t->options.roll_window_ticks;
    int64_t least = t->base_tick + t->work.read_tick;
    int64_t delay = own_tick - write_tick;
    *is_roll = delay >= window;
    if (*is_roll)
        own_tick = write_tick + (delay - window < window / 3 ? window / 2 : window);
    if (least < write_tick - t->work.wheel.slots / 2) /* or a unit's delay might not hold it */
        least = write_tick - t->work.wheel.slots / 2;
    return own_tick < least ? least : own_tick; /* that tick is over: one that is not */
}

/* A unit whose slot cannot be written, the disk being full, is in the log and not in the wheel. It
 * counts once its slot is written, or, when its tick is over by then, when another took its place;
 * until then the check point stays before it (late_pos). */
static int write_unit(struct timer *t, int64_t tick, struct timer_unit *unit, bool may_replace)
{
    struct timer_work *w = &t->work;
    struct timer_slot slot = w->late_slot;
    int64_t pos = w->late_pos;
    int err = 0;
    if (w->late_pos < 0 || w->late_tick != tick) {
        err = timer_wheel_get(&w->wheel, tick, &slot);
        if (err != 0)
            return err;
        if (slot.holder != tick && slot.holder >= t->base_tick + w->read_tick && !may_replace)
            return ERR_EXISTS;
        unit->prev_pos = slot.last_pos;
        err = timer_log_append(w->log, unit, &pos);
        if (err != 0)
            return err;
        assert(pos > slot.last_pos);
        if (slot.last_pos < 0)
            slot = (struct timer_slot){ .first_pos = pos };
        slot.last_pos = pos;
        slot.count += (unit->magic & TIMER_MAGIC_DELETE) != 0 ? -1 : 1;
    }
    err = timer_wheel_put(&w->wheel, tick, &slot);
    if (err == 0) {
        w->late_pos = TIMER_NO_POS;
        return 0;
    }
    w->late_pos = w->late_pos < 0 ? pos : w->late_pos;
    w->late_tick = tick;
    w->late_slot = slot;
    assert(w->late_slot.last_pos >= w->late_pos);
    return err;
}

int timer_write_unit(struct timer *t, int64_t *tick, struct timer_unit *unit)
{
    int err = ERR_EXISTS;
    for (int left = PLACES_TRIED; err == ERR_EXISTS; left--) {
        err = write_unit(t, *tick, unit, left == 0);
        if (err != ERR_EXISTS)
            break;
        ++*tick;
        unit->delay_ms += (int32_t)t->options.precision_ms;
    }
    assert(err != ERR_EXISTS);
    return err;
}

static void note_displaced(struct timer_work *w, int64_t tick, int64_t due_ms)
{
    if (due_ms < w->displaced_ms)
        w->displaced_ms = due_ms;
    if (tick > w->displaced_tick)
        w->displaced_tick = tick;
}

/* ERR_WOULD_BLOCK: its tick has the place of one that is not read yet, since the broker did not run
 * for so long, or the clock jumped. */
static int enqueue_record(struct timer *t, const struct record *record,
                          const struct store_queue_entry *entry)
{
    struct timer_work *w = &t->work;
    int64_t precision_ms = t->options.precision_ms;
    int64_t own_tick_ms;
    if (!timer_tick_in(record, &own_tick_ms)) {
        log_error("timer_record_without_time queue_offset=%lld phy_offset=%lld",
                  (long long)record->queue_offset, (long long)record->phy_offset);
        return 0;
    }
    struct slice topic = property_get(record->properties, SLICE(PROPERTY_REAL_TOPIC));
    int64_t write_tick = w->now_ms / precision_ms;
    bool is_roll;
    bool cancels = timer_cancelled_by(record).data != NULL;
    int64_t tick = slot_tick_of(t, own_tick_ms / precision_ms, write_tick, &is_roll);
    if (tick >= t->base_tick + w->read_tick + w->wheel.slots)
        return ERR_WOULD_BLOCK;
    struct timer_unit unit = {
        .magic = TIMER_MAGIC_DEFAULT | (is_roll ? TIMER_MAGIC_ROLL : 0) |
                 (cancels ? TIMER_MAGIC_DELETE : 0),
        .write_ms = write_tick * precision_ms,
        .delay_ms = (int32_t)((tick - write_tick) * precision_ms),
        .phy_offset = entry->phy_offset,
        .bytes = entry->bytes,
        .topic_hash = java_hash(topic),
    };
    assert(unit.delay_ms / precision_ms == tick - write_tick); /* it fits */
    int err = timer_write_unit(t, &tick, &unit);
    if (err != 0)
        return err;
    assert(tick >= t->base_tick + w->read_tick);
    uint32_t relative = (uint32_t)(tick - t->base_tick);
    if (relative < w->loaded_to || (w->is_loading && relative == w->loaded_to))
        emit_unit(t, relative, &unit, record, own_tick_ms);
    else if (relative < w->empty_to)
        w->empty_to = relative;
    if (!is_roll && tick > own_tick_ms / precision_ms)
        note_displaced(w, tick, timer_due_of(record, own_tick_ms, precision_ms));
    if (!cancels)
        emit_note(t, NOTE_COUNT, 0, topic);
    w->enqueued_end = entry->phy_offset + entry->bytes;
    return 0;
}

/* Takes in the next record of the queue. */
static int enqueue_next(struct timer *t)
{
    struct timer_work *w = &t->work;
    struct store *store = t->options.store;
    struct record record;
    struct store_queue_entry entry = { .count = 0 };
    buf_clear(&w->records);
    int err = store_get_queued(store, SLICE(TOPIC_TIMER), 0, w->queue_next, &entry, &w->records);
    if (err != 0 && entry.count == 0) /* there is none */
        return err;
    if (err == 0)
        err = record_decode(buf_slice(&w->records), RECORD_CHECK_LENGTHS, &record);
    if (err == ERR_NOT_FOUND || err == ERR_CORRUPT) {
        log_error("timer_message_gone queue_offset=%lld phy_offset=%lld bytes=%d",
                  (long long)w->queue_next, (long long)entry.phy_offset, entry.bytes);
        err = 0;
    } else if (err == 0) {
        err = enqueue_record(t, &record, &entry);
    }
    if (err == 0)
        w->queue_next++;
    return err;
}

static int enqueue(struct timer *t)
{
    struct timer_work *w = &t->work;
    struct store *store = t->options.store;
    int err = 0;
    int64_t min = store_queue_min(store, SLICE(TOPIC_TIMER), 0);
    int64_t max = store_queue_max(store, SLICE(TOPIC_TIMER), 0);
    if (w->queue_next < min) {
        log_error("timers_expired from=%lld to=%lld", (long long)w->queue_next, (long long)min);
        w->queue_next = min;
    }
    for (int left = ENQUEUE_RECORDS; left > 0 && err == 0 && w->queue_next < max; left--)
        err = enqueue_next(t);
    w->is_out_of_reach = err == ERR_WOULD_BLOCK;
    if (w->is_out_of_reach)
        err = 0;
    w->has_backlog = w->queue_next < store_queue_max(store, SLICE(TOPIC_TIMER), 0);
    return err;
}

/* ---- from the wheel into memory -------------------------------------------------------------- */

static bool is_full(const struct timer *t)
{
    return t->work.waiting + t->work.item_count >= TIMERS_LOADED_MAX;
}

/* Whether the check point knows the unit as delivered, though its tick was not over then. What does
 * not lie in its own tick counts as due at the tick's end. */
static bool was_delivered(const struct timer *t, int64_t pos, const struct timer_unit *unit,
                          const struct record *record, int64_t own_tick_ms)
{
    const struct timer_check *check = &t->work.check;
    int64_t tick_ms = timer_tick_ms(t, t->work.loaded_to);
    int64_t due_ms = tick_ms + t->options.precision_ms;
    if (tick_ms != check->read_ms || pos >= check->log_pos)
        return false;
    if (own_tick_ms == tick_ms && (unit->magic & TIMER_MAGIC_ROLL) == 0)
        due_ms = timer_due_of(record, tick_ms, t->options.precision_ms);
    return due_ms <= check->exact_ms && timer_cancelled_by(record).data == NULL;
}

int timer_read_record(struct timer *t, const struct timer_unit *unit, struct record *record,
                      int64_t *own_tick_ms)
{
    struct timer_work *w = &t->work;
    buf_clear(&w->records);
    int err = store_get_record(t->options.store, unit->phy_offset, unit->bytes, true, &w->records);
    if (err == ERR_IO || err == ERR_NO_MEMORY)
        return err;
    bool is_timer =
        err == 0 && record_decode(buf_slice(&w->records), RECORD_CHECK_LENGTHS, record) == 0 &&
        slice_eq(record->topic, SLICE(TOPIC_TIMER)) && timer_tick_in(record, own_tick_ms);
    return is_timer ? 0 : ERR_CORRUPT;
}

/* Hands over one unit of the tick that is being loaded. */
static int load_unit(struct timer *t, int64_t pos, const struct timer_unit *unit)
{
    struct timer_work *w = &t->work;
    struct timer_unit mended;
    struct record record;
    int64_t own_tick_ms;
    int err = timer_read_record(t, unit, &record, &own_tick_ms);
    if (err == ERR_CORRUPT) {
        log_error("timer_message_gone phy_offset=%lld bytes=%d", (long long)unit->phy_offset,
                  unit->bytes);
        if (!timer_mend_unit(t, t->base_tick + w->loaded_to, pos, &mended))
            return 0;
        unit = &mended;
        err = timer_read_record(t, unit, &record, &own_tick_ms);
    }
    if (err != 0)
        return err == ERR_CORRUPT ? 0 : err;
    if (!was_delivered(t, pos, unit, &record, own_tick_ms))
        emit_unit(t, w->loaded_to, unit, &record, own_tick_ms);
    return 0;
}

/* Any other position below 0 is a link in which a bit has turned: load_step() meets no unit there.
 */
static void go_on_at(struct timer_work *w, int64_t pos)
{
    assert(w->is_loading);
    w->chain_pos = pos;
    if (pos == TIMER_NO_POS) {
        w->is_loading = false;
        w->loaded_to++;
    }
}

/* What the chain led to is no unit of it (timer_mend.c). */
static int load_broken(struct timer *t, int64_t tick)
{
    struct timer_work *w = &t->work;
    struct timer_unit unit;
    int64_t pos = w->chain_pos;
    int err = 0;
    log_error("timer_chain_broken tick=%lld pos=%lld", (long long)tick, (long long)pos);
    if (timer_mend_unit(t, tick, pos, &unit))
        err = load_unit(t, pos, &unit);
    if (err == 0)
        go_on_at(w, timer_chain_below(t, tick, w->chain_from));
    return err;
}

/* One step down the chain of units of the tick that is being loaded. */
static int load_step(struct timer *t)
{
    struct timer_work *w = &t->work;
    struct timer_unit unit;
    int64_t tick = t->base_tick + w->loaded_to;
    int err = timer_log_read(w->log, w->chain_pos, &unit);
    if (err == ERR_CORRUPT || err == ERR_NOT_FOUND ||
        (err == 0 && (w->chain_pos >= w->chain_from || !timer_unit_is_of(t, &unit, tick))))
        return load_broken(t, tick);
    if (err == 0)
        err = load_unit(t, w->chain_pos, &unit);
    if (err != 0)
        return err;
    w->chain_from = w->chain_pos;
    go_on_at(w, unit.prev_pos);
    return 0;
}

/* Looks for the next tick that has a unit, from loaded_to on. */
static int find_next_tick(struct timer *t)
{
    struct timer_work *w = &t->work;
    struct timer_slot slot;
    int64_t from = t->base_tick + w->loaded_to;
    int64_t upto = w->now_ms / t->options.precision_ms + t->options.roll_window_ticks +
                   TIMER_WHEEL_BLANK_SLOTS;
    int64_t tick;
    if (upto <= from)
        upto = from + 1;
    if (upto - from > w->wheel.slots)
        upto = from + w->wheel.slots;
    int err = timer_wheel_next(&w->wheel, from, upto, &tick, &slot);
    if (err != 0)
        return err;
    assert(tick >= from && !w->is_loading);
    w->empty_to = (uint32_t)(tick - t->base_tick);
    if (tick == from && tick < upto) {
        w->is_loading = true;
        w->chain_from = timer_log_end(w->log);
        w->chain_pos = slot.last_pos;
    }
    return 0;
}

/* Passes over ticks that are known to be empty. False: there is no room for a further one. */
static bool skip_empty(struct timer *t, uint32_t target)
{
    struct timer_work *w = &t->work;
    uint32_t upto = w->empty_to < target ? w->empty_to : target;
    bool holds_any = w->waiting > 0 || w->item_count > 0 || w->notes.len > 0;
    if (holds_any && upto > w->read_tick + TIMER_DUE_TICKS)
        upto = w->read_tick + TIMER_DUE_TICKS;
    if (upto <= w->loaded_to)
        return false;
    w->loaded_to = upto;
    return true;
}

static int load(struct timer *t)
{
    struct timer_work *w = &t->work;
    uint32_t target = timer_relative(t, w->now_ms + AHEAD_MS) + 1;
    if (target <= w->read_tick)
        target = w->read_tick + 1; /* what is late lies there, and is to be delivered now */
    int err = 0;
    for (int left = LOAD_UNITS; left > 0 && err == 0; left--) {
        if (w->is_loading)
            err = load_step(t);
        else if (w->loaded_to >= target || is_full(t) ||
                 w->loaded_to - w->read_tick >= TIMER_DUE_TICKS)
            break;
        else if (w->loaded_to >= w->empty_to)
            err = find_next_tick(t);
        else if (!skip_empty(t, target))
            break;
    }
    return err;
}

/* ---- a turn ---------------------------------------------------------------------------------- */

/* Reads what was due and not in memory. */
static void read_cold(struct timer_work *w, struct store *store)
{
    buf_clear(&w->cold_records);
    for (size_t i = 0; i < w->cold_count && w->cold_records.len < COLD_BYTES; i++) {
        struct timer_cold *cold = &w->cold[i];
        assert(cold->len == 0);
        cold->at = w->cold_records.len;
        int err = store_get_record(store, cold->item.phy_offset, cold->item.bytes, true,
                                   &w->cold_records);
        if (err == 0)
            cold->len = w->cold_records.len - cold->at;
    }
}

static void clean(struct timer *t)
{
    int64_t left_ms = t->work.clean_due_ms - t->work.now_ms;
    if (left_ms > 0 && left_ms <= CLEAN_INTERVAL_MS)
        return;
    t->work.clean_due_ms = t->work.now_ms + CLEAN_INTERVAL_MS;
    timer_log_clean(t->work.log, store_min_phy_offset(t->options.store));
}

void timer_work(struct timer *t)
{
    struct timer_work *w = &t->work;
    assert(t->is_working);
    assert(w->loaded_to >= w->read_tick);
    w->err = 0;
    if (!w->is_recovered)
        w->err = timer_recover(t);
    if (w->err == 0)
        w->err = timer_rewind_work(t);
    if (w->err != 0)
        return;
    read_cold(w, t->options.store);
    if (w->may_enqueue)
        w->err = enqueue(t);
    if (w->err == 0)
        w->err = load(t);
    clean(t);
}
