/* handle_ack.c - ACK_MESSAGE (200051), BATCH_ACK_MESSAGE (200151) and CHANGE_MESSAGE_INVISIBLETIME
 * (200053): what becomes of popped messages.
 *
 * What a receipt handle says is checked against what is known of its pop (pop_standing). An ack of
 * a message that is not out any more has nothing to do and succeeds, as a repeated one; a change is
 * refused, or it would bring a message back that is acknowledged.
 */
#include "broker/pop/pop_checks.h"
#include "broker/pop/pop_hold.h"
#include "broker/pop/pops.h"
#include "broker/requests.h"
#include "broker/unreadable.h"
#include "broker/send/acks.h"
#include "broker/send/put.h"
#include "wire/body_batch_ack.h"

static int64_t now_ms(const struct broker *broker)
{
    return loop_now_ms(broker->loop);
}

/* Acknowledges, and makes room for another pop, where those are limited by what is out. */
static int ack(struct broker *broker, struct popped *popped, const int64_t *queue_offsets,
               int count, int64_t *end_phy_offset)
{
    const struct pop_key *key = &popped->key;
    int err = pop_ack(pops_keeper(broker->pops), popped, queue_offsets, count, now_ms(broker),
                      end_phy_offset);
    if (err == 0 && broker->conf.enable_pop_message_threshold)
        pop_hold_wake(broker->pop_hold, pop_normal_topic(key->topic, key->group), key->group,
                      key->queue_id);
    return err;
}

/* NULL, or why the message cannot be acknowledged. */
static const char *ack_in_order(struct broker *broker, const struct popped *popped,
                                int64_t queue_offset)
{
    return pop_ack_in_order(pops_keeper(broker->pops), popped, queue_offset, now_ms(broker));
}

/* ---- a handle -------------------------------------------------------------------------------- */

/* The checks of topic, queue and offset, in the reference's order; `past_end`: how far behind the
 * queue's last message an offset may be. True: the request was refused. */
static bool refused_place(struct broker *broker, struct request *req,
                          const struct pop_ack_request *fields, int64_t past_end)
{
    const struct topic_config *topic = topics_get(broker->topics, fields->topic);
    if (topic == NULL) {
        reply_code(req, RESP_TOPIC_NOT_EXIST, "topic[%.*s] not exist, apply first please!",
                   SLICE_FMT(fields->topic));
        return true;
    }
    if (fields->queue_id < 0 || fields->queue_id >= topic->read_queue_count) {
        reply_code(
            req, RESP_MESSAGE_ILLEGAL,
            "queueId[%d] is illegal, topic:[%.*s] topicConfig.readQueueNums:[%d] consumer:[%s]",
            fields->queue_id, SLICE_FMT(fields->topic), topic->read_queue_count,
            peer_address(req->peer)->text);
        return true;
    }
    struct store_bounds bounds;
    if (!bounds_or_answer(broker, req, fields->topic, fields->queue_id, &bounds))
        return true;
    if (fields->queue_offset < bounds.min || fields->queue_offset >= bounds.max + past_end) {
        reply_code(req, RESP_NO_MESSAGE,
                   "offset is illegal, key:%.*s@%d, commit:%lld, store:%lld~%lld",
                   SLICE_FMT(fields->topic), fields->queue_id, (long long)fields->queue_offset,
                   (long long)bounds.min, (long long)bounds.max);
        return true;
    }
    return false;
}

/* There was no such pop. */
static bool is_of_the_future(struct broker *broker, int64_t pop_time_ms, bool is_in_order)
{
    return pop_is_of_the_future(pops_keeper(broker->pops), pop_time_ms, is_in_order,
                                now_ms(broker));
}

/* Why a handle cannot be of a pop from this broker; NULL: it can. */
static const char *handle_fault(struct broker *broker, const struct receipt_handle *handle,
                                const struct pop_ack_request *fields)
{
    bool is_in_order = handle->revive_queue_id == POP_ORDER_QUEUE_ID;
    if (!slice_eq(handle->broker_name, slice_str(broker->conf.broker_name)))
        return "it is of another broker";
    if (!is_in_order && handle->revive_queue_id >= pops_revive_queue_count(broker->pops))
        return "there is no such revive queue";
    if (is_of_the_future(broker, handle->pop_time_ms, is_in_order))
        return "its pop is in the future";
    if (handle->start_offset > fields->queue_offset ||
        fields->queue_offset - handle->start_offset > INT32_MAX)
        return "the message's offset is not one of its pop";
    if (handle->queue_id >= 0 && handle->queue_id != fields->queue_id)
        return "it is of another queue";
    if (handle->queue_offset >= 0 && handle->queue_offset != fields->queue_offset)
        return "it is of another message";
    if (handle->origin != POP_OF_TOPIC && handle->origin != pop_origin_of(fields->topic))
        return "it is of a retry topic of another kind";
    return NULL;
}

/* Why it cannot be of the pop that it names; NULL: it can. */
static const char *standing_fault(enum pop_standing standing)
{
    switch (standing) {
    case POP_NOT_AS_GIVEN:
        return "its invisible time or revive queue is not that of its pop";
    case POP_NOT_OF_IT:
        return "the message is not one of its pop";
    case POP_IS_OUT:
    case POP_IS_OVER:
        break;
    }
    return NULL;
}

