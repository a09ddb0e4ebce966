/* put.c - the way of every message into the store.
 *
 *     from a client ──┐                     ┌─ no time ──────────> its topic
 *     due, sent back ─┼─ does it name one? ─┼─ a delay level ────> SCHEDULE_TOPIC_XXXX
 *     of the broker ──┘                     └─ a timer ──────────> rmq_sys_wheel_timer
 *     half message ──────────────────────────────────────────────> RMQ_SYS_TRANS_HALF_TOPIC
 *
 * So nobody forgets that a message is to wait, and puts are counted and their time taken in one
 * place. Who knows that a message names no time says so (broker_put_at_once) and saves the look.
 */
#include "broker/send/put.h"

#include <assert.h>

#include "base/clock.h"
#include "broker/figures/evidence.h"
#include "broker/figures/put_times.h"
#include "broker/figures/stats.h"
#include "broker/internal.h"
#include "broker/later/delays.h"
#include "broker/later/txns.h"
#include "wire/properties.h"

static int64_t max_delay_ms(const struct broker *broker)
{
    return broker->conf.timer_max_delay_sec * 1000LL;
}

/* Where a single message waits, if it has to. */
static int redirect(struct broker *broker, struct record *record, int64_t most_ms,
                    struct arena *arena)
{
    if (!message_has_times(record->properties))
        return 0;
    const struct timer_rules rules = {
        .enable = broker->conf.timer_wheel_enable,
        .precision_ms = timer_precision(broker->conf.timer_precision_ms),
        .max_delay_ms = most_ms,
    };
    switch (timer_redirect(&rules, record, loop_now_ms(broker->loop), arena)) {
    case TIMER_NONE:
        delay_redirect(store_delay_levels(broker->store), record, arena);
        return 0;
    case TIMER_REDIRECTED:
        return 0;
    case TIMER_NOT_ENABLED:
        return ERR_UNSUPPORTED;
    case TIMER_ILLEGAL:
        return ERR_INVALID;
    }
    assert(!"a verdict");
    return ERR_INVALID;
}

/* events_put() does the rest when it is known how long the put took. */
static void count_put(struct broker *broker, const struct store_put_result *result, int messages)
{
    int64_t waited_ns = evidence_waited_ns(broker->evidence);
    evidence_put(broker->evidence, result, messages);
    if (waited_ns >= NS_PER_MS)
        stats_put_took(broker->stats, waited_ns / NS_PER_MS, loop_now_ns(broker->loop));
}

static int put(struct broker *broker, struct store_place *place, const struct record *records,
               int count, struct store_put_result *result, int64_t *phy_offsets)
{
    int err = store_put_at(broker->store, place, records, count, loop_now_ms(broker->loop), result,
                           phy_offsets);
    assert(err != 0 || result->end_phy_offset > result->phy_offset);
    if (err == 0)
        count_put(broker, result, count);
    else
        put_times_failed(broker->put_times);
    return err;
}

int broker_put(struct broker *broker, struct record *records, int count, struct arena *arena,
               struct store_put_result *result, int64_t *phy_offsets)
{
    assert(count > 0);
    /* batches do not wait */
    int err = count == 1 ? redirect(broker, records, max_delay_ms(broker), arena) : 0;
    return err != 0 ? err : put(broker, NULL, records, count, result, phy_offsets);
}

int broker_put_own(struct broker *broker, struct record *record, struct arena *arena,
                   struct store_put_result *result)
{
    int err = redirect(broker, record, INT64_MAX, arena);
    return err != 0 ? err : put(broker, NULL, record, 1, result, NULL);
}

void broker_put_is_near(struct broker *broker, const struct topic_config *topic, int32_t queue_id)
{
    const struct topic_places *places = topics_beside(broker->topics, topic);
    if (places == NULL)
        return;
    store_put_is_near(&places->stored, queue_id);
    stats_put_is_near(&places->counted);
}

int broker_put_at_once(struct broker *broker, const struct topic_config *topic,
                       const struct record *record, struct store_put_result *result)
{
    assert(record->topic.data == topic->name.data);
    struct topic_places *places = topics_beside(broker->topics, topic);
    return put(broker, places == NULL ? NULL : &places->stored, record, 1, result, NULL);
}

int broker_put_half(struct broker *broker, struct record *record, struct arena *arena,
                    struct store_put_result *result)
{
    struct record committed = *record; /* a timer that will be refused then is refused now */
    struct slice real_topic = record->topic;
    int err = redirect(broker, &committed, max_delay_ms(broker), arena);
    if (err != 0)
        return err;
    txn_half_prepare(record, arena);
    assert(slice_eq(record->topic, SLICE(TOPIC_TRANS_HALF))); /* nobody gets it uncommitted */
    err = put(broker, NULL, record, 1, result, NULL);
    if (err == 0) {
        txn_half_was_put(txns_txn(broker->txns), real_topic, loop_now_ms(broker->loop));
        txns_changed(broker->txns);
    }
    return err;
}

/* Most disks are refused long before they are full. */
static struct slice disk_full_remark(const struct broker *broker, struct arena *arena)
{
    int percent = store_disk_percent(broker->store);
    int most = broker->conf.disk_space_warning_level_ratio;
    if (percent <= most)
        return SLICE("service not available now: the broker's disk is full");
    return arena_printf(arena,
                        "service not available now: the broker's disk is %d %% full, and sends are "
                        "refused above %d %% (diskSpaceWarningLevelRatio)",
                        percent, most);
}

int32_t put_refusal(const struct broker *broker, int err, struct arena *arena, struct slice *remark)
{
    switch (err) {
    case ERR_UNSUPPORTED:
        *remark = SLICE("accurate timer message is not enabled, timerWheelEnable is false");
        return RESP_SYSTEM_ERROR;
    case ERR_INVALID:
        *remark =
            SLICE("timer message illegal, the delay time should be a number and not be bigger than "
                  "timerMaxDelaySec; or if set del msg, the delay time should be bigger than the "
                  "current time");
        return RESP_MESSAGE_ILLEGAL;
    case ERR_TOO_BIG:
        *remark = SLICE("the message is illegal, maybe msg body or properties length not matched");
        return RESP_MESSAGE_ILLEGAL;
    case ERR_DISK_FULL:
        *remark = disk_full_remark(broker, arena);
        return RESP_SERVICE_NOT_AVAILABLE;
    case ERR_CORRUPT:
        *remark = SLICE("service not available now: files of consume queues are missing, a restart "
                        "builds them again");
        return RESP_SERVICE_NOT_AVAILABLE;
    case ERR_IO:
        *remark = SLICE("service not available now: a write to the broker's disk has failed");
        return RESP_SERVICE_NOT_AVAILABLE;
    case ERR_CLOSED:
        *remark = SLICE("service not available now: the broker is shutting down");
        return RESP_SERVICE_NOT_AVAILABLE;
    default:
        *remark = SLICE("UNKNOWN_ERROR");
        return RESP_SYSTEM_ERROR;
    }
}
