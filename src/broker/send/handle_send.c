/* handle_send.c - SEND_MESSAGE (10), SEND_MESSAGE_V2 (310), SEND_BATCH_MESSAGE (320).
 *
 * A send is checked completely before anything is stored, in the reference's order, so that each
 * refusal has its code. Properties are looked through once and rewritten once. What is allocated
 * lives in the request's arena.
 */
#include <assert.h>

#include "broker/address.h"
#include "broker/guard/guard.h"
#include "broker/requests.h"
#include "broker/send/acks.h"
#include "broker/send/put.h"
#include "broker/send/send.h"
#include "broker/topic_attributes.h"
#include "wire/batch.h"
#include "wire/multi_dispatch.h"
#include "wire/names.h"
#include "wire/properties.h"
#include "wire/recall_handle.h"

enum { CHANGES_MAX = 8 };

/* ---- answers -------------------------------------------------------------------------------- */

static void refuse_put(struct send *s, int err)
{
    struct slice remark;
    int32_t code = put_refusal(s->broker, err, &s->req->arena, &remark);
    if (err == ERR_INVALID && s->marks.has_timer)
        send_refuse_printf(
            s, code,
            "timer message illegal, the delay time should be a number and not be bigger "
            "than the max delay %lldms; or if set del msg, the delay time should be "
            "bigger than the current time",
            s->broker->conf.timer_max_delay_sec * 1000LL);
    else
        send_refuse(s, code, remark);
}

/* The ids of `count` messages, joined by commas. */
static struct slice message_ids(struct send *s, const int64_t *phy_offsets, int count)
{
    uint8_t *text = arena_alloc(&s->req->arena, (size_t)count * (MSG_ID_TEXT_MAX + 1));
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0)
            text[used++] = ',';
        used += msg_id_encode(&s->broker->self, phy_offsets[i], (char *)text + used);
    }
    assert(used <= (size_t)count * (MSG_ID_TEXT_MAX + 1));
    return slice_of(text, used);
}

static void answer_stored(struct send *s, const struct store_put_result *put,
                          const int64_t *phy_offsets, int count)
{
    struct arena *arena = &s->req->arena;
    struct send_response *fields = arena_alloc(arena, sizeof *fields); /* it may have to wait */
    *fields = (struct send_response){
        .msg_id = message_ids(s, phy_offsets, count),
        .queue_id = s->fields.queue_id,
        .queue_offset = put->queue_offset,
        .transaction_id = s->marks.uniq_key,
        .batch_uniq_id = s->batch_uniq_id,
        .msg_region = slice_str(s->broker->conf.region_id),
        .trace_on = send_trace_on_text(s->broker),
        .recall_handle = s->recall_handle,
    };
    if (fields->transaction_id.data != NULL)
        fields->transaction_id = arena_copy(arena, fields->transaction_id);
    const struct reply reply = {
        .code = RESP_SUCCESS, .has_ext = true, .fields = &send_response_fields, .values = fields
    };
    acks_reply(s->broker, s->req, &reply, put->end_phy_offset, s->marks.waits_for_disk);
}

/* ---- the message ---------------------------------------------------------------------------- */