static void refuse_handle(struct request *req, const char *why)
{
    reply_code(req, RESP_MESSAGE_ILLEGAL, "the receipt handle is refused: %s", why);
}

/* The pop a request is about. True: the request was refused. */
static bool refused_handle(struct broker *broker, struct request *req,
                           const struct pop_ack_request *fields, struct popped *popped)
{
    struct receipt_handle handle;
    const char *why = NULL;
    if (receipt_handle_parse(fields->extra_info, &handle, &why) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "extraInfo is no receipt handle: %s", why);
        return true;
    }
    why = handle_fault(broker, &handle, fields);
    if (why != NULL) {
        refuse_handle(req, why);
        return true;
    }
    *popped = (struct popped){
        .key = { fields->topic, fields->consumer_group, fields->queue_id, handle.start_offset,
                 handle.pop_time_ms },
        .invisible_ms = handle.invisible_ms,
        .revive_queue_id = handle.revive_queue_id,
    };
    return false;
}

/* Answers a request whose records end there; err: what writing them met. */
static void answer_written(struct broker *broker, struct request *req, struct reply *reply, int err,
                           int64_t end_phy_offset)
{
    struct slice remark;
    if (err != 0) {
        int32_t code = put_refusal(broker, err, &req->arena, &remark);
        reply_code(req, code, "%.*s", SLICE_FMT(remark));
    } else if (end_phy_offset > 0) {
        acks_reply(broker, req, reply, end_phy_offset, true);
    } else {
        reply_send(req, reply);
    }
}

void handle_ack(struct broker *broker, struct request *req)
{
    struct pop_ack_request fields;
    struct popped popped;
    struct reply done = { .code = RESP_SUCCESS };
    int64_t end_phy_offset = 0;
    if (request_fields(req, &pop_ack_request_fields, &fields) != 0 ||
        refused_place(broker, req, &fields, 1) || refused_handle(broker, req, &fields, &popped))
        return;
    if (popped.revive_queue_id == POP_ORDER_QUEUE_ID) {
        const char *why = ack_in_order(broker, &popped, fields.queue_offset);
        reply_code(req, why == NULL ? RESP_SUCCESS : RESP_MESSAGE_ILLEGAL,
                   why == NULL ? NULL : "%s", why);
        return;
    }
    const char *why =
        standing_fault(pop_standing(pops_keeper(broker->pops), &popped, fields.queue_offset));
    if (why != NULL) {
        refuse_handle(req, why);
        return;
    }
    int err = ack(broker, &popped, &fields.queue_offset, 1, &end_phy_offset);
    answer_written(broker, req, &done, err, end_phy_offset);
}

/* ---- batches --------------------------------------------------------------------------------- */

/* The messages of an entry that can be, at most as many as a checkpoint has; what else its bits say
 * is skipped, as the reference does. Below zero: an error, the queue cannot be read. */
static int offsets_of(struct broker *broker, const struct batch_ack *entry,
                      const struct pop_key *key, int64_t offsets[POP_CHECKPOINT_MESSAGES_MAX])
{
    struct store_bounds bounds;
    int err = store_queue_bounds(broker->store, key->topic, key->queue_id, &bounds);
    if (err != 0)
        return err;
    int count = 0;
    int64_t bit = batch_ack_next_bit(entry->bits, 0);
    for (; bit >= 0 && count < POP_CHECKPOINT_MESSAGES_MAX;
         bit = batch_ack_next_bit(entry->bits, bit + 1)) {
        int64_t offset = entry->start_offset + bit;
        if (offset >= bounds.min && offset < bounds.max)
            offsets[count++] = offset;
    }
    return count;
}

static bool is_possible(struct broker *broker, const struct batch_ack *entry,
                        const struct topic_config *topic)
{
    bool is_in_order = entry->revive_queue_id == POP_ORDER_QUEUE_ID;
    return topic != NULL && entry->queue_id >= 0 && entry->queue_id < topic->read_queue_count &&
           entry->start_offset >= 0 && entry->start_offset < INT64_MAX / 2 &&
           entry->pop_time_ms >= 0 && !is_of_the_future(broker, entry->pop_time_ms, is_in_order) &&
           entry->invisible_ms >= 0 && entry->revive_queue_id >= 0 &&
           (is_in_order || entry->revive_queue_id < pops_revive_queue_count(broker->pops));
}

