/* timer_deliver.c - the loop's half: what is due is taken from memory, made the message it was sent
 * as, and put.
 *
 * A timer that was put is done; one whose record is not in memory goes to the next turn of work
 * (cold); one that the store refused waits and stays due.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "delivery/timer_internal.h"
#include "wire/properties.h"

enum outcome { OUTCOME_DONE, OUTCOME_COLD, OUTCOME_RETRY };

static void done(struct timer *t, const struct timer_item *item)
{
    timer_due_done(&t->due, item);
    if (!t->has_delivered || item->tick > t->delivered_tick)
        t->delivered_tick = item->tick;
    t->has_delivered = true;
    t->has_delivered_since = true;
}

static void count_out(struct timer *t, const struct record *record, int64_t now_ms)
{
    struct slice topic = property_get(record->properties, SLICE(PROPERTY_REAL_TOPIC));
    if (timer_cancelled_by(record).data == NULL)
        topic_counts_add(&t->counts, topic, -1, now_ms);
}

static bool is_cancelled(struct timer *t, const struct timer_item *item,
                         const struct record *record)
{
    if (item->is_roll || !timer_due_has_cancelled(&t->due, item->tick))
        return false;
    struct slice key = timer_cancel_key(record, &t->arena);
    return key.len > 0 && timer_due_is_cancelled(&t->due, item->tick, key);
}

/* Makes of the waiting record the one to put. */
static bool prepare(struct timer *t, const struct timer_item *item, struct record *record,
                    int64_t now_ms)
{
    int64_t write_ms = (t->base_tick + item->write_tick) * t->options.precision_ms;
    int64_t own_tick_ms;
    if (!timer_tick_in(record, &own_tick_ms))
        return false;
    if (!item->is_roll)
        return timer_restore(record, write_ms, now_ms, &t->arena);
    int64_t due_ms = timer_due_of(record, own_tick_ms, t->options.precision_ms);
    timer_roll(record, due_ms, write_ms, now_ms, &t->arena);
    if (due_ms < t->rolled_ms)
        t->rolled_ms = due_ms;
    return true;
}

static enum outcome put_record(struct timer *t, const struct timer_item *item,
                               struct record *record)
{
    int64_t end = 0;
    int err = t->options.put(t->options.ctx, record, &end);
    if (err == ERR_TOO_BIG) {
        log_error("timer_message_undeliverable phy_offset=%lld reason=too_big",
                  (long long)item->phy_offset);
        return OUTCOME_DONE;
    }
    if (err != 0) {
        log_warn("timer_delivery_failed phy_offset=%lld error=%s", (long long)item->phy_offset,
                 err_name(err));
        return OUTCOME_RETRY;
    }
    if (end > t->delivered_end)
        t->delivered_end = end;
    return OUTCOME_DONE;
}

static enum outcome deliver_bytes(struct timer *t, const struct timer_item *item,
                                  struct slice bytes, int64_t now_ms)
{
    struct record record;
    struct record waiting;
    int err = record_decode(bytes, RECORD_CHECK_BODY_CRC, &record);
    waiting = record;
    if (err == 0 && is_cancelled(t, item, &record)) {
        count_out(t, &record, now_ms);
        return OUTCOME_DONE;
    }
    if (err != 0 || !prepare(t, item, &record, now_ms)) {
        log_error("timer_message_undeliverable phy_offset=%lld reason=%s",
                  (long long)item->phy_offset, err == 0 ? "no_real_topic" : err_name(err));
        return OUTCOME_DONE;
    }
    enum outcome outcome = put_record(t, item, &record);
    if (outcome == OUTCOME_DONE)
        count_out(t, &waiting, now_ms);
    return outcome;
}

