#include "history.h"

#include <stdio.h>
#include <string.h>

#include "wire/multi_dispatch.h"
#include "wire/properties.h"

enum { ID_BYTES = 8, PROPERTIES_MAX = 160 };

struct history history;

static const char *const light_names[LIGHT_QUEUES] = { "%LMQ%a", "%LMQ%b" };

void history_reset(void)
{
    history.message_count = 0;
    history.topic_count = 0;
    history.flushed = 0;
    history.has_promises = true;
    history.flips = 0;
    history.may_refuse = false;
    history.table_version = 0;
    history.sync_failed = false;
    history_new_topic();
    history_new_topic();
}

int history_new_topic(void)
{
    if (history.topic_count == TOPICS_MAX)
        return -1;
    int topic = history.topic_count++;
    snprintf(history.topics[topic].name, sizeof history.topics[topic].name, "topic-%d", topic);
    history.topics[topic].is_deleted = false;
    history.topics[topic].life = 0;
    return topic;
}

int history_send(int topic, int queue, int count, bool takes_no_place)
{
    if (history.message_count + count > MESSAGES_MAX)
        return -1;
    int first = history.message_count;
    history.message_count += count;
    for (int id = first; id < first + count; id++)
        history.messages[id] = (struct message){
            .state = MESSAGE_SENT,
            .first_of_put = first,
            .takes_no_place = takes_no_place,
            .topic = (uint8_t)topic,
            .queue = (uint8_t)queue,
            .topic_life = history.topics[topic].life,
            .body_bytes =
                (uint16_t)(ID_BYTES + (chance_one_in(12) ? chance_below(6000) : chance_below(300)))
        };
    if (history.has_light_queues && count == 1 && !takes_no_place)
        history.messages[first].light = (uint8_t)chance_below(1u << LIGHT_QUEUES);
    return first;
}

static uint8_t body_byte(int id, size_t at)
{
    return (uint8_t)((size_t)id * 131 + at * 7 + (at >> 8));
}

static void make_properties(int id, char *properties, size_t cap)
{
    static const char *const lists[1 << LIGHT_QUEUES] = {
        "", PROPERTY_MULTI_DISPATCH "\001%LMQ%a\002", PROPERTY_MULTI_DISPATCH "\001%LMQ%b\002",
        PROPERTY_MULTI_DISPATCH "\001%LMQ%b,%LMQ%a\002"
    };
    snprintf(properties, cap, "UNIQ_KEY\001u%d\002TAGS\001tag%d\002KEYS\001k%d\002%s", id, id % 3,
             id % 17, lists[history.messages[id].light]);
}

void history_record(int id, struct record *record, uint8_t *body, char *properties, size_t cap)
{
    const struct message *message = &history.messages[id];
    const struct host host = { .address = { 127, 0, 0, 1 }, .port = 10911 };
    put_be64(body, (uint64_t)id);
    for (size_t i = ID_BYTES; i < message->body_bytes; i++)
        body[i] = body_byte(id, i);
    make_properties(id, properties, cap);
    *record =
        (struct record){ .queue_id = message->queue,
                         .flag = id & 0xFF,
                         .sys_flag = message->takes_no_place ? SYS_FLAG_TRANSACTION_PREPARED : 0,
                         .born_timestamp = 1600000000000 + id,
                         .born_host = host,
                         .store_host = host,
                         .body = slice_of(body, message->body_bytes),
                         .topic = slice_str(history.topics[message->topic].name),
                         .properties = slice_str(properties) };
}

void history_stored(int id, int count, const struct store_put_result *result,
                    const int64_t *phy_offsets)
{
    for (int i = 0; i < count; i++) {
        struct message *message = &history.messages[id + i];
        message->state = MESSAGE_STORED;
        message->queue_offset = result->queue_offset + i;
        message->phy_offset = phy_offsets[i];
        message->end_phy_offset = i + 1 < count ? phy_offsets[i + 1] : result->end_phy_offset;
        if (message->end_phy_offset <= history.flushed)
            message->is_safe = true;
    }
}