static void note_property(struct marks *m, struct slice name, struct slice value)
{
    if (slice_eq(name, SLICE(PROPERTY_UNIQ_KEY)))
        m->uniq_key = value;
    else if (slice_eq(name, SLICE(PROPERTY_WAIT)))
        m->waits_for_disk = slice_eq(value, SLICE("true"));
    else if (slice_eq(name, SLICE(PROPERTY_KEYS)))
        m->has_keys = true;
    else if (slice_eq(name, SLICE(PROPERTY_POP_CK)))
        m->has_pop_ck = true;
    else if (slice_eq(name, SLICE(PROPERTY_INNER_NUM)))
        m->inner_num = value;
    else if (slice_eq(name, SLICE(PROPERTY_MULTI_DISPATCH)))
        m->light_queues = value;
    else if (slice_eq(name, SLICE(PROPERTY_MULTI_QUEUE_OFFSET)))
        m->has_places = true;
    else if (slice_eq(name, SLICE(PROPERTY_TRANSACTION_PREPARED)))
        m->is_transaction = slice_eq(value, SLICE("true"));
    else if (slice_eq(name, SLICE(PROPERTY_TIMER_DELAY_SEC)) ||
             slice_eq(name, SLICE(PROPERTY_TIMER_DELAY_MS)) ||
             slice_eq(name, SLICE(PROPERTY_TIMER_DELIVER_MS)))
        m->has_timer = true;
    else if (slice_eq(name, SLICE(PROPERTY_DELAY))) {
        int32_t level;
        m->has_delay = true;
        m->is_delayed = slice_to_i32(value, &level) && level > 0;
    }
}

static void look_through_properties(struct send *s)
{
    struct slice rest = s->fields.properties;
    struct slice name, value;
    s->marks.waits_for_disk = true;
    while (property_next(&rest, &name, &value))
        note_property(&s->marks, name, value);
    s->is_retried_later = s->fields.reconsume_times > 0 && s->marks.is_delayed;
}

/* The properties as they are stored: the broker's own added, what only it may set removed. */
static struct slice stored_properties(struct send *s, bool add_uniq_key)
{
    struct property_change changes[CHANGES_MAX];
    struct arena *arena = &s->req->arena;
    int count = 0;
    changes[count++] = (struct property_change){ SLICE(PROPERTY_CLUSTER),
                                                 slice_str(s->broker->conf.cluster_name) };
    changes[count++] = (struct property_change){ SLICE(PROPERTY_MSG_REGION),
                                                 slice_str(s->broker->conf.region_id) };
    changes[count++] =
        (struct property_change){ SLICE(PROPERTY_TRACE_ON), send_trace_on_text(s->broker) };
    if (s->marks.has_pop_ck)
        changes[count++] = (struct property_change){ .name = SLICE(PROPERTY_POP_CK) };
    if (s->marks.has_places)
        changes[count++] = (struct property_change){ .name = SLICE(PROPERTY_MULTI_QUEUE_OFFSET) };
    if (add_uniq_key && s->marks.uniq_key.data == NULL) {
        char *key = arena_alloc(arena, 32);
        uniq_key_next(&s->broker->uniq_keys, loop_now_ms(s->broker->loop), key);
        s->marks.uniq_key = slice_of(key, 32);
        changes[count++] = (struct property_change){ SLICE(PROPERTY_UNIQ_KEY), s->marks.uniq_key };
    }
    if (s->is_dead_letter)
        changes[count++] = (struct property_change){ SLICE(PROPERTY_DELAY), SLICE("-1") };
    assert(count <= CHANGES_MAX);
    return properties_edit(s->fields.properties, changes, count, arena);
}

/* All of a record but body, flag and properties. */
static void record_of(const struct send *s, struct record *record)
{
    int32_t sys_flag = s->fields.sys_flag & ~SYS_FLAG_TRANSACTION_MASK;
    assert(s->fields.queue_id >= 0); /* one was drawn, or it is the sender's */
    if (s->topic->filter_type == TOPIC_FILTER_MULTI_TAG)
        sys_flag |= SYS_FLAG_MULTI_TAGS;
    *record = (struct record){
        .queue_id = s->fields.queue_id,
        .sys_flag = sys_flag,
        .born_timestamp = s->fields.born_timestamp,
        .store_host = s->broker->self,
        .reconsume_times = s->fields.reconsume_times,
        .topic = s->topic->name,
    };
    address_host(peer_address(s->req->peer), &record->born_host);
}

