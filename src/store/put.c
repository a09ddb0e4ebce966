/* put.c - messages in.
 *
 * A put is encoded and checksummed first, outside any lock. Under the append lock only places are
 * assigned: room in the log, the queue's next number; they are stamped into the bytes, the bytes
 * copied with their first length last, the log's end moved, and the queue's entry added. After the
 * lock whoever waits for the queue is told. So a reader that sees an entry finds the record, and
 * records of one queue lie in the log in the order of their numbers.
 */
#include "base/memory.h"
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/java_hash.h"
#include "base/ticks.h"
#include "store/index_feed.h"
#include "store/index_keys.h"
#include "store/light_queues.h"
#include "wire/multi_dispatch.h"
#include "wire/names.h"
#include "wire/properties.h"
#include "wire/record_crc.h"

enum { SCRATCH_KEPT_BYTES = 1 << 20 };

void store_set_refusal(struct store *store, int err)
{
    assert(err <= 0);
    /* Nothing follows on a failed sync, not even closing: what it left is never believed. */
    int before = atomic_load(&store->refusal);
    while (before != ERR_IO && (before != ERR_CLOSED || err == ERR_IO) &&
           (before != ERR_CORRUPT || err == ERR_IO || err == ERR_CLOSED) &&
           !atomic_compare_exchange_weak(&store->refusal, &before, err))
        ;
}

int store_refuses_puts(const struct store *store)
{
    return atomic_load(&store->refusal);
}

/* ---- what a record says to its queue ------------------------------------------------------ */

/* Due time of a record of the delay topic: its level counts from its store time. */
static int64_t due_ms(const struct store *store, const struct record *record, struct slice delay)
{
    int32_t level;
    if (!slice_to_i32(delay, &level) || level < 1)
        return record->store_timestamp + 1000;
    if (level > store->delay_levels.count)
        level = store->delay_levels.count;
    return record->store_timestamp + store->delay_levels.ms[level];
}

static bool takes_queue_offset(const struct record *record)
{
    int32_t type = record->sys_flag & SYS_FLAG_TRANSACTION_MASK;
    return type != SYS_FLAG_TRANSACTION_PREPARED && type != SYS_FLAG_TRANSACTION_ROLLBACK;
}

/* False: it has none. */
static bool entry_of(const struct store *store, const struct record *record, struct slice tags,
                     struct store_queue_entry *entry)
{
    if (!takes_queue_offset(record))
        return false;
    *entry = (struct store_queue_entry){ .phy_offset = record->phy_offset,
                                         .bytes = record->total_bytes,
                                         .queue_offset = record->queue_offset,
                                         .count = consume_queue_count_of(record),
                                         .store_ms = record->store_timestamp };
    struct slice delay = { NULL, 0 };
    if (slice_eq(record->topic, SLICE(TOPIC_SCHEDULE)))
        delay = property_get(record->properties, SLICE(PROPERTY_DELAY));
    if (delay.len > 0)
        entry->tags_code = due_ms(store, record, delay);
    else
        entry->tags_code = tags.len == 0 ? 0 : java_hash(tags);
    return true;
}

bool store_entry_of(const struct store *store, const struct record *record,
                    struct store_queue_entry *entry)
{
    return entry_of(store, record, property_get(record->properties, SLICE(PROPERTY_TAGS)), entry);
}

/* ---- memory for what is made outside the lock --------------------------------------------- */

static struct scratch *take_scratch(struct store *store)
{
    struct scratch *scratch = atomic_exchange(&store->last_scratch, NULL);
    if (scratch == NULL) {
        lock_take(&store->scratch_lock);
        scratch = store->scratches;
        if (scratch != NULL)
            store->scratches = scratch->next;
        lock_release(&store->scratch_lock);
    }
    if (scratch == NULL)
        scratch = memory_zeroed(1, sizeof *scratch);
    buf_clear(&scratch->bytes);
    buf_clear(&scratch->entries);
    buf_clear(&scratch->keys);
    return scratch;
}

