/* handle_send.c - SEND_MESSAGE (10), SEND_MESSAGE_V2 (310), SEND_BATCH_MESSAGE (320).
 *
 * A send is checked completely before anything is stored, in the reference's order, so that each
 * refusal has its code. Properties are looked through once and rewritten once. What is allocated
 * lives in the request's arena.
 */
#include "broker/address.h"
#include "broker/guard.h"
#include "broker/internal.h"
#include "broker/light_queues.h"
#include "broker/topic_attributes.h"
#include "broker/queue_locks.h"
#include "wire/batch.h"
#include "wire/multi_dispatch.h"
#include "wire/names.h"
#include "wire/properties.h"
#include "wire/recall_handle.h"
#include "wire/req_send.h"

/* Clients from this version on (3.4.9) send their own limit of retries. */
enum { MAX_RECONSUME_TIMES_SINCE = 121 };
enum { DEAD_LETTER_QUEUES = 1 };
enum { TOPIC_SYS_FLAG_UNIT = 1, TOPIC_SYS_FLAG_UNIT_SUB = 2 };
enum { CHANGES_MAX = 8 };

/* What the properties of a message say about the way it goes. */
/* Messages of an inner batch: the queue's entry counts them in 16 bits. */
enum { INNER_BATCH_MAX = INT16_MAX };

struct marks {
    struct slice uniq_key;  /* data NULL: none */
    struct slice inner_num; /* the same */
    bool has_keys;
    struct slice light_queues; /* those it goes to beside its own; data NULL: none */
    bool has_pop_ck;
    bool has_places; /* in light queues, which only a broker gives */
    bool has_timer;
    bool is_transaction;
    bool is_delayed;
    bool waits_for_disk;
};

struct send {
    struct broker *broker;
    struct request *req;
    struct send_request fields;
    const struct topic_config *topic; /* where it goes: of a dead letter not the one asked for */
    struct marks marks;
    struct slice batch_uniq_id; /* of an inner batch; else data NULL */
    bool is_dead_letter;
    bool is_retried_later;      /* a consumer sends it to itself again: no transaction any more */
    struct slice recall_handle; /* data NULL: it cannot be recalled */
};

/* ---- answers -------------------------------------------------------------------------------- */

static struct slice trace_on_text(const struct broker *broker)
{
    return broker->conf.trace_on ? SLICE("true") : SLICE("false");
}

static void refuse(struct send *s, int32_t code, struct slice remark)
{
    struct send_refused_response fields = {
        .msg_region = slice_str(s->broker->conf.region_id),
        .trace_on = trace_on_text(s->broker),
    };
    reply_fields(s->req, code, remark, &send_refused_response_fields, &fields, slice_of(NULL, 0));
}

#define refuse_printf(s, code, ...) refuse(s, code, arena_printf(&(s)->req->arena, __VA_ARGS__))

static void refuse_put(struct send *s, int err)
{
    const char *remark;
    int32_t code = put_refusal(err, &remark);
    if (err == ERR_INVALID && s->marks.has_timer)
        refuse_printf(s, code,
                      "timer message illegal, the delay time should be a number and not be bigger "
                      "than the max delay %lldms; or if set del msg, the delay time should be "
                      "bigger than the current time",
                      s->broker->conf.timer_max_delay_sec * 1000LL);
    else
        refuse(s, code, slice_str(remark));
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
    return slice_of(text, used);
}

static void answer_stored(struct send *s, const struct store_put_result *put,
                          const int64_t *phy_offsets, int count)
{
    struct arena *arena = &s->req->arena;
    struct send_response fields = {
        .msg_id = message_ids(s, phy_offsets, count),
        .queue_id = s->fields.queue_id,
        .queue_offset = put->queue_offset,
        .transaction_id = s->marks.uniq_key,
        .batch_uniq_id = s->batch_uniq_id,
        .msg_region = slice_str(s->broker->conf.region_id),
        .trace_on = trace_on_text(s->broker),
        .recall_handle = s->recall_handle,
    };
    if (fields.transaction_id.data != NULL)
        fields.transaction_id = arena_copy(arena, fields.transaction_id);
    struct reply reply = { .code = RESP_SUCCESS, .has_ext = true };
    reply.ext =
        fields_encode(&send_response_fields, FIELD_LONG_NAMES, &fields, arena, &reply.ext_count);
    acks_reply(s->broker, s->req, &reply, put->end_phy_offset, s->marks.waits_for_disk);
}

/* ---- checks before the message itself ------------------------------------------------------- */

static bool check_broker(struct send *s)
{
    const struct broker_conf *conf = &s->broker->conf;
    if (loop_now_ms(s->broker->loop) < conf->start_accept_send_request_timestamp) {
        refuse_printf(s, RESP_SYSTEM_ERROR, "broker unable to service, until %lld",
                      (long long)conf->start_accept_send_request_timestamp);
        return false;
    }
    if ((conf->broker_permission & PERM_WRITE) != 0)
        return true;
    const struct topic_config *topic = topics_get(s->broker->topics, s->fields.topic);
    if (topic != NULL && topic->order) {
        refuse_printf(s, RESP_NO_PERMISSION, "the broker[%s] sending message is forbidden",
                      conf->broker_ip1);
        return false;
    }
    return true;
}

