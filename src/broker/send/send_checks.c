/* send_checks.c - what a send must pass before anything is stored, and the answers to what does
 * not. Each refusal has the reference's code.
 */
#include "broker/groups/queue_locks.h"
#include "broker/send/light_queues.h"
#include "broker/send/send.h"
#include "broker/topic_attributes.h"
#include "broker/topic_rules.h"
#include "delivery/delivery.h"
#include "wire/batch.h"
#include "wire/names.h"

void send_refuse(struct send *s, int32_t code, struct slice remark)
{
    struct send_refused_response fields = {
        .msg_region = slice_str(s->broker->conf.region_id),
        .trace_on = send_trace_on_text(s->broker),
    };
    reply_fields(s->req, code, remark, &send_refused_response_fields, &fields, slice_of(NULL, 0));
}

bool send_check_broker(struct send *s)
{
    const struct broker_conf *conf = &s->broker->conf;
    if (loop_now_ms(s->broker->loop) < conf->start_accept_send_request_timestamp) {
        send_refuse_printf(s, RESP_SYSTEM_ERROR, "broker unable to service, until %lld",
                           (long long)conf->start_accept_send_request_timestamp);
        return false;
    }
    if ((conf->broker_permission & PERM_WRITE) != 0)
        return true;
    const struct topic_config *topic = topics_get(s->broker->topics, s->fields.topic);
    if (topic != NULL && topic->order) {
        send_refuse_printf(s, RESP_NO_PERMISSION, "the broker[%s] sending message is forbidden",
                           conf->broker_ip1);
        return false;
    }
    return true;
}

bool send_check_topic(struct send *s)
{
    struct slice name = s->fields.topic;
    const char *fault = topic_name_fault(name);
    if (fault != NULL) {
        send_refuse(s, RESP_INVALID_PARAMETER, slice_str(fault));
        return false;
    }
    if (topic_is_not_sendable(name)) {
        send_refuse_printf(s, RESP_NO_PERMISSION, "Sending message to topic[%.*s] is forbidden.",
                           SLICE_FMT(name));
        return false;
    }
    int32_t sys_flag = 0;
    if (s->fields.unit_mode)
        sys_flag = topic_is_retry(name) ? TOPIC_SYS_FLAG_UNIT_SUB : TOPIC_SYS_FLAG_UNIT;
    const char *why = "";
    s->topic = broker_topic_for_send(s->broker, name, s->fields.default_topic,
                                     s->fields.default_topic_queue_nums, sys_flag, &why);
    if (s->topic == NULL) {
        send_refuse_printf(s, RESP_TOPIC_NOT_EXIST, "topic[%.*s] %s", SLICE_FMT(name), why);
        return false;
    }
    return true;
}

/* A queue the broker chooses: each in turn. */
static int32_t draw_queue(struct broker *broker, int32_t queue_count)
{
    return (int32_t)(broker->next_queue++ % (uint32_t)queue_count);
}

bool send_check_queue(struct send *s)
{
    int32_t write = s->topic->write_queue_count;
    int32_t read = s->topic->read_queue_count;
    if (s->fields.queue_id >= (write > read ? write : read) ||
        (s->fields.queue_id < 0 && write <= 0)) {
        send_refuse_printf(s, RESP_INVALID_PARAMETER,
                           "request queueId[%d] is illegal, topic[%.*s] has "
                           "%d read and %d write queues, producer %s",
                           s->fields.queue_id, SLICE_FMT(s->topic->name), read, write,
                           peer_address(s->req->peer)->text);
        return false;
    }
    if (s->fields.queue_id < 0)
        s->fields.queue_id = draw_queue(s->broker, write);
    return true;
}

