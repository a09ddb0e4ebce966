/* timer_recover.c - what a crash may have left of wheel and log, and how they come together again.
 *
 *   check point      units before log_pos are on disk, and so are the slots that lead to them
 *   log              goes on behind it, for as long as there are whole units whose records exist
 *   wheel            may lack slots of those units (killed), or lead behind the log's end, or to
 *                    what took the place of a unit there (power, the second time)
 *
 * So the units behind log_pos are walked and their slots set again. Slots that lead to no unit of
 * theirs are emptied, and set again from the units that are left: those of their chains, and one
 * behind log_pos that no chain has, since its slot could not be written and another unit took its
 * place (write_unit()) behind the end. The queue goes on behind the record of the last unit:
 * nothing is left out.
 */
#include <assert.h>

#include "base/log.h"
#include "delivery/timer_internal.h"

struct revising {
    struct timer *timer;
    int64_t count;
    /* One slot is written last, so that a recovery that does not get there is done again. */
    struct timer_wheel_kept kept;
    int64_t kept_tick; /* of the slot to be; -1: none, it is to be emptied */
    struct timer_slot kept_slot;
};

static int64_t tick_of(const struct timer *t, const struct timer_unit *unit)
{
    return (unit->write_ms + unit->delay_ms) / t->options.precision_ms;
}

/* Makes the unit the last of its slot unless a later one is; the slot reaches back to it. */
static int revise(void *ctx, int64_t pos, const struct timer_unit *unit)
{
    assert(pos >= 0);
    struct revising *r = ctx;
    struct timer *t = r->timer;
    struct timer_slot slot;
    const struct timer_check *check = &t->work.check;
    int64_t tick = tick_of(t, unit);
    if (unit->phy_offset + unit->bytes > t->opened_end)
        return 1;
    /* No unit is written behind what is read, so the slot of this one could not be written in time:
     * its record is still to be taken in. */
    if (pos >= check->log_pos && tick < check->read_ms / t->options.precision_ms)
        return 1;
    /* No wheel reaches there, or it was not written then: a bit has turned, and its record is taken
     * in again, too. */
    int64_t now_tick = t->work.now_ms / t->options.precision_ms;
    if (pos >= check->log_pos && (tick > now_tick + t->work.wheel.slots ||
                                  unit->write_ms / t->options.precision_ms > now_tick))
        return 1;
    r->count++;
    if (tick < 0)
        return 0;
    bool is_kept = timer_wheel_place(&t->work.wheel, tick) == r->kept.place;
    bool is_certain = pos < check->log_pos; /* its slot is on the disk */
    int err = 0;
    if (is_kept && tick == r->kept_tick)
        slot = r->kept_slot;
    else if (is_kept)
        slot = (struct timer_slot){ .first_pos = TIMER_NO_POS, .last_pos = TIMER_NO_POS };
    else
        err = timer_wheel_get(&t->work.wheel, tick, &slot);
    bool is_set = err == 0 && slot.last_pos >= pos && slot.first_pos <= pos;
    if (is_set && !is_certain && !is_kept) /* perhaps not there: a sync of it may have failed */
        return timer_wheel_put(&t->work.wheel, tick, &slot);
    if (err != 0 || is_set)
        return err;
    if (slot.last_pos < 0)
        slot = (struct timer_slot){ .first_pos = pos, .last_pos = TIMER_NO_POS };
    if (slot.first_pos > pos) /* set from later units by a recovery that did not get farther */
        slot.first_pos = pos;
    if (slot.last_pos < pos) {
        slot.last_pos = pos;
        slot.count += (unit->magic & TIMER_MAGIC_DELETE) != 0 ? -1 : 1;
    }
    assert(slot.first_pos <= pos);
    assert(slot.last_pos >= pos);
    if (!is_kept)
        return timer_wheel_put(&t->work.wheel, tick, &slot);
    r->kept_tick = tick;
    r->kept_slot = slot;
    return 0;
}

static int leads_home(void *ctx, int64_t tick, int64_t pos)
{
    const struct timer *t = ctx;
    struct timer_unit unit;
    int err = timer_log_read(t->work.log, pos, &unit);
    if (err == ERR_CORRUPT || err == ERR_NOT_FOUND) /* the latter behind its last file */
        return 0;
    return err != 0 ? err : tick_of(t, &unit) == tick;
}