static bool check_topic(struct send *s)
{
    struct slice name = s->fields.topic;
    const char *fault = topic_name_fault(name);
    if (fault != NULL) {
        refuse(s, RESP_INVALID_PARAMETER, slice_str(fault));
        return false;
    }
    if (topic_is_not_sendable(name)) {
        refuse_printf(s, RESP_NO_PERMISSION, "Sending message to topic[%.*s] is forbidden.",
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
        refuse_printf(s, RESP_TOPIC_NOT_EXIST, "topic[%.*s] %s", SLICE_FMT(name), why);
        return false;
    }
    return true;
}

/* A queue the broker chooses: each in turn. */
static int32_t draw_queue(struct broker *broker, int32_t queue_count)
{
    return (int32_t)(broker->next_queue++ % (uint32_t)queue_count);
}

static bool check_queue(struct send *s)
{
    int32_t write = s->topic->write_queue_count;
    int32_t read = s->topic->read_queue_count;
    if (s->fields.queue_id >= (write > read ? write : read) ||
        (s->fields.queue_id < 0 && write <= 0)) {
        refuse_printf(s, RESP_INVALID_PARAMETER,
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
        (struct property_change){ SLICE(PROPERTY_TRACE_ON), trace_on_text(s->broker) };
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
    return properties_edit(s->fields.properties, changes, count, arena);
}

/* A message that comes back to a retry topic for too many times, or to a group that consumes in
 * order, becomes a dead letter. False: the request was answered. */
static bool turn_into_dead_letter(struct send *s)
{
    if (!topic_is_retry(s->fields.topic))
        return true;
    struct broker *broker = s->broker;
    struct slice group_name = group_of_retry_topic(s->fields.topic);
    const struct group_config *group = broker_group_ensure(broker, group_name);
    if (group == NULL) {
        refuse_printf(s, RESP_SUBSCRIPTION_GROUP_NOT_EXIST, "subscription group not exist, %.*s",
                      SLICE_FMT(group_name));
        return false;
    }
    int32_t most = group->retry_max_times;
    if (s->req->header.version >= MAX_RECONSUME_TIMES_SINCE && s->fields.max_reconsume_times >= 0)
        most = s->fields.max_reconsume_times;
    if (s->fields.reconsume_times <= most &&
        !queue_locks_group_has(broker->queue_locks, group_name, loop_now_ms(broker->loop)))
        return true;
    s->topic = broker_topic_ensure(broker, dlq_topic_of(group_name, &s->req->arena),
                                   DEAD_LETTER_QUEUES, PERM_READ | PERM_WRITE);
    if (s->topic == NULL) {
        refuse_printf(s, RESP_SYSTEM_ERROR, "topic[%%DLQ%%%.*s] not exist", SLICE_FMT(group_name));
        return false;
    }
    s->is_dead_letter = true;
    s->fields.queue_id = 0;
    return true;
}

/* Kinds of messages that are not served, told as the reference tells a switch that is off. */
static bool check_kind(struct send *s)
{
    bool is_transaction = s->marks.is_transaction && !s->is_retried_later;
    if (is_transaction && s->broker->conf.reject_transaction_message) {
        refuse_printf(s, RESP_NO_PERMISSION,
                      "the broker[%s] sending transaction message is forbidden",
                      s->broker->conf.broker_ip1);
        return false;
    }
    if (!s->marks.is_transaction && (s->fields.sys_flag & SYS_FLAG_TRANSACTION_MASK) != 0) {
        refuse(s, RESP_MESSAGE_ILLEGAL,
               SLICE("sysFlag tells of a transaction, the properties do not: TRAN_MSG is missing"));
        return false;
    }
    if (topic_is_compacted(s->topic) && !s->marks.has_keys) {
        refuse(s, RESP_MESSAGE_ILLEGAL, SLICE("Required message key is missing"));
        return false;
    }
    return true;
}

static bool check_light_queues(struct send *s)
{
    int32_t code;
    struct slice remark;
    struct slice names = s->fields.batch ? slice_of(NULL, 0) : s->marks.light_queues;
    if (light_queues_take(s->broker, s->topic->name, names, s->fields.properties.len,
                          &s->req->arena, &code, &remark))
        return true;
    refuse(s, code, remark);
    return false;
}

/* A message that holds several says so itself: it must be true, and the topic have queues for such.
 */
static bool check_inner_batch(struct send *s)
{
    bool is_inner = (s->fields.sys_flag & SYS_FLAG_INNER_BATCH) != 0;
    int32_t told = 0;
    int count = 0;
    if (!is_inner && s->marks.inner_num.data == NULL)
        return true;
    if (is_inner && topic_has_batch_queues(s->topic) && slice_to_i32(s->marks.inner_num, &told) &&
        batch_count(s->req->body, &count) == 0 && told == count && count <= INNER_BATCH_MAX)
        return true;
    refuse(s, RESP_MESSAGE_ILLEGAL,
           is_inner ? SLICE("an inner batch needs a topic with queue.type=BatchCQ, and INNER_NUM "
                            "must be the number of its messages")
                    : SLICE("INNER_NUM is of inner batches only"));
    return false;
}

static bool check_sizes(struct send *s, size_t properties_bytes)
{
    int32_t max_body = s->broker->conf.max_message_bytes;
    if (s->req->body.len == 0 && !topic_is_compacted(s->topic)) { /* there it ends its key */
        refuse(s, RESP_SYSTEM_ERROR, SLICE("the message has no body"));
        return false;
    }
    if (s->req->body.len > (size_t)max_body || properties_bytes > RECORD_PROPERTIES_MAX ||
        (s->topic->name.len > TOPIC_NAME_MAX && !topic_is_retry(s->topic->name))) {
        refuse_printf(
            s, RESP_MESSAGE_ILLEGAL,
            "the message is illegal, maybe msg body or properties "
            "length not matched. msg body length limit %dB, msg properties length limit 32KB.",
            max_body);
        return false;
    }
    return true;
}

/* All of a record but body, flag and properties. */
static struct record record_of(const struct send *s)
{
    int32_t sys_flag = s->fields.sys_flag & ~SYS_FLAG_TRANSACTION_MASK;
    if (s->topic->filter_type == TOPIC_FILTER_MULTI_TAG)
        sys_flag |= SYS_FLAG_MULTI_TAGS;
    return (struct record){
        .queue_id = s->fields.queue_id,
        .sys_flag = sys_flag,
        .born_timestamp = s->fields.born_timestamp,
        .born_host = address_host(peer_address(s->req->peer)),
        .store_host = s->broker->self,
        .reconsume_times = s->fields.reconsume_times,
        .topic = s->topic->name,
    };
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

static void put_one(struct send *s)
{
    if (!turn_into_dead_letter(s) || !check_kind(s) || !check_inner_batch(s))
        return;
    struct slice properties = stored_properties(s, true);
    if (!check_sizes(s, properties.len))
        return;
    struct record record = record_of(s);
    record.flag = s->fields.flag;
    record.body = s->req->body;
    record.properties = properties;
    struct store_put_result put;
    bool is_half = s->marks.is_transaction && !s->is_retried_later;
    int err = is_half ? broker_put_half(s->broker, &record, &s->req->arena, &put)
                      : broker_put(s->broker, &record, 1, &s->req->arena, &put, NULL);
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
        refuse(s, RESP_MESSAGE_ILLEGAL, SLICE("batch request does not support retry group"));
        return false;
    }
    if (s->marks.is_transaction || (s->fields.sys_flag & SYS_FLAG_TRANSACTION_MASK) != 0) {
        refuse(s, RESP_MESSAGE_ILLEGAL, SLICE("a batch has no transaction"));
        return false;
    }
    if (!check_kind(s) || !check_sizes(s, s->fields.properties.len))
        return false;
    if (s->marks.is_delayed || s->marks.has_timer) {
        refuse(s, RESP_MESSAGE_ILLEGAL, SLICE("a batch has no delay level and no timer"));
        return false;
    }
    if (batch_count(s->req->body, count) != 0) {
        refuse(s, RESP_SYSTEM_ERROR, SLICE("the body is not a batch of messages"));
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
            refuse(s, RESP_SYSTEM_ERROR, SLICE("the body is not a batch of messages"));
            return NULL;
        }
        records[i] = record_of(s);
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
    struct record record = record_of(s);
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
            refuse_printf(s, RESP_MESSAGE_ILLEGAL, "a batch has at most %d messages",
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
    const char *missing = NULL;
    if (fields_decode(&send_request_fields, names, &req->header, &s.fields, &missing) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the custom field <%s> is missing", missing);
        return false;
    }
    if (!check_broker(&s) || !check_topic(&s) || !check_queue(&s) ||
        !check_sizes(&s, s.fields.properties.len))
        return false;
    *record = record_of(&s);
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
    const char *missing = NULL;
    if (fields_decode(&send_request_fields, names, &req->header, &s.fields, &missing) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the custom field <%s> is missing", missing);
        return;
    }
    if (guard_stops_send(broker->guard, req, s.fields.topic))
        return;
    if (!check_broker(&s) || !check_topic(&s) || !check_queue(&s))
        return;
    look_through_properties(&s);
    if (broker->takes_light && !check_light_queues(&s))
        return;
    if (s.fields.batch)
        put_batch(&s);
    else
        put_one(&s);
}
