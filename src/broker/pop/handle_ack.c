/* handle_ack.c - ACK_MESSAGE (200051), BATCH_ACK_MESSAGE (200151) and CHANGE_MESSAGE_INVISIBLETIME
 * (200053): what becomes of popped messages.
 *
 * A receipt handle is what a client shows of a pop; it may be old, altered or made up. What counts
 * is the checkpoint it names:
 *
 *   in the table           its message is taken off (or gets a checkpoint of its own, when it is to
 *                          be invisible for longer), the log hears of it, and that is the answer
 *   finished, or never was an ack has nothing to do and succeeds, as a repeated one; a change is
 *                          refused, or it would bring a message back that is acknowledged
 *   of an earlier process  it may still come from the log: the ack (and the new checkpoint) go to
 *                          the log and meet it there
 */
#include "broker/pop/pop_checks.h"
#include "broker/pop/pop_hold.h"
#include "broker/pop/pops.h"
#include "broker/requests.h"
#include "broker/saver.h"
#include "broker/send/acks.h"
#include "broker/send/put.h"
#include "broker/topic_attributes.h"
#include "wire/body_batch_ack.h"

/* A handle whose pop is that far in the future was made up. */
enum { CLOCK_SLACK_MS = 60 * 1000 };
/* The log has brought what was due before this long ago. */
enum { LOG_SLACK_MS = 10 * 1000 };

/* One pop of one queue, by a handle or by an entry of a batch. */
struct popped {
    struct pop_key key;
    int64_t invisible_ms;
    int32_t revive_queue_id;
};

/* Popped, and its checkpoint's time as the handle tells it. */
static int64_t due_of(const struct popped *popped)
{
    return popped->key.pop_time_ms + popped->invisible_ms;
}

/* A checkpoint that is not in the table may still come from the log. */
static bool may_come(struct broker *broker, const struct popped *popped)
{
    return !pop_is_known(pops_table(broker->pops), popped->key.pop_time_ms) &&
           popped->invisible_ms <= POP_INVISIBLE_MAX_MS &&
           due_of(popped) > pops_log_time(broker->pops) - LOG_SLACK_MS;
}

static struct pop_log_ack log_ack_of(const struct broker *broker, const struct popped *popped,
                                     const int64_t *queue_offsets, int count)
{
    return (struct pop_log_ack){
        .topic = popped->key.topic,
        .group = popped->key.group,
        .broker_name = slice_str(broker->conf.broker_name),
        .queue_id = popped->key.queue_id,
        .start_offset = popped->key.start_offset,
        .pop_time_ms = popped->key.pop_time_ms,
        .queue_offsets = queue_offsets,
        .count = count,
        .is_batch = count > 1,
    };
}

/* Acks are due with their checkpoint. */
static int put_ack(struct broker *broker, const struct popped *popped, const int64_t *queue_offsets,
                   int count, int64_t *end_phy_offset)
{
    struct pop_log_ack ack = log_ack_of(broker, popped, queue_offsets, count);
    return pops_put_ack(broker->pops, &ack, popped->revive_queue_id, due_of(popped),
                        end_phy_offset);
}

/* Room for another pop, where those are limited by what is out. */
static void wake_limited(struct broker *broker, const struct pop_key *key)
{
    if (broker->conf.enable_pop_message_threshold)
        pop_hold_wake(broker->pop_hold, pop_normal_topic(key->topic, key->group), key->group,
                      key->queue_id);
}

/* Takes messages of one checkpoint off. Those not on it, and those taken off before, do not count.
 */
static int ack_known(struct broker *broker, struct popped *popped, struct pop_point *point,
                     const int64_t *queue_offsets, int count, int64_t *end_phy_offset)
{
    struct pop_table *table = pops_table(broker->pops);
    int64_t fresh[POP_CHECKPOINT_MESSAGES_MAX];
    int fresh_count = 0;
    for (int i = 0; i < count && fresh_count < POP_CHECKPOINT_MESSAGES_MAX; i++) {
        int index = pop_index_of(point, queue_offsets[i]);
        if (index >= 0 && !pop_is_acked(point, index))
            fresh[fresh_count++] = queue_offsets[i];
    }
    if (fresh_count == 0)
        return 0;
    popped->invisible_ms = point->invisible_ms; /* the handle's may be altered */
    popped->revive_queue_id = point->revive_queue_id;
    int err = put_ack(broker, popped, fresh, fresh_count, end_phy_offset);
    if (err != 0)
        return err;
    for (int i = 0; i < fresh_count && (point = pop_find(table, &popped->key)) != NULL; i++) {
        int index = pop_index_of(point, fresh[i]);
        pop_mark(table, point, index);
    }
    pops_changed(broker->pops);
    wake_limited(broker, &popped->key);
    return 0;
}