void history_note_flushed(int64_t upto)
{
    if (upto < history.flushed)
        violation("flushed_to went back from %lld to %lld", (long long)history.flushed,
                  (long long)upto);
    history.flushed = upto;
    for (int id = 0; id < history.message_count; id++)
        if (history.messages[id].state == MESSAGE_STORED &&
            history.messages[id].end_phy_offset <= upto)
            history.messages[id].is_safe = true;
}

void history_topic_deleted(int topic)
{
    history.topics[topic].is_deleted = true;
}

void history_topic_made_again(int topic)
{
    history.topics[topic].is_deleted = false;
    history.topics[topic].life++;
}

bool history_is_deleted(const struct message *message)
{
    const struct topic *topic = &history.topics[message->topic];
    return topic->is_deleted || message->topic_life < topic->life;
}

/* ---- what is served -------------------------------------------------------------------------- */

static bool is_body_of(int id, struct slice body)
{
    for (size_t i = ID_BYTES; i < body.len; i++)
        if (body.data[i] != body_byte(id, i))
            return false;
    return body.len == history.messages[id].body_bytes;
}

/* It lost its place to a flipped bit, and a later start put it once more, at the queue's end:
 * *original is where it had stood. */
static bool was_put_again(const struct record *record, int64_t *original)
{
    return !history.has_promises &&
           slice_to_i64(property_get(record->properties, SLICE("RAMJET_PUT_AGAIN")), original);
}

static bool is_original(const struct message *message, const struct record *record)
{
    return message->was_put_again && record->phy_offset == message->original;
}

/* Ours, and behind them what the store added: that, or the places in light queues. */
static bool are_properties_of(int id, struct slice properties, bool is_again)
{
    char ours[PROPERTIES_MAX];
    make_properties(id, ours, sizeof ours);
    size_t len = strlen(ours);
    if (properties.len < len || memcmp(properties.data, ours, len) != 0)
        return false;
    if (is_again)
        return true;
    return history.messages[id].light != 0
               ? slice_starts_with(slice_from(properties, len), SLICE(PROPERTY_MULTI_QUEUE_OFFSET))
               : properties.len == len;
}

int history_check_served(const struct record *record)
{
    if (record->body.len < ID_BYTES)
        violation("served a message of nobody: body of %zu bytes", record->body.len);
    uint64_t number = get_be64(record->body.data);
    if (number >= (uint64_t)history.message_count)
        violation("served a message of nobody: id %llu", (unsigned long long)number);
    int id = (int)number;
    struct message *message = &history.messages[id];
    bool is_again = was_put_again(record, &message->original);
    message->was_put_again |= is_again;
    if (!is_body_of(id, record->body))
        violation("message %d is served with another body", id);
    if (!slice_eq(record->topic, slice_str(history.topics[message->topic].name)) ||
        record->queue_id != message->queue)
        violation("message %d is served from another queue", id);
    if (!are_properties_of(id, record->properties, is_again))
        violation("message %d is served with other properties: '%.*s'", id,
                  SLICE_FMT(record->properties));
    if (record->flag != (id & 0xFF) || record->born_timestamp != 1600000000000 + id)
        violation("message %d is served with other fields", id);
    if (message->state == MESSAGE_REFUSED)
        violation("message %d was refused, and is there", id);
    if (message->state == MESSAGE_LOST && history.has_promises)
        violation("message %d was gone, and has come back", id);
    if (message->state == MESSAGE_STORED && !is_again && !is_original(message, record) &&
        (record->queue_offset != message->queue_offset ||
         record->phy_offset != message->phy_offset))
        violation("message %d has moved: queue offset %lld, was %lld", id,
                  (long long)record->queue_offset, (long long)message->queue_offset);
    return id;
}

/* ---- after a stop ---------------------------------------------------------------------------- */

static void see(int id, const struct record *record, int64_t end)
{
    struct message *message = &history.messages[id];
    if (message->was_seen && !history_is_deleted(message))
        violation("message %d is there twice", id);
    message->was_seen = true;
    message->state = MESSAGE_STORED;
    message->queue_offset = record->queue_offset;
    message->phy_offset = record->phy_offset;
    message->end_phy_offset = end;
}

/* Reads one queue whole. may_lack: a failed sync took pages of the log that nobody had called safe.
 */