/* What the producer may recall the message by while it waits for its time. */
static struct slice recall_handle_of(const struct send *s, const struct record *stored)
{
    int64_t out_ms;
    struct slice out = property_get(stored->properties, SLICE(PROPERTY_TIMER_OUT_MS));
    if (!slice_eq(stored->topic, SLICE(TOPIC_TIMER)) || topic_is_retry(s->topic->name) ||
        !slice_to_i64(out, &out_ms))
        return slice_of(NULL, 0);
    struct arena *arena = &s->req->arena;
    const struct recall_handle handle = {
        .topic = s->topic->name,
        .broker_name = slice_str(s->broker->conf.broker_name),
        .deliver_ms = arena_printf(arena, "%lld", (long long)out_ms + 1), /* still in its tick */
        .uniq_key = s->marks.uniq_key,
    };
    return recall_handle_encode(&handle, arena);
}

static int put_record(struct send *s, struct record *record, struct store_put_result *put)
{
    struct arena *arena = &s->req->arena;
    if (s->marks.is_transaction && !s->is_retried_later)
        return broker_put_half(s->broker, record, arena, put);
    if (s->marks.has_timer || s->marks.has_delay || s->is_dead_letter)
        return broker_put(s->broker, record, 1, arena, put, NULL);
    return broker_put_at_once(s->broker, s->topic, record, put);
}

static void put_one(struct send *s)
{
    if (!send_turn_into_dead_letter(s) || !send_check_kind(s) || !send_check_inner_batch(s))
        return;
    struct slice properties = stored_properties(s, true);
    if (!send_check_sizes(s, properties.len))
        return;
    struct record record;
    record_of(s, &record);
    record.flag = s->fields.flag;
    record.body = s->req->body;
    record.properties = properties;
    struct store_put_result put;
    int err = put_record(s, &record, &put);
    if (err != 0) {
        refuse_put(s, err);
        return;
    }
    if (s->marks.has_timer)
        s->recall_handle = recall_handle_of(s, &record);
    answer_stored(s, &put, &put.phy_offset, 1);
}

/* ---- batches -------------------------------------------------------------------------------- */

/* An item's properties followed by the batch's, which win where both have a name. */
static struct slice join_properties(struct slice item, struct slice batch, struct arena *arena)
{
    bool need_separator = item.len > 0 && item.data[item.len - 1] != 0x02;
    size_t len = item.len + need_separator + batch.len;
    uint8_t *text = arena_alloc(arena, len + 1);
    if (item.len > 0)
        memcpy(text, item.data, item.len);
    if (need_separator)
        text[item.len] = 0x02;
    if (batch.len > 0)
        memcpy(text + item.len + need_separator, batch.data, batch.len);
    return slice_of(text, len);
}

static bool check_batch(struct send *s, int *count)
{
    if (topic_is_retry(s->fields.topic)) {
        send_refuse(s, RESP_MESSAGE_ILLEGAL, SLICE("batch request does not support retry group"));
        return false;
    }
    if (s->marks.is_transaction || (s->fields.sys_flag & SYS_FLAG_TRANSACTION_MASK) != 0) {
        send_refuse(s, RESP_MESSAGE_ILLEGAL, SLICE("a batch has no transaction"));
        return false;
    }
    if (!send_check_kind(s) || !send_check_sizes(s, s->fields.properties.len))
        return false;
    if (s->marks.is_delayed || s->marks.has_timer) {
        send_refuse(s, RESP_MESSAGE_ILLEGAL, SLICE("a batch has no delay level and no timer"));
        return false;
    }
    if (batch_count(s->req->body, count) != 0) {
        send_refuse(s, RESP_SYSTEM_ERROR, SLICE("the body is not a batch of messages"));
        return false;
    }
    return true;
}

/* The records of a batch; NULL: the request was answered. */
static struct record *batch_records(struct send *s, int count)
{
    struct arena *arena = &s->req->arena;
    struct record *records = arena_alloc(arena, (size_t)count * sizeof *records);
    struct slice properties = stored_properties(s, false);
    struct slice rest = s->req->body;
    for (int i = 0; i < count; i++) {
        struct batch_item item;
        if (batch_next(&rest, &item) != 0) {
            send_refuse(s, RESP_SYSTEM_ERROR, SLICE("the body is not a batch of messages"));
            return NULL;
        }
        record_of(s, &records[i]);
        records[i].flag = item.flag;
        records[i].body = item.body;
        records[i].properties = join_properties(item.properties, properties, arena);
        if (records[i].properties.len > RECORD_PROPERTIES_MAX) {
            refuse_put(s, ERR_TOO_BIG);
            return NULL;
        }
    }
    return records;
}