static void give_scratch_back(struct store *store, struct scratch *scratch)
{
    if (scratch->bytes.cap > SCRATCH_KEPT_BYTES)
        buf_fini(&scratch->bytes);
    scratch = atomic_exchange(&store->last_scratch, scratch);
    if (scratch == NULL)
        return;
    lock_take(&store->scratch_lock);
    scratch->next = store->scratches;
    store->scratches = scratch;
    lock_release(&store->scratch_lock);
}

static void scratch_free(struct scratch *scratch)
{
    if (scratch == NULL)
        return;
    buf_fini(&scratch->bytes);
    buf_fini(&scratch->entries);
    buf_fini(&scratch->keys);
    free(scratch);
}

void store_free_scratches(struct store *store)
{
    scratch_free(atomic_exchange(&store->last_scratch, NULL));
    while (store->scratches != NULL) {
        struct scratch *next = store->scratches->next;
        scratch_free(store->scratches);
        store->scratches = next;
    }
}

static struct store_queue_entry *scratch_entries(const struct scratch *scratch)
{
    return (struct store_queue_entry *)scratch->entries.data;
}

/* ---- putting --------------------------------------------------------------------------------- */

/* One put on its way. */
struct put {
    struct store *store;
    struct store_place *place; /* the caller's, or NULL */
    const struct record *records;
    int count;
    int64_t now_ms;
    struct scratch *scratch; /* what is encoded */
    struct store_put_result *result;
    int64_t *phy_offsets;        /* NULL: nobody asked for them */
    struct consume_queue *queue; /* NULL: half messages and rollbacks have none */
    bool is_done;                /* false: its queue went meanwhile */
    bool presses_indexer;
};

/* What the indexer is to know of a record. False: it has many keys. */
static bool note_keys(struct put *put, const struct record *record, struct index_keys words)
{
    struct buf *out = &put->scratch->keys;
    struct index_key *keys = (void *)buf_reserve(out, INDEX_FED_KEYS_MAX * sizeof *keys);
    struct slice word;
    int count = 0;
    while (index_keys_next(&words, &word)) {
        if (count == INDEX_FED_KEYS_MAX)
            return false;
        keys[count++] = (struct index_key){ .store_ms = record->store_timestamp,
                                            .hash = index_key_hash(record->topic, word) };
    }
    if (count == 0)
        keys[count++] = (struct index_key){ .hash = INDEX_NO_KEY };
    keys[count - 1].record_bytes = record->total_bytes;
    out->len += (size_t)count * sizeof *keys;
    return true;
}

/* What is made of a record but its bytes. False: the indexer is to read it. */
static bool note_record(struct put *put, const struct record *record)
{
    static const struct slice names[] = { SLICE(PROPERTY_TAGS), SLICE(PROPERTY_UNIQ_KEY),
                                          SLICE(PROPERTY_KEYS) };
    struct slice values[3];
    struct store_queue_entry entry = { 0 };
    properties_find(record->properties, names, 3, values);
    entry_of(put->store, record, values[0], &entry);
    buf_append(&put->scratch->entries, &entry, sizeof entry);
    return put->store->indexer != NULL &&
           note_keys(put, record, index_keys_in(record->sys_flag, values[1], values[2]));
}

/* The bytes of the records, their queue entries and keys, but for the places all will have.
 * `records` may be changed ones. */
static int encode(struct put *put, const struct record *records)
{
    struct buf *out = &put->scratch->bytes;
    buf_clear(out);
    buf_clear(&put->scratch->entries);
    buf_clear(&put->scratch->keys);
    bool is_fed = true;
    for (int i = 0; i < put->count; i++) {
        struct record record = records[i];
        record.properties = record_crc_without_forged(record.properties);
        record.store_timestamp = put->now_ms;
        if (record.properties.len > RECORD_PROPERTIES_MAX || record.topic.len > RECORD_TOPIC_MAX)
            return ERR_TOO_BIG;
        size_t bytes = record_bytes(&record);
        uint8_t *into = buf_reserve(out, bytes + RECORD_CRC_BYTES_MOST);
        uint32_t body_crc = record_encode(&record, into);
        if (put->store->options.append_record_crc)
            bytes = record_crc_append(into, bytes, &record, body_crc);
        assert(get_be32(into + RECORD_TOTAL_SIZE) == bytes);
        out->len += bytes;
        record.total_bytes = (int32_t)bytes;
        is_fed = note_record(put, &record) && is_fed;
    }
    if (!is_fed)
        buf_clear(&put->scratch->keys);
    return 0;
}

