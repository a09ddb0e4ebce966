#include "broker/pop/pop_checks.h"

#include "broker/saver.h"
#include "broker/topic_rules.h"
#include "wire/names.h"

enum { ANSWER_AHEAD_MS = 50, POLL_MAX_MS = 3600 * 1000 };

static int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

int64_t pop_deadline_ms(int64_t now_ms, int64_t *born_ms, int64_t *poll_ms)
{
    if (*born_ms == 0)
        *born_ms = now_ms;
    *born_ms = within(*born_ms, 0, now_ms + POLL_MAX_MS); /* a client's clock may be ahead */
    *poll_ms = within(*poll_ms, -POLL_MAX_MS, POLL_MAX_MS);
    int64_t deadline_ms = *born_ms + *poll_ms - ANSWER_AHEAD_MS;
    return within(deadline_ms, INT64_MIN, now_ms + POLL_MAX_MS);
}

struct slice pop_place_fault(struct broker *broker, struct request *req, struct slice topic,
                             struct slice group, int32_t queue_id, int32_t *code)
{
    struct arena *arena = &req->arena;
    const struct topic_config *config = topics_get(broker->topics, topic);
    *code = RESP_TOPIC_NOT_EXIST;
    if (config == NULL)
        return arena_printf(arena, "topic[%.*s] not exist, apply first please!", SLICE_FMT(topic));
    *code = RESP_NO_PERMISSION;
    if ((config->perm & PERM_READ) == 0)
        return arena_printf(arena, "the topic[%.*s] peeking message is forbidden",
                            SLICE_FMT(topic));
    *code = RESP_INVALID_PARAMETER;
    if (queue_id >= config->read_queue_count)
        return arena_printf(
            arena,
            "queueId[%d] is illegal, topic:[%.*s] topicConfig.readQueueNums:[%d] consumer:[%s]",
            queue_id, SLICE_FMT(topic), config->read_queue_count, peer_address(req->peer)->text);
    const struct group_config *found = broker_group_ensure(broker, group);
    *code = RESP_SUBSCRIPTION_GROUP_NOT_EXIST;
    if (found == NULL)
        return arena_printf(arena, "subscription group [%.*s] does not exist", SLICE_FMT(group));
    *code = RESP_NO_PERMISSION;
    if (!found->consume_enable)
        return arena_printf(arena, "subscription group no permission, %.*s", SLICE_FMT(group));
    return slice_of(NULL, 0);
}

struct slice pop_invisible_fault(const struct broker *broker, int64_t invisible_ms,
                                 struct arena *arena)
{
    int64_t most_ms = broker->conf.timer_max_delay_sec * 1000LL;
    if (invisible_ms < 0)
        return arena_printf(arena, "invisibleTime[%lld] is below zero", (long long)invisible_ms);
    if (invisible_ms > most_ms)
        return arena_printf(arena, "invisibleTime[%lld] is longer than timerMaxDelaySec[%d] allows",
                            (long long)invisible_ms, broker->conf.timer_max_delay_sec);
    return slice_of(NULL, 0);
}

/* A group that never popped the queue, and wants only what comes: everything when the whole queue
 * is fresh, else the last message. */
static int newest_offset(struct broker *broker, struct slice topic, int32_t queue_id,
                         const struct store_bounds *bounds, int64_t *queue_offset)
{
    bool is_fresh = false;
    int err = 0;
    if (broker->conf.init_pop_offset_by_check_msg_in_mem && bounds->min <= 0)
        err = store_queue_begins_in_memory(broker->store, topic, queue_id, &is_fresh);
    *queue_offset = is_fresh || bounds->max == 0 ? 0 : bounds->max - 1;
    return err;
}

int pop_begin_offset(struct broker *broker, struct slice topic, struct slice group,
                     int32_t queue_id, int32_t init_mode, bool keeps, int64_t *queue_offset)
{
    struct store_bounds bounds;
    *queue_offset = offsets_get(broker->offsets, topic, group, queue_id);
    if (*queue_offset >= 0)
        return 0;
    int err = store_queue_bounds(broker->store, topic, queue_id, &bounds);
    if (err == 0 && (init_mode == POP_FROM_MIN || topic_is_retry(topic)))
        *queue_offset = bounds.min;
    else if (err == 0)
        err = newest_offset(broker, topic, queue_id, &bounds, queue_offset);
    if (err == 0 && keeps) {
        offsets_put(broker->offsets, topic, group, queue_id, *queue_offset,
                    loop_now_ms(broker->loop));
        saver_changed(broker->saver, TABLE_OFFSETS);
    }
    return err;
}