static enum outcome deliver_item(struct timer *t, const struct timer_item *item, int64_t now_ms)
{
    buf_clear(&t->record);
    int err = store_get_record(t->options.store, item->phy_offset, item->bytes, false, &t->record);
    if (err == ERR_WOULD_BLOCK)
        return OUTCOME_COLD;
    if (err == ERR_NOT_FOUND) {
        log_error("timer_message_gone phy_offset=%lld bytes=%d", (long long)item->phy_offset,
                  item->bytes);
        return OUTCOME_DONE;
    }
    return err != 0 ? OUTCOME_RETRY : deliver_bytes(t, item, buf_slice(&t->record), now_ms);
}

static void add_cold(struct timer *t, const struct timer_item *item)
{
    MEMORY_GROW(t->cold, t->cold_count, t->cold_cap, 16);
    t->cold[t->cold_count++] = (struct timer_cold){ .item = *item };
}

static void settle(struct timer *t, const struct timer_item *item, enum outcome outcome,
                   int64_t now_ms)
{
    arena_reset(&t->arena);
    switch (outcome) {
    case OUTCOME_DONE:
        done(t, item);
        break;
    case OUTCOME_COLD:
        add_cold(t, item);
        break;
    case OUTCOME_RETRY:
        timer_due_give_back(&t->due, item);
        t->retry_ms = now_ms + TIMER_RETRY_MS;
        break;
    }
}

void timer_pass_ticks(struct timer *t, int64_t now_ms)
{
    uint32_t now_tick = timer_relative(t, now_ms);
    if (!t->is_working)
        timer_due_pass(&t->due, t->loaded_to < now_tick ? t->loaded_to : now_tick);
    assert(t->due.first_tick <= t->loaded_to);
}

/* The first timer when it may be delivered at all: a tick counts once all of it is there. */
static const struct timer_item *first_item(const struct timer *t)
{
    const struct timer_item *item = timer_due_first(&t->due);
    return t->is_ready && item != NULL && item->tick < t->loaded_to ? item : NULL;
}

static int64_t next_due(const struct timer *t, int64_t now_ms)
{
    int64_t due_ms = INT64_MAX;
    const struct timer_item *item = first_item(t);
    if (item != NULL)
        due_ms = item->due_ms > t->retry_ms ? item->due_ms : t->retry_ms;
    /* the tick of the last delivery is to be known as over, or a restart would deliver it again */
    if (t->has_delivered && t->due.first_tick <= t->delivered_tick) {
        int64_t over_ms = timer_tick_ms(t, t->delivered_tick + 1);
        if (over_ms > now_ms && over_ms < due_ms)
            due_ms = over_ms;
    }
    return due_ms < now_ms ? now_ms : due_ms;
}

int64_t timer_run(struct timer *t, int64_t now_ms, int budget)
{
    assert(budget > 0);
    const struct timer_item *first;
    timer_notice_clock(t, now_ms);
    while (budget > 0 && t->retry_ms <= now_ms && (first = first_item(t)) != NULL &&
           first->due_ms <= now_ms) {
        struct timer_item item = timer_due_take(&t->due);
        assert(item.due_ms <= now_ms); /* never early */
        budget -= 1 + item.bytes / RUN_PIECE_BYTES;
        settle(t, &item, deliver_item(t, &item, now_ms), now_ms);
    }
    timer_pass_ticks(t, now_ms);
    return next_due(t, now_ms);
}

void timer_deliver_cold(struct timer *t, int64_t now_ms, bool may_deliver)
{
    struct timer_work *w = &t->work;
    for (size_t i = 0; i < w->cold_count; i++) {
        const struct timer_cold *cold = &w->cold[i];
        if (cold->len == 0 || !may_deliver) {
            timer_due_give_back(&t->due, &cold->item);
            continue;
        }
        assert(cold->at + cold->len <= w->cold_records.len);
        struct slice bytes = slice_of(w->cold_records.data + cold->at, cold->len);
        settle(t, &cold->item, deliver_bytes(t, &cold->item, bytes, now_ms), now_ms);
    }
    free(w->cold);
    w->cold = NULL;
    w->cold_count = 0;
    if (w->cold_records.cap > (1 << 20))
        buf_fini(&w->cold_records);
}