/* Stamps the encoded records with their places. Under the append lock. */
static void stamp(struct put *put)
{
    int64_t queue_offset = put->result->queue_offset;
    int64_t phy_offset = put->result->phy_offset;
    uint8_t *at = put->scratch->bytes.data;
    for (int i = 0; i < put->count; i++) {
        int32_t bytes = (int32_t)get_be32(at + RECORD_TOTAL_SIZE);
        assert(bytes > 0);
        record_stamp(at, queue_offset + i, phy_offset, put->result->store_timestamp);
        record_crc_stamp(at);
        if (put->phy_offsets != NULL)
            put->phy_offsets[i] = phy_offset;
        at += bytes;
        phy_offset += bytes;
    }
    assert(phy_offset == put->result->end_phy_offset);
}

/* The first record's length is stored last: a process that dies in mid-copy leaves a zero there,
 * which ends the log before the whole put, be it one record or a batch. Under the append lock. */
static void copy_sealed(uint8_t *into, struct slice encoded)
{
    enum { SEAL_BYTES = sizeof(int32_t) };
    assert(encoded.len > SEAL_BYTES);
    memcpy(into + SEAL_BYTES, encoded.data + SEAL_BYTES, encoded.len - SEAL_BYTES);
    atomic_signal_fence(memory_order_release);
    memcpy(into, encoded.data, SEAL_BYTES);
    assert(get_be32(into + RECORD_TOTAL_SIZE) == get_be32(encoded.data + RECORD_TOTAL_SIZE));
}

/* Adds the queue entries of records that are in the log. Under the append lock. */
static void add_entries(struct put *put)
{
    struct store *store = put->store;
    assert(lock_is_held(&store->append_lock));
    struct store_queue_entry *entries = scratch_entries(put->scratch);
    int64_t phy_offset = put->result->phy_offset;
    for (int i = 0; i < put->count; i++) {
        entries[i].phy_offset = phy_offset;
        entries[i].queue_offset = put->result->queue_offset + i;
        phy_offset += entries[i].bytes;
        if (consume_queue_append(put->queue, &entries[i]))
            queues_note_dirty(store->queues, put->queue);
    }
    assert(phy_offset == put->result->end_phy_offset);
    assert(consume_queue_is_batch(put->queue) ||
           consume_queue_max(put->queue) == put->result->queue_offset + put->count);
}

/* An inner batch has arrived when its last message has. */
static void tell_arrivals(const struct put *put)
{
    const struct store_options *options = &put->store->options;
    const struct store_queue_entry *entries = scratch_entries(put->scratch);
    for (int i = 0; i < put->count; i++) {
        const struct record *record = &put->records[i];
        int32_t more = consume_queue_is_batch(put->queue) ? entries[i].count - 1 : 0;
        const struct store_arrival arrival = { .topic = record->topic,
                                               .queue_id = record->queue_id,
                                               .queue_offset = put->result->queue_offset + i + more,
                                               .bytes = entries[i].bytes,
                                               .tags_code = entries[i].tags_code,
                                               .store_timestamp = put->result->store_timestamp,
                                               .properties = record->properties,
                                               .place = put->place };
        options->on_arrival(options->ctx, &arrival);
    }
}

/* Gives the encoded records their places and copies them there. Half messages and rollbacks come
 * with no queue; all others of a put take a place each. Under the append lock. */
