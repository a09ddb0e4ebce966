/* txn_record.c - the records of transactions: half, copy, op, final message, given up. */
#include <assert.h>

#include "delivery/real_place.h"
#include "delivery/txn_internal.h"
#include "wire/names.h"
#include "wire/properties.h"

void txn_half_prepare(struct record *record, struct arena *arena)
{
    struct property_change changes[] = {
        { SLICE(PROPERTY_REAL_TOPIC), record->topic },
        { SLICE(PROPERTY_REAL_QUEUE_ID), arena_printf(arena, "%d", record->queue_id) },
        { SLICE(PROPERTY_TRANSACTION_ID),
          property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY)) },
        /* only checks may say these: a copy is believed to be one */
        { .name = SLICE(PROPERTY_TRANSACTION_CHECK_TIMES) },
        { .name = SLICE(PROPERTY_TRANSACTION_FIRST_OFFSET) },
    };
    record->properties =
        properties_edit(record->properties, changes, sizeof changes / sizeof changes[0], arena);
    record->sys_flag &= ~SYS_FLAG_TRANSACTION_MASK;
    record->topic = SLICE(TOPIC_TRANS_HALF);
    record->queue_id = TXN_QUEUE;
    record->prepared_transaction_offset = 0;
}

static int64_t number_or(struct slice text, int64_t fallback)
{
    int64_t number = fallback;
    return slice_to_i64(text, &number) ? number : fallback;
}

/* Of a text that is no number nothing is kept, as if the producer had not asked. */
static int64_t immunity_of(struct slice seconds)
{
    int64_t s = number_or(seconds, -1);
    if (s < 0)
        return -1;
    return s > INT32_MAX ? (int64_t)INT32_MAX * 1000 : s * 1000;
}

bool txn_half_read(const struct record *record, struct txn_half *half)
{
    *half = (struct txn_half){ .record = *record };
    struct slice p = record->properties;
    struct slice times = property_get(p, SLICE(PROPERTY_TRANSACTION_CHECK_TIMES));
    struct slice first = property_get(p, SLICE(PROPERTY_TRANSACTION_FIRST_OFFSET));
    int64_t check_times = number_or(times, 0);
    half->transaction_id = property_get(p, SLICE(PROPERTY_UNIQ_KEY));
    half->producer_group = property_get(p, SLICE(PROPERTY_PRODUCER_GROUP));
    half->check_times = check_times < 0 || check_times > INT32_MAX ? 0 : (int32_t)check_times;
    half->immunity_ms = immunity_of(property_get(p, SLICE(PROPERTY_CHECK_IMMUNITY_SECONDS)));
    half->first_offset = number_or(first, -1);
    half->is_copy = times.data != NULL || first.data != NULL;
    return real_place_of(record, &half->real_topic, &half->real_queue_id) &&
           half->producer_group.len > 0;
}

struct slice txn_identity(const struct txn_half *half, struct buf *out)
{
    const struct record *r = &half->record;
    buf_clear(out);
    buf_append_be64(out, (uint64_t)r->born_timestamp);
    buf_append(out, r->born_host.address, sizeof r->born_host.address);
    buf_append_be32(out, (uint32_t)r->born_host.port);
    buf_append_be32(out, r->body_crc);
    buf_append_be32(out, (uint32_t)half->real_queue_id);
    buf_append_be32(out, (uint32_t)half->transaction_id.len);
    buf_append_slice(out, half->transaction_id);
    buf_append_be32(out, (uint32_t)half->producer_group.len);
    buf_append_slice(out, half->producer_group);
    buf_append_slice(out, half->real_topic);
    return buf_slice(out);
}

struct record txn_final(const struct txn_half *half)
{
    struct record final = half->record;
    assert((final.sys_flag & SYS_FLAG_TRANSACTION_MASK) == 0);
    final.topic = half->real_topic;
    final.queue_id = half->real_queue_id;
    final.sys_flag |= SYS_FLAG_TRANSACTION_COMMIT;
    final.prepared_transaction_offset = half->record.phy_offset;
    return final;
}

static struct record with_property(const struct record *record, struct slice name, int64_t value,
                                   struct arena *arena)
{
    struct property_change change = { name, arena_printf(arena, "%lld", (long long)value) };
    struct record changed = *record;
    changed.properties = properties_edit(record->properties, &change, 1, arena);
    return changed;
}

struct record txn_checked_copy(const struct txn_half *half, struct arena *arena)
{
    assert(half->check_times >= 0);
    return with_property(&half->record, SLICE(PROPERTY_TRANSACTION_CHECK_TIMES),
                         (int64_t)half->check_times + 1, arena);
}

struct record txn_immune_copy(const struct txn_half *half, struct arena *arena)
{
    assert(half->immunity_ms >= 0);
    int64_t first = half->first_offset >= 0 ? half->first_offset : half->record.queue_offset;
    return with_property(&half->record, SLICE(PROPERTY_TRANSACTION_FIRST_OFFSET), first, arena);
}

struct record txn_given_up(const struct txn_half *half)
{
    struct record record = half->record;
    record.topic = SLICE(TOPIC_TRANS_CHECK_MAX_TIME);
    record.queue_id = TXN_QUEUE;
    return record;
}

struct record txn_resumed(const struct record *given_up, struct arena *arena)
{
    assert(slice_eq(given_up->topic, SLICE(TOPIC_TRANS_CHECK_MAX_TIME)));
    struct record record =
        with_property(given_up, SLICE(PROPERTY_TRANSACTION_CHECK_TIMES), 0, arena);
    record.topic = SLICE(TOPIC_TRANS_HALF);
    record.queue_id = TXN_QUEUE;
    return record;
}

struct record txn_op_record(const struct host *self, struct slice body, int64_t now_ms)
{
    assert(body.len > 0);
    return (struct record){
        .topic = SLICE(TOPIC_TRANS_OP_HALF),
        .queue_id = TXN_QUEUE,
        .body = body,
        .born_timestamp = now_ms,
        .born_host = *self,
        .store_host = *self,
        .properties = SLICE("TAGS\001d\002WAIT\001true\002"),
    };
}