static void read_queue(struct store *store, int topic, int queue, bool may_lack)
{
    bool is_dense = history.has_promises && !history.topics[topic].is_deleted && !may_lack;
    struct slice name = slice_str(history.topics[topic].name);
    int64_t at = store_queue_min(store, name, queue);
    int64_t max = store_queue_max(store, name, queue);
    int64_t last_place = -1;
    struct buf body = BUF_INIT;
    while (at < max) {
        struct store_get_request request = { .topic = name,
                                             .queue_id = queue,
                                             .queue_offset = at,
                                             .max_count = 32,
                                             .max_bytes = 1 << 20,
                                             .may_block = true };
        struct store_get_result result;
        buf_clear(&body);
        int err = store_get(store, &request, &body, &result);
        if (err != 0)
            violation("queue %s/%d cannot be read at %lld: %s", history.topics[topic].name, queue,
                      (long long)at, err_name(err));
        struct slice rest = buf_slice(&body);
        for (int i = 0; i < result.count; i++, at++) {
            struct record record;
            if (record_decode(rest, RECORD_CHECK_BODY_CRC, &record) != 0)
                violation("queue %s/%d serves what is no record at %lld",
                          history.topics[topic].name, queue, (long long)at);
            if (record.queue_offset != at && is_dense)
                violation("queue %s/%d has a hole: %lld instead of %lld",
                          history.topics[topic].name, queue, (long long)record.queue_offset,
                          (long long)at);
            if (record.phy_offset <= last_place)
                violation("queue %s/%d is out of order at %lld", history.topics[topic].name, queue,
                          (long long)at);
            last_place = record.phy_offset;
            struct store_queue_entry entry;
            if (store_queue_entry_at(store, name, queue, record.queue_offset, &entry) != 0)
                violation("queue %s/%d has no entry %lld", history.topics[topic].name, queue,
                          (long long)record.queue_offset);
            see(history_check_served(&record), &record, entry.phy_offset + entry.bytes);
            rest = slice_from(rest, (size_t)record.total_bytes);
        }
        if (result.count == 0 && is_dense)
            violation("queue %s/%d serves nothing at %lld of %lld: %s", history.topics[topic].name,
                      queue, (long long)at, (long long)max, store_get_status_name(result.status));
        if (result.next_offset <= at && result.count == 0)
            break;
        at = result.next_offset;
    }
    buf_fini(&body);
}

/* A light queue has each of its messages once, in the order of the log, without a gap. */
static void read_light_queue(struct store *store, int light)
{
    struct slice name = slice_str(light_names[light]);
    int64_t max = store_queue_max(store, name, 0);
    int64_t last_place = -1;
    struct buf bytes = BUF_INIT;
    for (int64_t at = store_queue_min(store, name, 0); at < max; at++) {
        struct store_queue_entry entry;
        struct record record;
        buf_clear(&bytes);
        int err = store_queue_entry_at(store, name, 0, at, &entry);
        if (err == 0)
            err = store_get_at(store, entry.phy_offset, &bytes);
        if (err == 0)
            err = record_decode(buf_slice(&bytes), RECORD_CHECK_ALL, &record);
        if (err != 0 && !history.has_promises)
            continue;
        if (err != 0)
            violation("light queue %d serves nothing at %lld of %lld: %s", light, (long long)at,
                      (long long)max, err_name(err));
        bool is_home = multi_dispatch_place(&record, name) == at;
        if (!is_home && !history.has_promises) /* a flipped bit; a reader passes over it */
            continue;
        struct message *message = &history.messages[history_check_served(&record)];
        bool is_there = (message->light & 1u << light) != 0;
        /* What was put again comes there again, too: whether the first one did is not looked at. */
        bool was_there = (message->light_seen & 1u << light) != 0 && !message->was_put_again;
        if (!is_there || was_there || record.phy_offset <= last_place || !is_home)
            violation("light queue %d has the message at phy_offset %lld %s at %lld", light,
                      (long long)record.phy_offset,
                      !is_there   ? "of another"
                      : was_there ? "twice"
                                  : "out of place",
                      (long long)at);
        last_place = record.phy_offset;
        message->light_seen |= (uint8_t)(1u << light);
    }
    buf_fini(&bytes);
}