static int append(struct put *put)
{
    struct store *store = put->store;
    struct store_put_result *result = put->result;
    const struct buf *encoded = &put->scratch->bytes;
    int64_t bytes = (int64_t)encoded->len;
    assert(lock_is_held(&store->append_lock));
    uint8_t *into;
    int err = fault_check("store.append");
    if (err == 0)
        err = commit_log_reserve(store->log, bytes, &into, &result->phy_offset);
    if (err != 0)
        return err;
    result->end_phy_offset = result->phy_offset + bytes;
    result->queue_offset = put->queue == NULL ? 0 : consume_queue_max(put->queue);
    result->store_timestamp = put->now_ms;
    assert(result->queue_offset >= 0);
    assert(result->phy_offset == commit_log_max(store->log));
    stamp(put);
    assert((int64_t)get_be64(encoded->data + RECORD_PHY_OFFSET) == result->phy_offset);
    copy_sealed(into, buf_slice(encoded));
    assert((int64_t)get_be64(into + RECORD_PHY_OFFSET) == result->phy_offset);
    commit_log_publish(store->log, result->end_phy_offset);
    assert(commit_log_max(store->log) == result->end_phy_offset);
    if (put->queue != NULL)
        add_entries(put);
    if (put->scratch->keys.len > 0)
        put->presses_indexer = indexer_feed(
            store->indexer, result->phy_offset, (const struct index_key *)put->scratch->keys.data,
            (int)(put->scratch->keys.len / sizeof(struct index_key)));
    return 0;
}

void store_want_ticks(struct store *store, bool wanted)
{
    atomic_store_explicit(&store->wants_ticks, wanted, memory_order_relaxed);
}

static uint64_t stamp_now(const struct store *store)
{
    return atomic_load_explicit(&store->wants_ticks, memory_order_relaxed) ? ticks_now() : 0;
}

/* A free lock costs one reading of the clock, not two. */
static void take_append_lock(struct store *store, struct store_put_result *result)
{
    bool was_free = lock_try(&store->append_lock);
    result->asked_ticks = result->locked_ticks = stamp_now(store);
    if (was_free)
        return;
    lock_take(&store->append_lock);
    result->locked_ticks = stamp_now(store);
}

/* The topic was deleted after its queue was got. */
static bool is_gone(const struct consume_queue *queue)
{
    return queue != NULL && atomic_load(&queue->of->is_gone);
}

/* The record says itself where its messages begin, so it is encoded for an offset, and anew when
 * somebody was faster. */
static int put_inner_batch(struct put *put)
{
    struct store *store = put->store;
    int err = 0;
    assert(put->count == 1);
    while (err == 0 && !put->is_done && !is_gone(put->queue)) {
        char text[24];
        struct record based = put->records[0];
        struct arena arena;
        int64_t base = consume_queue_max(put->queue);
        snprintf(text, sizeof text, "%lld", (long long)base);
        const struct property_change change = { SLICE(PROPERTY_INNER_BASE), slice_str(text) };
        arena_init(&arena);
        based.properties = properties_edit(based.properties, &change, 1, &arena);
        err = encode(put, &based);
        take_append_lock(store, put->result);
        put->is_done = err == 0 && consume_queue_max(put->queue) == base &&
                       consume_queue_takes_more(put->queue);
        if (put->is_done)
            err = append(put);
        lock_release(&store->append_lock);
        put->result->appended_ticks = stamp_now(store);
        arena_fini(&arena);
    }
    return err;
}

/* Light queues have to do with the put: a record names some or says it has places in them, or its
 * own queue is one, which may be about to go. */
static bool may_concern_light_queues(const struct record *records, int count)
{
    for (int i = 0; i < count; i++)
        if (properties_may_multi_dispatch(records[i].properties))
            return true;
    return name_is_light(records[0].topic);
}

/* As put_inner_batch(): made for the places its queues have next, and anew when somebody was
 * faster. Of a batch, only its own queue counts, as with the reference. */
