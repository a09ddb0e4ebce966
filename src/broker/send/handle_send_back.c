/* handle_send_back.c - CONSUMER_SEND_MSG_BACK (36): a consumer returns a message it could not
 * handle.
 *
 * The message is stored once more, on the retry topic of its group by way of a delay level, or,
 * when its retries are used up, on the group's dead-letter topic. The consumer takes the answer as
 * leave to go on behind the message, so with synchronous flush it is given only when the new copy
 * is on disk, although the copy itself says WAIT=false as the reference's does.
 */
#include "broker/figures/stats.h"
#include "broker/guard/guard.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/requests.h"
#include "broker/send/acks.h"
#include "broker/send/put.h"
#include "broker/topic_rules.h"
#include "delivery/delivery.h"
#include "wire/names.h"
#include "wire/properties.h"
#include "wire/req_send.h"

struct send_back {
    struct offload offload;
    struct send_back_request fields;
    int read_err;
};

static void read_message(struct offload *o)
{
    struct send_back *s = (struct send_back *)o;
    s->read_err = store_get_at(o->broker->store, s->fields.phy_offset, &o->body);
}

/* Neighbours of one queue go to different retry queues. */
static int32_t spread(int64_t queue_offset, int32_t queue_count)
{
    return (int32_t)((uint64_t)queue_offset % (uint64_t)queue_count);
}

/* The group's retry topic, or its dead-letter topic. The retry topic must be there and writable in
 * both cases. NULL: the request was answered. */
static const struct topic_config *next_topic(struct send_back *s, const struct group_config *group,
                                             bool is_dead)
{
    struct request *req = s->offload.req;
    struct broker *broker = s->offload.broker;
    const struct topic_config *topic =
        broker_retry_topic_ensure(broker, group, s->fields.unit_mode);
    if (topic != NULL && (topic->perm & PERM_WRITE) == 0) {
        reply_code(req, RESP_NO_PERMISSION, "the topic[%.*s] sending message is forbidden",
                   SLICE_FMT(topic->name));
        return NULL;
    }
    if (topic != NULL && is_dead)
        topic = broker_dead_letter_topic_ensure(broker, s->fields.group);
    if (topic == NULL)
        reply_code(req, RESP_SYSTEM_ERROR, "topic[%s%.*s] not exist",
                   is_dead ? TOPIC_DLQ_PREFIX : TOPIC_RETRY_PREFIX, SLICE_FMT(s->fields.group));
    return topic;
}

/* Makes the message the next copy: on the group's retry or dead-letter topic. On failure the
 * request was answered. */
static int move_to_retry_topic(struct send_back *s, const struct group_config *group,
                               struct record *record)
{
    struct request *req = s->offload.req;
    int32_t most = retry_times_max(group, req->header.version, s->fields.max_reconsume_times);
    struct retry_decision decision =
        retry_decide(record->reconsume_times, most, s->fields.delay_level);
    bool is_dead = decision.place == RETRY_DEAD;
    int32_t queue_count = is_dead ? 1 : group->retry_queue_nums;
    const struct topic_config *topic = next_topic(s, group, is_dead);
    if (topic == NULL)
        return ERR_INVALID;
    struct slice name = arena_copy(&req->arena, topic->name);
    char id[MSG_ID_TEXT_MAX];
    size_t id_bytes = msg_id_encode(&record->store_host, record->phy_offset, id);
    int err =
        retry_prepare(record, name, spread(record->queue_offset, queue_count), decision.delay_level,
                      arena_copy(&req->arena, slice_of(id, id_bytes)), &req->arena);
    if (err != 0)
        reply_code(req, RESP_SYSTEM_ERROR, "PROPERTIES_SIZE_EXCEEDED");
    return err;
}

/* The topic it was sent to first. */
static struct slice origin_topic(const struct record *record)
{
    struct slice origin = property_get(record->properties, SLICE(PROPERTY_RETRY_TOPIC));
    return origin.len > 0 ? origin : record->topic;
}

static void put_copy(struct send_back *s, struct record *record, struct slice origin)
{
    struct request *req = s->offload.req;
    struct broker *broker = s->offload.broker;
    struct store_put_result result;
    record->store_host = broker->self;
    int err = broker_put(broker, record, 1, &req->arena, &result, NULL);
    if (err != 0) {
        struct slice remark;
        int32_t code = put_refusal(broker, err, &req->arena, &remark);
        reply_code(req, code, "%.*s", SLICE_FMT(remark));
        return;
    }
    stats_count(broker->stats, STATS_SENT_BACK, origin, s->fields.group, 1,
                loop_now_ns(broker->loop));
    struct reply reply = { .code = RESP_SUCCESS };
    acks_reply(broker, req, &reply, result.end_phy_offset, true);
}

static void store_copy(struct offload *o)
{
    struct send_back *s = (struct send_back *)o;
    const struct group_config *group = broker_group_ensure(o->broker, s->fields.group);
    struct record record;
    if (group == NULL) {
        reply_code(o->req, RESP_SUBSCRIPTION_GROUP_NOT_EXIST, "subscription group not exist, %.*s",
                   SLICE_FMT(s->fields.group));
    } else if ((o->broker->conf.broker_permission & PERM_WRITE) == 0) {
        reply_code(o->req, RESP_NO_PERMISSION, "the broker[%s] sending message is forbidden",
                   o->broker->conf.broker_ip1);
    } else if (group->retry_queue_nums <= 0) {
        reply_code(o->req, RESP_SUCCESS, NULL);
    } else if (s->read_err != 0 ||
               record_decode(buf_slice(&o->body), RECORD_CHECK_BODY_CRC, &record) != 0) {
        reply_code(o->req, RESP_SYSTEM_ERROR, "look message by offset failed, %lld",
                   (long long)s->fields.phy_offset);
    } else {
        struct slice origin = origin_topic(&record);
        if (move_to_retry_topic(s, group, &record) == 0)
            put_copy(s, &record, origin);
    }
}

void handle_send_back(struct broker *broker, struct request *req)
{
    if (guard_stops_arrival(broker->guard, req))
        return;
    request_detach(req);
    struct send_back *s = arena_zalloc(&req->arena, sizeof *s);
    if (request_fields(req, &send_back_request_fields, &s->fields) != 0 ||
        guard_stops_send(broker->guard, req, retry_topic_of(s->fields.group, &req->arena)))
        return;
    offload_start(&s->offload, broker, req, read_message, store_copy);
}
