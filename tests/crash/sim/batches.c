#include "batches.h"

#include <stdio.h>
#include <string.h>

#include "history.h"
#include "wire/properties.h"

#define TOPIC "batched"
enum { BATCHES_MAX = 800, BODY_BYTES = 40, MESSAGES_MOST = 5, BATCH_QUEUES = 2 };

struct batch {
    enum message_state state;
    bool is_safe;
    bool was_seen;
    uint8_t queue;
    int32_t count;
    int64_t base; /* queue offset of its first message */
    int64_t phy_offset;
    int64_t end_phy_offset;
};

static struct {
    bool is_on;
    struct batch all[BATCHES_MAX];
    int count;
    int64_t flushed; /* in this life */
    struct {
        int64_t min, max, last_phy_offset;
    } noted[BATCH_QUEUES];
} batches;

void batches_reset(bool on)
{
    memset(&batches, 0, sizeof batches);
    batches.is_on = on;
}

bool batches_next_topic(void *ctx, size_t *cursor, struct slice *topic)
{
    (void)ctx;
    *topic = SLICE(TOPIC);
    return (*cursor)++ == 0;
}

/* ---- putting --------------------------------------------------------------------------------- */

void batches_put(struct store *store)
{
    const struct host host = { .address = { 127, 0, 0, 1 }, .port = 10911 };
    uint8_t body[BODY_BYTES];
    char properties[64];
    struct store_put_result result;
    if (!batches.is_on || batches.count == BATCHES_MAX || !chance_one_in(4))
        return;
    int id = batches.count++;
    struct batch *batch = &batches.all[id];
    *batch = (struct batch){ .state = MESSAGE_SENT,
                             .queue = (uint8_t)chance_below(BATCH_QUEUES),
                             .count = 1 + (int32_t)chance_below(MESSAGES_MOST) };
    memset(body, 'b', sizeof body);
    put_be64(body, (uint64_t)id);
    snprintf(properties, sizeof properties, "UNIQ_KEY\001b%d\002INNER_NUM\001%d\002", id,
             batch->count);
    struct record record = { .queue_id = batch->queue,
                             .sys_flag = SYS_FLAG_INNER_BATCH | SYS_FLAG_NEED_UNWRAP,
                             .born_timestamp = 1600000000000 + id,
                             .born_host = host,
                             .store_host = host,
                             .body = slice_of(body, sizeof body),
                             .topic = SLICE(TOPIC),
                             .properties = slice_str(properties) };
    if (store_put(store, &record, 1, machine_now_ns() / 1000000, &result, NULL) != 0) {
        batch->state = MESSAGE_REFUSED;
        return;
    }
    batch->state = MESSAGE_STORED;
    say("batch %d: %d in queue %d at %lld, phy_offset %lld", id, batch->count, batch->queue,
        (long long)result.queue_offset, (long long)result.phy_offset);
    batch->base = result.queue_offset;
    batch->phy_offset = result.phy_offset;
    batch->end_phy_offset = result.end_phy_offset;
    batch->is_safe = batches.flushed >= result.end_phy_offset;
    if (chance_one_in(6))
        store_request_flush(store, result.end_phy_offset);
}

void batches_note_flushed(int64_t upto)
{
    batches.flushed = upto;
    for (int id = 0; id < batches.count; id++)
        if (batches.all[id].state == MESSAGE_STORED && batches.all[id].end_phy_offset <= upto)
            batches.all[id].is_safe = true;
}

/* ---- after a stop ---------------------------------------------------------------------------- */

/* Its number, its places and what it says of them are those of a batch of ours. */
static struct batch *batch_of(const struct record *record, int queue)
{
    int32_t count;
    int64_t base;
    uint64_t number = record->body.len == BODY_BYTES ? get_be64(record->body.data) : UINT64_MAX;
    if (number >= (uint64_t)batches.count || record->body.data[BODY_BYTES - 1] != 'b')
        violation("a batch of nobody is served");
    struct batch *batch = &batches.all[number];
    int id = (int)number;
    if (!slice_to_i32(property_get(record->properties, SLICE(PROPERTY_INNER_NUM)), &count) ||
        !slice_to_i64(property_get(record->properties, SLICE(PROPERTY_INNER_BASE)), &base))
        violation("batch %d is served without its places", id);
    if (count != batch->count || base != record->queue_offset || queue != batch->queue)
        violation("batch %d is served with other places: %d from %lld on", id, count,
                  (long long)base);
    if (batch->state == MESSAGE_REFUSED)
        violation("batch %d was refused, and is there", id);
    if (batch->state == MESSAGE_LOST && history.has_promises)
        violation("batch %d was gone, and has come back", id);
    if (batch->state == MESSAGE_STORED &&
        (batch->base != base || batch->phy_offset != record->phy_offset))
        violation("batch %d has moved: from %lld to %lld", id, (long long)batch->base,
                  (long long)base);
    if (batch->was_seen)
        violation("batch %d is there twice", id);
    return batch;
}