/* One entry. Those that cannot be of a pop from here do nothing, as in the reference. */
static int ack_entry(struct broker *broker, const struct batch_ack *entry, struct arena *arena,
                     int64_t *end_phy_offset)
{
    int64_t offsets[POP_CHECKPOINT_MESSAGES_MAX];
    struct popped popped = {
        .key = { pop_topic_name(entry->topic, entry->group, entry->origin, arena), entry->group,
                 entry->queue_id, entry->start_offset, entry->pop_time_ms },
        .invisible_ms = entry->invisible_ms,
        .revive_queue_id = entry->revive_queue_id,
    };
    if (!is_possible(broker, entry, topics_get(broker->topics, popped.key.topic)))
        return 0;
    int count = offsets_of(broker, entry, &popped.key, offsets);
    if (count < 0)
        return count;
    if (entry->revive_queue_id == POP_ORDER_QUEUE_ID) {
        for (int i = 0; i < count; i++)
            (void)ack_in_order(broker, &popped, offsets[i]); /* nobody asks which failed */
        return 0;
    }
    if (count == 0 ||
        pop_standing(pops_keeper(broker->pops), &popped, offsets[0]) == POP_NOT_AS_GIVEN)
        return 0;
    return ack(broker, &popped, offsets, count, end_phy_offset);
}

void handle_batch_ack(struct broker *broker, struct request *req)
{
    struct batch_ack_request request = { 0 };
    struct reply done = { .code = RESP_SUCCESS };
    int64_t end_phy_offset = 0;
    int err = 0;
    if (req->body.len > 0 && batch_ack_request_decode(req->body, &req->arena, &request) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no list of acks, at most %d",
                   BATCH_ACKS_MAX);
        return;
    }
    if (request.count == 0) {
        reply_code(req, RESP_NO_MESSAGE, "there are no acks in the body");
        return;
    }
    for (int i = 0; i < request.count; i++) {
        if (!request.acks[i].has_origin) {
            reply_code(req, RESP_SYSTEM_ERROR, "ack %d: r is none of 0, 1 and 2", i);
            return;
        }
    }
    bool is_ours = slice_eq(request.broker_name, slice_str(broker->conf.broker_name));
    for (int i = 0; is_ours && i < request.count && err == 0; i++)
        err = ack_entry(broker, &request.acks[i], &req->arena, &end_phy_offset);
    answer_written(broker, req, &done, err, end_phy_offset);
}

/* ---- another invisible time ------------------------------------------------------------------ */

static void answer_change(struct broker *broker, struct request *req,
                          const struct pop_change_response *fields, int err, int64_t end_phy_offset)
{
    struct reply reply = { .code = RESP_SUCCESS, .has_ext = true };
    reply.ext = fields_encode(&pop_change_response_fields, FIELD_LONG_NAMES, fields, &req->arena,
                              &reply.ext_count);
    answer_written(broker, req, &reply, err, end_phy_offset);
}

static void refuse_change(struct request *req, int32_t code, const char *why)
{
    struct pop_change_response none = { 0 };
    reply_fields(req, code, slice_str(why), &pop_change_response_fields, &none, slice_of(NULL, 0));
}

static void change_in_order(struct broker *broker, struct request *req,
                            const struct pop_ack_request *fields, const struct popped *popped)
{
    struct pop_change_response response = { 0 };
    int64_t visible_ms = now_ms(broker) + fields->invisible_ms;
    if (pop_change_in_order(pops_keeper(broker->pops), popped, fields->queue_offset, visible_ms,
                            now_ms(broker))) {
        response.pop_time_ms = popped->key.pop_time_ms;
        response.invisible_ms = visible_ms - popped->key.pop_time_ms;
        response.revive_queue_id = popped->revive_queue_id;
    }
    answer_change(broker, req, &response, 0, 0);
}

static void change(struct broker *broker, struct request *req, const struct pop_ack_request *fields,
                   struct popped *popped)
{
    int64_t end_phy_offset = 0;
    struct popped changed;
    int err = pop_change(pops_keeper(broker->pops), popped, fields->queue_offset,
                         fields->invisible_ms, now_ms(broker), &changed, &end_phy_offset);
    struct pop_change_response response = {
        .pop_time_ms = changed.key.pop_time_ms,
        .invisible_ms = fields->invisible_ms,
        .revive_queue_id = changed.revive_queue_id,
    };
    answer_change(broker, req, &response, err, end_phy_offset);
}

void handle_change_invisible_time(struct broker *broker, struct request *req)
{
    struct pop_ack_request fields;
    struct popped popped;
    if (request_fields(req, &pop_change_request_fields, &fields) != 0 ||
        refused_place(broker, req, &fields, 0) || refused_handle(broker, req, &fields, &popped))
        return;
    struct slice fault = pop_invisible_fault(broker, fields.invisible_ms, &req->arena);
    if (fault.data != NULL) {
        reply_code(req, RESP_INVALID_PARAMETER, "%.*s", SLICE_FMT(fault));
        return;
    }
    if (popped.revive_queue_id == POP_ORDER_QUEUE_ID) {
        change_in_order(broker, req, &fields, &popped);
        return;
    }
    enum pop_standing standing =
        pop_standing(pops_keeper(broker->pops), &popped, fields.queue_offset);
    const char *why = standing_fault(standing);
    if (why != NULL) {
        refuse_change(req, RESP_MESSAGE_ILLEGAL, why);
        return;
    }
    if (standing == POP_IS_OVER) {
        refuse_change(req, RESP_NO_MESSAGE,
                      "the message is not out any more: it was acknowledged, changed, or its "
                      "invisible time is over");
        return;
    }
    change(broker, req, &fields, &popped);
}