/* Sets the slots again that led to no unit of theirs. Those before the check point do: the disk had
 * both when it was written. */
static int mend_wheel(struct timer *t, struct revising *r)
{
    struct timer_work *w = &t->work;
    int64_t end = timer_log_end(w->log);
    int64_t from = w->check.log_pos < end ? w->check.log_pos : end;
    int err = timer_wheel_cut(&w->wheel, from, leads_home, t, &r->kept);
    if (err != 0 || r->kept.place < 0)
        return err;
    if (r->kept.first_pos < from)
        from = r->kept.first_pos;
    err = timer_log_walk(w->log, from, revise, r);
    if (err == 0)
        err = timer_wheel_sync(&w->wheel);
    w->is_wheel_doubtful = err != 0;
    if (err != 0)
        return err;
    return r->kept_tick < 0 ? timer_wheel_empty(&w->wheel, r->kept.place)
                            : timer_wheel_put(&w->wheel, r->kept_tick, &r->kept_slot);
}

/* The queue offset of the last unit's record; -1 when that cannot be told. */
static int64_t last_queue_offset(struct timer *t)
{
    struct timer_unit unit;
    struct record record;
    buf_clear(&t->work.records);
    if (timer_log_last(t->work.log, &unit) != 0 ||
        store_get_record(t->options.store, unit.phy_offset, unit.bytes, true, &t->work.records) !=
            0 ||
        record_decode(buf_slice(&t->work.records), RECORD_CHECK_LENGTHS, &record) != 0 ||
        !slice_eq(record.topic, SLICE(TOPIC_TIMER)))
        return -1;
    return record.queue_offset;
}

/* Where the queue goes on. The check point may be behind the log (killed), or before it: records
 * that needed no unit were passed. It is not believed about a log that lost its end. */
static int64_t first_queue_offset(struct timer *t)
{
    struct store *store = t->options.store;
    int64_t next = last_queue_offset(t) + 1;
    bool is_whole = timer_log_end(t->work.log) >= t->work.check.log_pos;
    int64_t min = store_queue_min(store, SLICE(TOPIC_TIMER), 0);
    int64_t max = t->opened_queue_max;
    assert(min >= 0);
    assert(min <= max);
    /* One behind the queue's end is a flipped bit. */
    if (is_whole && t->work.check.queue_offset > next && t->work.check.queue_offset <= max)
        next = t->work.check.queue_offset;
    if (next < min || next > max)
        log_warn("timer_queue_offset_corrected next=%lld min=%lld max=%lld", (long long)next,
                 (long long)min, (long long)max);
    return next < min ? min : next > max ? max : next;
}

/* Where the units begin whose slots are set again: all of them when the wheel is lost, or the check
 * point leads nowhere. */
static int64_t first_pos(const struct timer *t)
{
    const struct timer_work *w = &t->work;
    int64_t min = timer_log_min(w->log);
    bool leads_into_log = w->check.log_pos <= timer_log_found_end(w->log);
    if (w->wheel.is_new && !timer_log_is_new(w->log))
        log_warn("timer_wheel_made_again path=%s", w->wheel.path);
    return leads_into_log && !w->wheel.is_new ? w->check.log_pos : min;
}

int timer_recover(struct timer *t)
{
    struct timer_work *w = &t->work;
    struct revising r = { .timer = t, .kept = { .place = -1 }, .kept_tick = -1 };
    assert(!w->is_recovered);
    int err = w->is_wheel_doubtful ? timer_wheel_rewrite(&w->wheel) : 0;
    if (err == 0)
        err = timer_log_recover(w->log, first_pos(t), revise, &r);
    if (err == 0)
        err = mend_wheel(t, &r);
    if (err != 0)
        return err;
    w->queue_next = first_queue_offset(t);
    assert(w->queue_next >= 0);
    w->is_recovered = true;
    log_info("timers_recovered read_ms=%lld log_end=%lld queue_next=%lld units=%lld",
             (long long)timer_tick_ms(t, 0), (long long)timer_log_end(w->log),
             (long long)w->queue_next, (long long)r.count);
    return 0;
}