/* The whole batch as one record, which consumers take apart. */
static void put_inner_batch(struct send *s, int count)
{
    char text[16];
    struct arena *arena = &s->req->arena;
    snprintf(text, sizeof text, "%d", count);
    const struct property_change change = { SLICE(PROPERTY_INNER_NUM), slice_str(text) };
    struct record record;
    record_of(s, &record);
    record.sys_flag |= SYS_FLAG_INNER_BATCH | SYS_FLAG_NEED_UNWRAP;
    record.flag = s->fields.flag;
    record.body = s->req->body;
    record.properties = properties_edit(stored_properties(s, false), &change, 1, arena);
    struct store_put_result put;
    int err = broker_put(s->broker, &record, 1, arena, &put, NULL);
    if (err != 0) {
        refuse_put(s, err);
        return;
    }
    s->batch_uniq_id = arena_copy(arena, s->marks.uniq_key);
    answer_stored(s, &put, &put.phy_offset, 1);
}

static void put_batch(struct send *s)
{
    int count;
    s->fields.sys_flag &= ~(SYS_FLAG_INNER_BATCH | SYS_FLAG_NEED_UNWRAP); /* ours to set */
    if (!check_batch(s, &count))
        return;
    if (topic_has_batch_queues(s->topic) && s->marks.uniq_key.data != NULL) {
        if (count <= INNER_BATCH_MAX)
            put_inner_batch(s, count);
        else
            send_refuse_printf(s, RESP_MESSAGE_ILLEGAL, "a batch has at most %d messages",
                               INNER_BATCH_MAX);
        return;
    }
    struct record *records = batch_records(s, count);
    if (records == NULL)
        return;
    int64_t *phy_offsets = arena_alloc(&s->req->arena, (size_t)count * sizeof *phy_offsets);
    struct store_put_result put;
    int err = broker_put(s->broker, records, count, &s->req->arena, &put, phy_offsets);
    if (err != 0)
        refuse_put(s, err);
    else
        answer_stored(s, &put, phy_offsets, count);
}

bool send_check(struct broker *broker, struct request *req, enum field_names names,
                struct send_request *fields, struct record *record)
{
    struct send s = { .broker = broker, .req = req };
    if (request_fields_named(req, &send_request_fields, names, &s.fields) != 0)
        return false;
    if (!send_check_broker(&s) || !send_check_topic(&s) || !send_check_queue(&s) ||
        !send_check_sizes(&s, s.fields.properties.len))
        return false;
    record_of(&s, record);
    record->flag = s.fields.flag;
    record->body = req->body;
    record->properties = s.fields.properties;
    *fields = s.fields;
    return true;
}

void handle_send(struct broker *broker, struct request *req)
{
    if (guard_stops_arrival(broker->guard, req))
        return;
    struct send s = { .broker = broker, .req = req };
    enum field_names names =
        req->header.code == REQ_SEND_MESSAGE ? FIELD_LONG_NAMES : FIELD_LETTERS;
    if (request_fields_named(req, &send_request_fields, names, &s.fields) != 0)
        return;
    if (guard_stops_send(broker->guard, req, s.fields.topic))
        return;
    if (!send_check_broker(&s) || !send_check_topic(&s) || !send_check_queue(&s))
        return;
    broker_put_is_near(broker, s.topic, s.fields.queue_id);
    look_through_properties(&s);
    if (broker->takes_light && !send_check_light_queues(&s))
        return;
    if (s.fields.batch)
        put_batch(&s);
    else
        put_one(&s);
}
