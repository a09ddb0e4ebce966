/* timer_mend.c - a chain of units in which a bit has turned: nothing guards wheel and timer log,
 * but every unit says its tick, and stands for a record that says more. So where a chain breaks,
 * the next unit of the tick is looked for in the log, and the record of the damaged one in the
 * timer topic, beside that of the unit before it: units are written in the order of the queue.
 *
 * Not noticed: a slot whose tick has turned (the tick looks empty), and a link that has turned to
 * another unit of the same tick.
 */
#include "base/log.h"
#include "delivery/timer_internal.h"
#include "delivery/timer_message.h"

/* So many units are looked at for the next of a tick. */
enum { LOOKED_AT_MOST = 1 << 20 };

bool timer_unit_is_of(const struct timer *t, const struct timer_unit *unit, int64_t tick)
{
    return (unit->write_ms + unit->delay_ms) / t->options.precision_ms == tick;
}

/* The place of the unit before `pos`; -1: that is in another file, whose filler says nothing. */
static int64_t unit_in_front(const struct timer *t, int64_t pos)
{
    int64_t in_file = pos % t->options.log_file_bytes;
    int64_t aligned = in_file - in_file % TIMER_UNIT_BYTES;
    int64_t before = aligned < in_file ? aligned : in_file - TIMER_UNIT_BYTES;
    return before < 0 ? -1 : pos - in_file + before;
}

int64_t timer_chain_below(const struct timer *t, int64_t tick, int64_t limit)
{
    int64_t min = timer_log_min(t->work.log);
    int64_t pos = limit;
    for (int left = LOOKED_AT_MOST; left > 0 && pos > min; left--) {
        struct timer_unit unit;
        int64_t before = unit_in_front(t, pos);
        pos = before >= 0 ? before : pos - 1; /* the last place of the file before, or its filler */
        if (pos >= min && pos % t->options.log_file_bytes % TIMER_UNIT_BYTES == 0 &&
            timer_log_read(t->work.log, pos, &unit) == 0 && timer_unit_is_of(t, &unit, tick))
            return pos;
    }
    return TIMER_NO_POS;
}

/* The unit's record, when it is one of the timer topic. */
static bool read_record(struct timer *t, const struct timer_unit *unit, struct record *record)
{
    buf_clear(&t->work.records);
    return unit->bytes > 0 && unit->phy_offset >= 0 &&
           store_get_record(t->options.store, unit->phy_offset, unit->bytes, true,
                            &t->work.records) == 0 &&
           record_decode(buf_slice(&t->work.records), RECORD_CHECK_LENGTHS, record) == 0 &&
           slice_eq(record->topic, SLICE(TOPIC_TIMER));
}

/* What came late lies in a tick behind its own. One whose link led astray is taken with what is due
 * by now: it comes twice then, and not early. */
static bool may_lie_in(const struct timer *t, const struct record *record, int64_t tick)
{
    int64_t own_tick_ms;
    return timer_tick_in(record, &own_tick_ms) && own_tick_ms / t->options.precision_ms <= tick;
}

/* As the unit of the record was, but for its link. */
static void make_unit(const struct timer *t, const struct record *record, int64_t tick,
                      int64_t phy_offset, int32_t bytes, struct timer_unit *unit)
{
    bool cancels = timer_cancelled_by(record).data != NULL;
    *unit = (struct timer_unit){ .prev_pos = TIMER_NO_POS,
                                 .magic = TIMER_MAGIC_DEFAULT | (cancels ? TIMER_MAGIC_DELETE : 0),
                                 .write_ms = tick * t->options.precision_ms,
                                 .phy_offset = phy_offset,
                                 .bytes = bytes };
}

/* Whether the record so many places behind that of the unit at `pos` in the timer topic may lie in
 * the tick; *unit is then its unit. */
static bool find_beside(struct timer *t, int64_t tick, int64_t pos, int places,
                        struct timer_unit *unit)
{
    struct record record;
    struct store_queue_entry entry;
    if (timer_log_read(t->work.log, pos, unit) != 0 || !read_record(t, unit, &record) ||
        store_queue_entry_at(t->options.store, SLICE(TOPIC_TIMER), 0, record.queue_offset + places,
                             &entry) != 0)
        return false;
    unit->phy_offset = entry.phy_offset;
    unit->bytes = entry.bytes;
    if (!read_record(t, unit, &record) || !may_lie_in(t, &record, tick))
        return false;
    make_unit(t, &record, tick, entry.phy_offset, entry.bytes, unit);
    return true;
}

bool timer_mend_unit(struct timer *t, int64_t tick, int64_t pos, struct timer_unit *unit)
{
    struct record record;
    int64_t before = unit_in_front(t, pos);
    if (pos < 0 || pos % t->options.log_file_bytes % TIMER_UNIT_BYTES != 0)
        return false; /* no unit begins there */
    if (timer_log_read(t->work.log, pos, unit) == 0 && read_record(t, unit, &record)) {
        if (!may_lie_in(t, &record, tick))
            return false; /* another tick's: the chain led astray */
        make_unit(t, &record, tick, unit->phy_offset, unit->bytes, unit);
        return true;
    }
    bool is_found = before >= 0 ? find_beside(t, tick, before, 1, unit)
                                : find_beside(t, tick, pos + TIMER_UNIT_BYTES, -1, unit);
    if (is_found)
        log_warn("timer_unit_mended tick=%lld pos=%lld phy_offset=%lld", (long long)tick,
                 (long long)pos, (long long)unit->phy_offset);
    return is_found;
}