/* The entry of each of its places says the same. */
static void check_entries(struct store *store, int queue, const struct record *record,
                          const struct batch *batch)
{
    struct store_queue_entry entry;
    for (int32_t i = 0; i < batch->count && history.has_promises; i++)
        if (store_queue_entry_at(store, SLICE(TOPIC), queue, record->queue_offset + i, &entry) !=
                0 ||
            entry.queue_offset != record->queue_offset || entry.count != batch->count ||
            entry.phy_offset != record->phy_offset)
            violation("batch at %lld of queue %d has another entry at its place %d",
                      (long long)record->queue_offset, queue, i);
}

/* Its entry leads below the log: the record has expired, and the queue's first file not yet. */
static bool is_expired(struct store *store, int queue, int64_t at)
{
    struct store_queue_entry entry;
    struct store_state state;
    store_state(store, &state);
    return store_queue_entry_at(store, SLICE(TOPIC), queue, at, &entry) == 0 &&
           entry.phy_offset < state.min_phy_offset;
}

/* The batch at this place; where the next one is. */
static int64_t read_batch(struct store *store, int queue, int64_t at, bool is_dense)
{
    struct store_get_request request = { .topic = SLICE(TOPIC),
                                         .queue_id = queue,
                                         .queue_offset = at,
                                         .max_count = 1,
                                         .max_bytes = 1,
                                         .may_block = true };
    struct store_get_result result;
    struct record record;
    struct buf body = BUF_INIT;
    int64_t next = at + 1;
    int err = store_get(store, &request, &body, &result);
    if (err == 0 && body.len > 0)
        err = record_decode(buf_slice(&body), RECORD_CHECK_BODY_CRC, &record);
    bool is_right = err == 0 && body.len > 0 && record.queue_offset == at;
    if (is_dense && !is_right && !is_expired(store, queue, at))
        violation("batch queue %d has a hole at %lld of %lld: %s, %s", queue, (long long)at,
                  (long long)store_queue_max(store, SLICE(TOPIC), queue), err_name(err),
                  err == 0 ? store_get_status_name(result.status) : "");
    if (err == 0 && body.len > 0 && record.queue_offset >= at) {
        struct batch *batch = batch_of(&record, queue);
        check_entries(store, queue, &record, batch);
        batch->was_seen = true;
        batch->state = MESSAGE_STORED;
        batch->base = record.queue_offset;
        batch->phy_offset = record.phy_offset;
        batch->end_phy_offset = record.phy_offset + record.total_bytes;
        next = record.queue_offset + batch->count;
    }
    buf_fini(&body);
    return next;
}

static void look_for_losses(struct store *store, enum machine_end stop, bool sync_failed)
{
    struct store_state state;
    int missing = 0;
    store_state(store, &state);
    for (int id = 0; id < batches.count; id++) {
        struct batch *batch = &batches.all[id];
        if (batch->was_seen || (batch->state != MESSAGE_STORED && batch->state != MESSAGE_SENT))
            continue;
        bool was_promised = batch->state == MESSAGE_STORED &&
                            (batch->is_safe || (stop != MACHINE_POWER_LOST && !sync_failed));
        if (batch->state == MESSAGE_STORED && batch->phy_offset < state.min_phy_offset)
            batch->state = MESSAGE_EXPIRED;
        else if (was_promised && ++missing > history.flips)
            violation("batch %d is lost: queue %d from %lld on%s", id, batch->queue,
                      (long long)batch->base, batch->is_safe ? " (safe)" : "");
        else
            batch->state = MESSAGE_LOST;
    }
}

void batches_verify(struct store *store, enum machine_end stop, bool sync_failed)
{
    batches.flushed = 0;
    for (int id = 0; id < batches.count; id++)
        batches.all[id].was_seen = false;
    for (int queue = 0; queue < BATCH_QUEUES && batches.is_on; queue++) {
        int64_t at = store_queue_min(store, SLICE(TOPIC), queue);
        int64_t max = store_queue_max(store, SLICE(TOPIC), queue);
        while (at >= 0 && at < max)
            at = read_batch(store, queue, at, history.has_promises && !sync_failed);
        if (at > max && history.has_promises)
            violation("batch queue %d ends at %lld, inside of a batch", queue, (long long)max);
    }
    look_for_losses(store, stop, sync_failed);
    batches_note_flushed(store_flushed_to(store));
}

void batches_look(struct store *store, bool compare)
{
    for (int queue = 0; queue < BATCH_QUEUES && batches.is_on; queue++) {
        struct store_queue_entry last = { 0 };
        int64_t min = store_queue_min(store, SLICE(TOPIC), queue);
        int64_t max = store_queue_max(store, SLICE(TOPIC), queue);
        if (max > 0 && max > min &&
            store_queue_entry_at(store, SLICE(TOPIC), queue, max - 1, &last) != 0)
            violation("batch queue %d has no last entry", queue);
        if (compare && max > 0 &&
            (max != batches.noted[queue].max ||
             last.phy_offset != batches.noted[queue].last_phy_offset))
            violation("batch queue %d ends at %lld, and at %lld when built from the log", queue,
                      (long long)batches.noted[queue].max, (long long)max);
        batches.noted[queue].min = min;
        batches.noted[queue].max = max;
        batches.noted[queue].last_phy_offset = last.phy_offset;
    }
}