static int put_to_light_queues(struct put *put)
{
    struct store *store = put->store;
    const struct record *first = &put->records[0];
    struct arena arena;
    struct light_targets targets = { .count = 0 };
    int err = 0;
    arena_init(&arena);
    struct record *made = arena_alloc(&arena, (size_t)put->count * sizeof *made);
    memcpy(made, put->records, (size_t)put->count * sizeof *made);
    for (int i = 0; i < put->count; i++)
        made[i].properties = light_queues_without_places(made[i].properties, &arena);
    const struct slice properties = made[0].properties;
    while (err == 0 && !put->is_done && !is_gone(put->queue)) {
        if (put->queue != NULL && consume_queue_is_light(put->queue))
            err = queues_get(store->queues, first->topic, first->queue_id, &put->queue);
        if (err == 0 && put->queue != NULL && put->count == 1)
            err = light_targets_find(store, &made[0], &arena, &targets);
        if (err != 0)
            break;
        made[0].properties = light_targets_properties(&targets, properties, &arena);
        err = encode(put, made);
        take_append_lock(store, put->result);
        put->is_done = err == 0 && (put->queue == NULL || consume_queue_takes_more(put->queue)) &&
                       light_targets_fit(&targets);
        if (put->is_done)
            err = append(put);
        if (put->is_done && err == 0)
            light_targets_add(store, &targets, scratch_entries(put->scratch));
        lock_release(&store->append_lock);
        put->result->appended_ticks = stamp_now(store);
    }
    if (err == 0 && put->is_done)
        light_targets_tell(store, &targets, scratch_entries(put->scratch), first);
    arena_fini(&arena);
    return err;
}

static int put_plain(struct put *put)
{
    struct store *store = put->store;
    if (put->queue != NULL)
        consume_queue_append_is_near(put->queue);
    int err = encode(put, put->records);
    if (err != 0)
        return err;
    take_append_lock(store, put->result);
    put->is_done = put->queue == NULL || consume_queue_takes_more(put->queue);
    if (put->is_done)
        err = append(put);
    lock_release(&store->append_lock);
    put->result->appended_ticks = stamp_now(store);
    return err;
}

static int find_queue(struct put *put)
{
    struct queues *queues = put->store->queues;
    const struct record *first = &put->records[0];
    if (!takes_queue_offset(first))
        return 0;
    if (put->place == NULL)
        return queues_get(queues, first->topic, first->queue_id, &put->queue);
    return queues_get_at(queues, put->place, first->topic, first->queue_id, &put->queue);
}

/* To the queue it belongs to now. */
static int put_once(struct put *put)
{
    int err = find_queue(put);
    if (err != 0)
        return err;
    if (put->queue != NULL && consume_queue_is_batch(put->queue) &&
        (put->records[0].sys_flag & SYS_FLAG_INNER_BATCH) != 0)
        return put_inner_batch(put);
    if (put->store->options.light_queues_enable &&
        may_concern_light_queues(put->records, put->count))
        return put_to_light_queues(put);
    return put_plain(put);
}

void store_put_is_near(const struct store_place *place, int32_t queue_id)
{
    queues_get_is_near(place, queue_id);
}

int store_put_at(struct store *store, struct store_place *place, const struct record *records,
                 int count, int64_t now_ms, struct store_put_result *result, int64_t *phy_offsets)
{
    assert(count > 0);
    int err = store_refuses_puts(store);
    if (err != 0)
        return err;
    struct put put = { .store = store,
                       .place = place,
                       .records = records,
                       .count = count,
                       .now_ms = now_ms,
                       .scratch = take_scratch(store),
                       .result = result,
                       .phy_offsets = phy_offsets };
    while (err == 0 && !put.is_done)
        err = put_once(&put);
    if (err == 0) {
        atomic_store_explicit(&store->last_put_ms, now_ms, memory_order_release);
        store_flusher_note(store);
        if (store->indexer != NULL)
            indexer_wake(store->indexer);
        if (put.presses_indexer)
            indexer_press(store->indexer);
        if (put.queue != NULL && store->options.on_arrival != NULL)
            tell_arrivals(&put);
    }
    give_scratch_back(store, put.scratch);
    return err;
}

int store_put(struct store *store, const struct record *records, int count, int64_t now_ms,
              struct store_put_result *result, int64_t *phy_offsets)
{
    return store_put_at(store, NULL, records, count, now_ms, result, phy_offsets);
}