/* What is in its own queue is in its light queues. */
static void read_light_queues(struct store *store, int64_t min_phy_offset)
{
    for (int light = 0; light < LIGHT_QUEUES; light++)
        read_light_queue(store, light);
    for (int id = 0; id < history.message_count && history.has_promises; id++) {
        const struct message *message = &history.messages[id];
        if (message->was_seen && message->phy_offset >= min_phy_offset &&
            message->light_seen != message->light && !history_is_deleted(message))
            violation("message %d at phy_offset %lld is in light queues %u instead of %u", id,
                      (long long)message->phy_offset, message->light_seen, message->light);
    }
}

/* Those without a queue are looked for where they were put. */
static void read_half_messages(struct store *store)
{
    struct buf bytes = BUF_INIT;
    for (int id = 0; id < history.message_count; id++) {
        struct message *message = &history.messages[id];
        if (!message->takes_no_place || message->state != MESSAGE_STORED)
            continue;
        struct record record;
        buf_clear(&bytes);
        if (store_get_at(store, message->phy_offset, &bytes) != 0 ||
            record_decode(buf_slice(&bytes), RECORD_CHECK_BODY_CRC, &record) != 0)
            continue;
        if (record.body.len >= ID_BYTES && get_be64(record.body.data) == (uint64_t)id) {
            history_check_served(&record);
            message->was_seen = true;
        }
    }
    buf_fini(&bytes);
}

/* A process that dies in the middle of a put leaves all of its messages or none. */
static void check_puts(void)
{
    for (int id = 0; id < history.message_count; id++) {
        const struct message *message = &history.messages[id];
        const struct message *first = &history.messages[message->first_of_put];
        if (message->was_seen != first->was_seen && message->state != MESSAGE_EXPIRED &&
            first->state != MESSAGE_EXPIRED && message->state != MESSAGE_LOST &&
            !history_is_deleted(message))
            violation("message %d is %s, the first of its put, %d, is %s", id,
                      message->was_seen ? "there" : "gone", message->first_of_put,
                      first->was_seen ? "there" : "gone");
    }
}

void history_verify(struct store *store, enum machine_end stop, bool sync_failed)
{
    struct store_state state;
    store_state(store, &state);
    for (int id = 0; id < history.message_count; id++) {
        history.messages[id].was_seen = false;
        history.messages[id].light_seen = 0;
    }
    for (int topic = 0; topic < history.topic_count; topic++)
        for (int queue = 0; queue < QUEUES; queue++)
            read_queue(store, topic, queue, sync_failed);
    if (history.has_light_queues && !sync_failed)
        read_light_queues(store, state.min_phy_offset);
    read_half_messages(store);
    if (stop != MACHINE_POWER_LOST && !sync_failed && history.has_promises)
        check_puts();
    int missing = 0;
    for (int id = 0; id < history.message_count; id++) {
        struct message *message = &history.messages[id];
        if (message->was_seen || message->state == MESSAGE_REFUSED ||
            message->state == MESSAGE_LOST || message->state == MESSAGE_EXPIRED)
            continue;
        bool was_promised = message->state == MESSAGE_STORED &&
                            (message->is_safe || (stop != MACHINE_POWER_LOST && !sync_failed));
        if (message->state == MESSAGE_STORED &&
            (message->phy_offset < state.min_phy_offset || history_is_deleted(message)))
            message->state = MESSAGE_EXPIRED;
        else if (was_promised && ++missing > history.flips)
            violation("message %d is lost: topic %d queue %d offset %lld phy_offset %lld%s; the "
                      "log is %lld to %lld",
                      id, message->topic, message->queue, (long long)message->queue_offset,
                      (long long)message->phy_offset, message->is_safe ? " (safe)" : "",
                      (long long)state.min_phy_offset, (long long)state.max_phy_offset);
        else
            message->state = history_is_deleted(message) ? MESSAGE_EXPIRED : MESSAGE_LOST;
    }
    history.flushed = store_flushed_to(store);
    history_note_flushed(history.flushed);
}