bool send_turn_into_dead_letter(struct send *s)
{
    if (!topic_is_retry(s->fields.topic))
        return true;
    struct broker *broker = s->broker;
    struct slice group_name = group_of_retry_topic(s->fields.topic);
    const struct group_config *group = broker_group_ensure(broker, group_name);
    if (group == NULL) {
        send_refuse_printf(s, RESP_SUBSCRIPTION_GROUP_NOT_EXIST,
                           "subscription group not exist, %.*s", SLICE_FMT(group_name));
        return false;
    }
    int32_t most = retry_times_max(group, s->req->header.version, s->fields.max_reconsume_times);
    if (s->fields.reconsume_times <= most &&
        !queue_locks_group_has(broker->queue_locks, group_name, loop_now_ms(broker->loop)))
        return true;
    s->topic = broker_dead_letter_topic_ensure(broker, group_name);
    if (s->topic == NULL) {
        send_refuse_printf(s, RESP_SYSTEM_ERROR, "topic[%%DLQ%%%.*s] not exist",
                           SLICE_FMT(group_name));
        return false;
    }
    s->is_dead_letter = true;
    s->fields.queue_id = 0;
    return true;
}

bool send_check_kind(struct send *s)
{
    bool is_transaction = s->marks.is_transaction && !s->is_retried_later;
    if (is_transaction && s->broker->conf.reject_transaction_message) {
        send_refuse_printf(s, RESP_NO_PERMISSION,
                           "the broker[%s] sending transaction message is forbidden",
                           s->broker->conf.broker_ip1);
        return false;
    }
    if (!s->marks.is_transaction && (s->fields.sys_flag & SYS_FLAG_TRANSACTION_MASK) != 0) {
        send_refuse(
            s, RESP_MESSAGE_ILLEGAL,
            SLICE("sysFlag tells of a transaction, the properties do not: TRAN_MSG is missing"));
        return false;
    }
    if (topic_is_compacted(s->topic) && !s->marks.has_keys) {
        send_refuse(s, RESP_MESSAGE_ILLEGAL, SLICE("Required message key is missing"));
        return false;
    }
    return true;
}

bool send_check_light_queues(struct send *s)
{
    int32_t code;
    struct slice remark;
    struct slice names = s->fields.batch ? slice_of(NULL, 0) : s->marks.light_queues;
    if (light_queues_take(s->broker, s->topic->name, names, s->fields.properties.len,
                          &s->req->arena, &code, &remark))
        return true;
    send_refuse(s, code, remark);
    return false;
}

bool send_check_inner_batch(struct send *s)
{
    bool is_inner = (s->fields.sys_flag & SYS_FLAG_INNER_BATCH) != 0;
    int32_t told = 0;
    int count = 0;
    if (!is_inner && s->marks.inner_num.data == NULL)
        return true;
    if (is_inner && topic_has_batch_queues(s->topic) && slice_to_i32(s->marks.inner_num, &told) &&
        batch_count(s->req->body, &count) == 0 && told == count && count <= INNER_BATCH_MAX)
        return true;
    send_refuse(s, RESP_MESSAGE_ILLEGAL,
                is_inner
                    ? SLICE("an inner batch needs a topic with queue.type=BatchCQ, and INNER_NUM "
                            "must be the number of its messages")
                    : SLICE("INNER_NUM is of inner batches only"));
    return false;
}

bool send_check_sizes(struct send *s, size_t properties_bytes)
{
    int32_t max_body = s->broker->conf.max_message_bytes;
    if (s->req->body.len == 0 && !topic_is_compacted(s->topic)) { /* there it ends its key */
        send_refuse(s, RESP_SYSTEM_ERROR, SLICE("the message has no body"));
        return false;
    }
    if (s->req->body.len > (size_t)max_body || properties_bytes > RECORD_PROPERTIES_MAX ||
        (s->topic->name.len > TOPIC_NAME_MAX && !topic_is_retry(s->topic->name))) {
        send_refuse_printf(
            s, RESP_MESSAGE_ILLEGAL,
            "the message is illegal, maybe msg body or properties "
            "length not matched. msg body length limit %dB, msg properties length limit 32KB.",
            max_body);
        return false;
    }
    return true;
}