static int ack(struct broker *broker, struct popped *popped, const int64_t *queue_offsets,
               int count, int64_t *end_phy_offset)
{
    struct pop_point *point = pop_find(pops_table(broker->pops), &popped->key);
    if (point != NULL)
        return ack_known(broker, popped, point, queue_offsets, count, end_phy_offset);
    if (!may_come(broker, popped))
        return 0;
    int err = put_ack(broker, popped, queue_offsets, count, end_phy_offset);
    for (int i = 0; i < count && err == 0; i++)
        pop_ack_early(pops_table(broker->pops), &popped->key, due_of(popped), queue_offsets[i]);
    return err;
}

/* ---- in order -------------------------------------------------------------------------------- */

/* A batch ends with its last message, not behind its first one, which stands for it in acks. */
static int64_t behind_batch(struct broker *broker, const struct pop_key *key, int64_t next)
{
    const struct topic_config *topic = topics_get(broker->topics, key->topic);
    struct store_queue_entry entry;
    if (topic == NULL || !topic_has_batch_queues(topic) ||
        store_queue_entry_at(broker->store, key->topic, key->queue_id, next - 1, &entry) != 0)
        return next;
    int64_t end = entry.queue_offset + entry.count;
    return end > next ? end : next;
}

/* NULL, or why the message cannot be acknowledged. */
static const char *ack_in_order(struct broker *broker, const struct popped *popped,
                                int64_t queue_offset)
{
    const struct pop_key *key = &popped->key;
    struct pop_order_queue queue = { key->topic, key->group, key->queue_id };
    int64_t now_ms = loop_now_ms(broker->loop);
    int64_t next;
    int64_t committed = offsets_get(broker->offsets, key->topic, key->group, key->queue_id);
    if (queue_offset < committed)
        return NULL; /* acknowledged before */
    switch (pop_order_ack(pops_order(broker->pops), &queue, queue_offset, key->pop_time_ms, now_ms,
                          &next)) {
    case POP_ORDER_NOT_ITS:
        return "offset is illegal: the message is not out of this queue";
    case POP_ORDER_OTHER_TIME:
        return NULL;
    case POP_ORDER_COMMIT:
        break;
    }
    next = behind_batch(broker, key, next);
    offsets_put(broker->offsets, key->topic, key->group, key->queue_id, next, now_ms);
    saver_changed(broker->saver, TABLE_OFFSETS);
    pops_order_changed(broker->pops);
    if (!pop_order_is_blocked(pops_order(broker->pops), &queue, next, slice_of(NULL, 0), now_ms))
        pop_hold_wake(broker->pop_hold, key->topic, key->group, key->queue_id);
    return NULL;
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
    int64_t min = store_queue_min(broker->store, fields->topic, fields->queue_id);
    int64_t max = store_queue_max(broker->store, fields->topic, fields->queue_id);
    if (fields->queue_offset < min || fields->queue_offset >= max + past_end) {
        reply_code(req, RESP_NO_MESSAGE,
                   "offset is illegal, key:%.*s@%d, commit:%lld, store:%lld~%lld",
                   SLICE_FMT(fields->topic), fields->queue_id, (long long)fields->queue_offset,
                   (long long)min, (long long)max);
        return true;
    }
    return false;
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
    if (handle->pop_time_ms > loop_now_ms(broker->loop) + CLOCK_SLACK_MS)
        return "its pop is in the future";
    if (handle->start_offset > fields->queue_offset ||
        fields->queue_offset - handle->start_offset > INT32_MAX)
        return "the message's offset is not one of its pop";
    if (handle->queue_id >= 0 && handle->queue_id != fields->queue_id)
        return "it is of another queue";
    if (handle->queue_offset >= 0 && handle->queue_offset != fields->queue_offset)
        return "it is of another message";
    return NULL;
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
        reply_code(req, RESP_MESSAGE_ILLEGAL, "the receipt handle is refused: %s", why);
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
    const char *remark;
    if (err != 0) {
        int32_t code = put_refusal(err, &remark);
        reply_code(req, code, "%s", remark);
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
    struct pop_point *point = pop_find(pops_table(broker->pops), &popped.key);
    if (point != NULL && pop_index_of(point, fields.queue_offset) < 0) {
        reply_code(req, RESP_MESSAGE_ILLEGAL,
                   "the receipt handle is refused: the message is not one of its pop");
        return;
    }
    int err = ack(broker, &popped, &fields.queue_offset, 1, &end_phy_offset);
    answer_written(broker, req, &done, err, end_phy_offset);
}

/* ---- batches --------------------------------------------------------------------------------- */

/* The messages of an entry that can be, at most as many as a checkpoint has; what else its bits say
 * is skipped, as the reference does. */
static int offsets_of(struct broker *broker, const struct batch_ack *entry,
                      const struct pop_key *key, int64_t offsets[POP_CHECKPOINT_MESSAGES_MAX])
{
    int64_t min = store_queue_min(broker->store, key->topic, key->queue_id);
    int64_t max = store_queue_max(broker->store, key->topic, key->queue_id);
    int count = 0;
    int64_t bit = batch_ack_next_bit(entry->bits, 0);
    for (; bit >= 0 && count < POP_CHECKPOINT_MESSAGES_MAX;
         bit = batch_ack_next_bit(entry->bits, bit + 1)) {
        int64_t offset = entry->start_offset + bit;
        if (offset >= min && offset < max)
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
           entry->pop_time_ms >= 0 &&
           entry->pop_time_ms <= loop_now_ms(broker->loop) + CLOCK_SLACK_MS &&
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
    if (entry->revive_queue_id == POP_ORDER_QUEUE_ID) {
        for (int i = 0; i < count; i++)
            (void)ack_in_order(broker, &popped, offsets[i]); /* nobody asks which failed */
        return 0;
    }
    return count == 0 ? 0 : ack(broker, &popped, offsets, count, end_phy_offset);
}

void handle_batch_ack(struct broker *broker, struct request *req)
{
    struct batch_ack_request request = { 0 };
    struct reply done = { .code = RESP_SUCCESS };
    int64_t end_phy_offset = 0;
    int err = 0;
    if (req->body.len > 0 && batch_ack_request_decode(req->body, &req->arena, &request) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no list of acks");
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
    const struct pop_key *key = &popped->key;
    struct pop_order_queue queue = { key->topic, key->group, key->queue_id };
    struct pop_change_response response = { 0 };
    int64_t now_ms = loop_now_ms(broker->loop);
    int64_t visible_ms = now_ms + fields->invisible_ms;
    int64_t committed = offsets_get(broker->offsets, key->topic, key->group, key->queue_id);
    if (fields->queue_offset >= committed) {
        /* one that was popped again since is left as it is, and the client not told */
        if (pop_order_change(pops_order(broker->pops), &queue, fields->queue_offset,
                             key->pop_time_ms, visible_ms, now_ms))
            pops_order_changed(broker->pops);
        response.pop_time_ms = key->pop_time_ms;
        response.invisible_ms = visible_ms - key->pop_time_ms;
        response.revive_queue_id = popped->revive_queue_id;
    }
    answer_change(broker, req, &response, 0, 0);
    if (!pop_order_is_blocked(pops_order(broker->pops), &queue, committed, slice_of(NULL, 0),
                              now_ms))
        pop_hold_wake(broker->pop_hold, key->topic, key->group, key->queue_id);
}

/* The message gets a checkpoint of its own, then is taken off the old one: in this order, for
 * between the two it must not be on none. */
static void change(struct broker *broker, struct request *req, const struct pop_ack_request *fields,
                   struct popped *popped)
{
    int64_t end_phy_offset = 0;
    int64_t now_ms = loop_now_ms(broker->loop);
    struct pop_checkpoint checkpoint = {
        .topic = popped->key.topic,
        .group = popped->key.group,
        .broker_name = slice_str(broker->conf.broker_name),
        .queue_id = popped->key.queue_id,
        .start_offset = fields->queue_offset,
        /* never the key of the old one */
        .pop_time_ms = now_ms > popped->key.pop_time_ms ? now_ms : popped->key.pop_time_ms + 1,
        .invisible_ms = fields->invisible_ms,
        .count = 1,
    };
    struct pop_change_response response = {
        .pop_time_ms = checkpoint.pop_time_ms,
        .invisible_ms = fields->invisible_ms,
        .revive_queue_id = popped->revive_queue_id,
    };
    int err = pops_put_checkpoint(broker->pops, &checkpoint, popped->revive_queue_id, -1,
                                  &end_phy_offset);
    if (err == 0)
        err = ack(broker, popped, &fields->queue_offset, 1, &end_phy_offset);
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
    struct pop_point *point = pop_find(pops_table(broker->pops), &popped.key);
    int index = point == NULL ? -1 : pop_index_of(point, fields.queue_offset);
    if (point == NULL ? !may_come(broker, &popped) : index < 0 || pop_is_acked(point, index)) {
        refuse_change(req, RESP_NO_MESSAGE,
                      "the message is not out any more: it was acknowledged, changed, or its "
                      "invisible time is over");
        return;
    }
    change(broker, req, &fields, &popped);
}
