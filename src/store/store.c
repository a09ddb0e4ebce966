/* store.c - the front door: opening, putting, and where everything hangs together.
 *
 * A put is encoded and checksummed first, outside any lock. Under the append lock only places are
 * assigned: room in the log, the queue's next number; they are stamped into the bytes, the bytes
 * copied with their first length last, the log's end moved, and the queue's entry added. After the
 * lock whoever waits for the queue is told. So a reader that sees an entry finds the record, and
 * records of one queue lie in the log in the order of their numbers.
 */
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/java_hash.h"
#include "base/memory_limit.h"
#include "base/ticks.h"
#include "store/light_queues.h"
#include "store/log_reader.h"
#include "wire/multi_dispatch.h"
#include "wire/names.h"
#include "wire/properties.h"
#include "wire/record_crc.h"

enum { COLD_PERCENT = 40, SCRATCH_KEPT_BYTES = 1 << 20 };

void store_options_init(struct store_options *options)
{
    *options = (struct store_options){
        .commit_log_file_bytes = 1 << 30,
        .consume_queue_file_bytes = 300000 * CQ_ENTRY_BYTES,
        .batch_queue_file_bytes = 300000 * BCQ_ENTRY_BYTES,
        .index_slot_count = 5000000,
        .index_entry_count = 20000000,
        .index_enable = true,
        .flush_interval_ms = 500,
        .queue_flush_interval_ms = 1000,
        .clean_interval_ms = 10000,
        .file_reserved_ms = 72LL * 3600 * 1000,
        .delete_when = "04",
        .disk_max_used_percent = 75,
        .disk_clean_forcibly_percent = 85,
        .disk_warning_percent = 90,
        .clean_forcibly_enable = true,
        .max_message_bytes = 4 << 20,
        .compaction_enable = true,
        .compaction_log_file_bytes = 100 << 20,
        .compaction_queue_file_bytes = 10 << 20,
        .compaction_interval_ms = 15 * 60 * 1000,
        .compaction_keys_bytes = 100 << 20,
        .queue_files_counted_most = 10000,
        .verify_reads = true,
        .message_delay_level = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h",
    };
}

void store_path(const struct store *store, const char *name, char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/%s", store->root_dir, name);
}

/* ---- opening and closing --------------------------------------------------------------------- */

/* "1s 5s 1m": what the due times of the delay topic's entries are computed from. */
static void parse_delays(struct store *store, const char *text)
{
    while (*text != 0 && store->delay_level_count < DELAY_LEVEL_MAX) {
        char *unit;
        long long count = strtoll(text, &unit, 10);
        int64_t ms = *unit == 's' ? 1000 : *unit == 'm' ? 60000 : *unit == 'h' ? 3600000 : 86400000;
        if (unit == text || *unit == 0)
            return;
        store->delay_ms[++store->delay_level_count] = count * ms;
        assert(store->delay_level_count <= DELAY_LEVEL_MAX);
        text = unit + 1 + strspn(unit + 1, " ");
    }
}

/* The lock of the reference's family, so that neither opens what the other has open. */
static int take_lock(struct store *store)
{
    char path[DISK_PATH_MAX];
    store_path(store, "lock", path);
    int err = disk_open(path, 4, &store->lock_fd);
    if (err != 0) {
        store->lock_fd = -1;
        return err;
    }
    err = disk_lock(store->lock_fd);
    if (err != 0) {
        log_error("store_locked path=%s: another process has it open", path);
        return err;
    }
    return disk_write(store->lock_fd, path, "lock", 4, 0);
}

static int write_abort_mark(struct store *store)
{
    char path[DISK_PATH_MAX];
    char pid[32];
    int fd;
    store_path(store, "abort", path);
    int len = snprintf(pid, sizeof pid, "%d", (int)getpid());
    int err = disk_open(path, len, &fd);
    if (err != 0)
        return err;
    err = disk_write(fd, path, pid, (size_t)len, 0);
    if (err == 0) /* without it the next start would take a loss of power for a clean stop */
        err = disk_sync(fd, path);
    disk_close(fd);
    return err == 0 ? disk_sync_dirs(store->root_dir, 1) : err;
}

static bool exists(const struct store *store, const char *name)
{
    char path[DISK_PATH_MAX];
    store_path(store, name, path);
    return disk_exists(path);
}

void store_set_batch_topic(struct store *store, struct slice topic)
{
    queues_set_batch(store->queues, topic);
}

void store_set_compaction_topic(struct store *store, struct slice topic)
{
    if (store->compaction != NULL)
        compaction_add_topic(store->compaction, topic);
}

static void note_batch_topics(struct store *store)
{
    size_t cursor = 0;
    struct slice topic;
    while (store->options.next_batch_topic != NULL &&
           store->options.next_batch_topic(store->options.ctx, &cursor, &topic))
        queues_set_batch(store->queues, topic);
}

static int open_index(struct store *store, bool lost_power)
{
    char path[DISK_PATH_MAX];
    store_path(store, "index", path);
    const struct checkpoint *checkpoint = &store->checkpoint;
    const struct indexer_options options = {
        .dir = path,
        .slot_count = store->options.index_slot_count,
        .entry_count = store->options.index_entry_count,
        .log = store->log,
        .drop_unsafe = lost_power,
        .safe_ms = checkpoint->index_ms,
        .safe_end = checkpoint->is_ours ? checkpoint->index_end : -1,
    };
    return indexer_open(&options, &store->indexer);
}

/* Looking at many thousand files takes longer than a start may. What this boot's checkpoint says of
 * their number is true unless somebody removed some by hand: that is found out behind the start. */
static bool may_count_later(const struct store *store)
{
    const struct checkpoint *checkpoint = &store->checkpoint;
    return checkpoint->is_ours && checkpoint->is_same_boot && !checkpoint->is_doubtful &&
           checkpoint->queue_files > store->options.queue_files_counted_most &&
           checkpoint->queue_files != QUEUE_FILES_LOST;
}

static int open_parts(struct store *store)
{
    const struct store_options *options = &store->options;
    char path[DISK_PATH_MAX];
    bool was_clean = !exists(store, "abort");
    store_path(store, "checkpoint", path);
    int err = checkpoint_read(path, &store->checkpoint);
    if (err != 0)
        return err;
    bool lost_power =
        !was_clean && (!store->checkpoint.is_same_boot || store->checkpoint.is_doubtful);
    err = commit_log_open(store->log_dir, options->commit_log_file_bytes, options->sync_flush,
                          store->memory_bytes, &store->log);
    store->must_count_queues = may_count_later(store);
    if (err == 0)
        err = read_ahead_new(store->log, store->memory_bytes, &store->read_ahead);
    if (err == 0)
        err = queues_open(
            store->root_dir, options->consume_queue_file_bytes, options->batch_queue_file_bytes,
            store->log, store_may_have_ghosts(store, was_clean),
            store->must_count_queues ? store->checkpoint.queue_files : -1, &store->queues);
    if (err == 0)
        note_batch_topics(store);
    if (err == 0)
        err = write_abort_mark(store);
    if (err == 0)
        err = store_recover(store, was_clean);
    if (err == 0 && options->index_enable)
        err = open_index(store, lost_power);
    if (err == 0 && options->compaction_enable)
        err = compaction_open(store, !was_clean, &store->compaction);
    if (err != 0)
        return err;
    /* From here on the page cache is one that we filled; should the process die at once, the next
     * start knows. On the disk when the index has lost what was safe. */
    bool is_less = false;
    if (store->indexer != NULL) {
        is_less = indexer_safe_end(store->indexer) < store->checkpoint.index_end;
        store->checkpoint.index_end = indexer_safe_end(store->indexer);
        store->checkpoint.index_ms = indexer_safe_ms(store->indexer);
    }
    store_path(store, "checkpoint", path);
    err = checkpoint_write(path, &store->checkpoint, is_less);
    return err != 0 || store->indexer == NULL ? err : indexer_start(store->indexer);
}

static void free_parts(struct store *store)
{
    if (store->indexer != NULL)
        indexer_close(store->indexer);
    if (store->compaction != NULL)
        compaction_close(store->compaction);
    if (store->queues != NULL)
        queues_close(store->queues);
    read_ahead_free(store->read_ahead);
    if (store->log != NULL)
        commit_log_close(store->log);
    disk_close(store->lock_fd);
    while (store->scratches != NULL) {
        struct scratch *next = store->scratches->next;
        buf_fini(&store->scratches->bytes);
        buf_fini(&store->scratches->entries);
        free(store->scratches);
        store->scratches = next;
    }
    pthread_mutex_destroy(&store->append_lock);
    pthread_mutex_destroy(&store->flush_lock);
    pthread_mutex_destroy(&store->scratch_lock);
    pthread_mutex_destroy(&store->gone_lock);
    map_fini(&store->gone);
    free(store);
}

static int64_t rounded_up(int64_t bytes, int64_t entry_bytes)
{
    return (bytes + entry_bytes - 1) / entry_bytes * entry_bytes;
}

static struct store *store_new(const struct store_options *options)
{
    assert(options->root_dir != NULL);
    assert(options->commit_log_file_bytes > 0);
    assert(options->max_message_bytes > 0);
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    store->options = *options;
    store->options.consume_queue_file_bytes =
        rounded_up(options->consume_queue_file_bytes, CQ_ENTRY_BYTES);
    store->options.batch_queue_file_bytes =
        rounded_up(options->batch_queue_file_bytes, BCQ_ENTRY_BYTES);
    store->lock_fd = -1;
    atomic_store(&store->last_damaged, -1);
    snprintf(store->root_dir, sizeof store->root_dir, "%s", options->root_dir);
    if (options->commit_log_dir != NULL)
        snprintf(store->log_dir, sizeof store->log_dir, "%s", options->commit_log_dir);
    else
        snprintf(store->log_dir, sizeof store->log_dir, "%.4000s/commitlog", options->root_dir);
    pthread_mutex_init(&store->append_lock, NULL);
    pthread_mutex_init(&store->flush_lock, NULL);
    pthread_mutex_init(&store->scratch_lock, NULL);
    pthread_mutex_init(&store->gone_lock, NULL);
    map_init(&store->gone);
    list_init(&store->unsynced);
    parse_delays(store, options->message_delay_level);
    store->memory_bytes = memory_limit_bytes();
    store->cold_bytes = store->memory_bytes / 100 * COLD_PERCENT;
    return store;
}

int store_open(const struct store_options *options, struct store **opened)
{
    int64_t started_ns = clock_monotonic_ns();
    struct store *store = store_new(options);
    if (store == NULL)
        return ERR_NO_MEMORY;
    int err = disk_make_dirs(store->root_dir);
    if (err == 0)
        err = take_lock(store);
    if (err == 0 && exists(store, "consumequeue/CURRENT")) {
        log_error("store_type_unsupported path=%s: its queues are in RocksDB", store->root_dir);
        err = ERR_UNSUPPORTED;
    }
    if (err == 0)
        err = open_parts(store);
    if (err == 0)
        err = store_flusher_start(store);
    if (err == 0)
        err = store_cleaner_start(store);
    if (err == 0 && store->compaction != NULL)
        err = compaction_start(store->compaction);
    if (err == 0)
        err = store_scrubber_start(store);
    if (err != 0) {
        if (store->compaction != NULL)
            compaction_stop(store->compaction);
        store_flusher_stop(store);
        free_parts(store);
        return err;
    }
    store->start_ms = (clock_monotonic_ns() - started_ns) / 1000000;
    log_info(
        "store_opened path=%s min=%lld max=%lld recovered_records=%lld memory_mib=%lld ms=%lld",
        store->root_dir, (long long)commit_log_min(store->log),
        (long long)commit_log_max(store->log), (long long)store->recovered_records,
        (long long)(store->memory_bytes >> 20), (long long)store->start_ms);
    *opened = store;
    return 0;
}

int store_close(struct store *store)
{
    assert(store->has_flusher);
    assert(store->log != NULL);
    store_set_refusal(store, ERR_CLOSED);
    store_scrubber_stop(store);
    store_cleaner_stop(store);
    store_flusher_stop(store);
    if (store->indexer != NULL)
        indexer_stop(store->indexer);
    int err = store_flush_all(store);
    if (store->compaction != NULL)
        compaction_stop(store->compaction); /* it copies what was just flushed */
    if (err == 0) {
        char path[DISK_PATH_MAX];
        store_path(store, "abort", path);
        err = disk_remove(path);
        if (err == 0)
            err = disk_sync_dirs(store->root_dir, 0);
    }
    if (err != 0)
        log_error("store_not_closed_cleanly path=%s error=%s", store->root_dir, err_name(err));
    free_parts(store);
    return err;
}

/* ---- putting --------------------------------------------------------------------------------- */

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

/* Due time of a record of the delay topic: its level counts from its store time. */
static int64_t due_ms(const struct store *store, const struct record *record, struct slice delay)
{
    assert(store->delay_level_count >= 0);
    int32_t level;
    if (!slice_to_i32(delay, &level) || level < 1)
        return record->store_timestamp + 1000;
    if (level > store->delay_level_count)
        level = store->delay_level_count;
    return record->store_timestamp + store->delay_ms[level];
}

static bool takes_queue_offset(const struct record *record)
{
    int32_t type = record->sys_flag & SYS_FLAG_TRANSACTION_MASK;
    return type != SYS_FLAG_TRANSACTION_PREPARED && type != SYS_FLAG_TRANSACTION_ROLLBACK;
}

static bool is_inner_batch(const struct record *record)
{
    return (record->sys_flag & SYS_FLAG_INNER_BATCH) != 0;
}

/* Messages in a record. A number that is none, which only damage makes, counts as one. */
static int32_t messages_in(const struct record *record)
{
    int32_t count;
    if (!is_inner_batch(record) ||
        !slice_to_i32(property_get(record->properties, SLICE(PROPERTY_INNER_NUM)), &count) ||
        count < 1 || count > INT16_MAX)
        return 1;
    return count;
}

bool store_entry_of(const struct store *store, const struct record *record,
                    struct store_queue_entry *entry)
{
    if (!takes_queue_offset(record))
        return false;
    *entry = (struct store_queue_entry){ .phy_offset = record->phy_offset,
                                         .bytes = record->total_bytes,
                                         .queue_offset = record->queue_offset,
                                         .count = messages_in(record),
                                         .store_ms = record->store_timestamp };
    struct slice delay = { NULL, 0 };
    if (slice_eq(record->topic, SLICE(TOPIC_SCHEDULE)))
        delay = property_get(record->properties, SLICE(PROPERTY_DELAY));
    if (delay.len > 0) {
        entry->tags_code = due_ms(store, record, delay);
    } else {
        struct slice tags = property_get(record->properties, SLICE(PROPERTY_TAGS));
        entry->tags_code = tags.len == 0 ? 0 : java_hash(tags);
    }
    return true;
}

static struct scratch *take_scratch(struct store *store)
{
    pthread_mutex_lock(&store->scratch_lock);
    struct scratch *scratch = store->scratches;
    if (scratch != NULL)
        store->scratches = scratch->next;
    pthread_mutex_unlock(&store->scratch_lock);
    if (scratch == NULL && (scratch = calloc(1, sizeof *scratch)) == NULL)
        abort();
    buf_clear(&scratch->bytes);
    buf_clear(&scratch->entries);
    return scratch;
}

static void give_scratch_back(struct store *store, struct scratch *scratch)
{
    if (scratch->bytes.cap > SCRATCH_KEPT_BYTES)
        buf_fini(&scratch->bytes);
    pthread_mutex_lock(&store->scratch_lock);
    scratch->next = store->scratches;
    store->scratches = scratch;
    pthread_mutex_unlock(&store->scratch_lock);
}

static struct store_queue_entry *scratch_entries(const struct scratch *scratch)
{
    return (struct store_queue_entry *)scratch->entries.data;
}

/* The bytes of the records and their queue entries, but for the places both will have. */
static int encode(struct store *store, const struct record *records, int count, int64_t now_ms,
                  struct scratch *scratch)
{
    struct buf *out = &scratch->bytes;
    for (int i = 0; i < count; i++) {
        struct record record = records[i];
        struct store_queue_entry entry = { 0 };
        record.properties = record_crc_without_forged(record.properties);
        record.store_timestamp = now_ms;
        size_t bytes = record_bytes(&record);
        if (record.body.len > (size_t)store->options.max_message_bytes ||
            bytes > (size_t)store->options.max_message_bytes + RECORD_OVERHEAD_MAX ||
            record.properties.len > RECORD_PROPERTIES_MAX || record.topic.len > RECORD_TOPIC_MAX)
            return ERR_TOO_BIG;
        uint8_t *into = buf_reserve(out, bytes + RECORD_CRC_BYTES_MOST);
        record_encode(&record, into);
        if (store->options.append_record_crc)
            bytes = record_crc_append(into, bytes, record.properties.len);
        assert(get_be32(into + RECORD_TOTAL_SIZE) == bytes);
        out->len += bytes;
        record.total_bytes = (int32_t)bytes;
        store_entry_of(store, &record, &entry);
        buf_append(&scratch->entries, &entry, sizeof entry);
    }
    return 0;
}

/* Stamps the encoded records with their places. Under the append lock. */
static void stamp(uint8_t *encoded, int count, const struct store_put_result *result,
                  int64_t *phy_offsets)
{
    int64_t queue_offset = result->queue_offset;
    int64_t phy_offset = result->phy_offset;
    uint8_t *at = encoded;
    for (int i = 0; i < count; i++) {
        int32_t bytes = (int32_t)get_be32(at + RECORD_TOTAL_SIZE);
        assert(bytes > 0);
        record_stamp(at, queue_offset + i, phy_offset, result->store_timestamp);
        record_crc_stamp(at);
        if (phy_offsets != NULL)
            phy_offsets[i] = phy_offset;
        at += bytes;
        phy_offset += bytes;
    }
    assert(phy_offset == result->end_phy_offset);
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
static void add_entries(struct store *store, struct consume_queue *queue,
                        struct store_queue_entry *entries, int count,
                        const struct store_put_result *result)
{
    int64_t phy_offset = result->phy_offset;
    for (int i = 0; i < count; i++) {
        entries[i].phy_offset = phy_offset;
        entries[i].queue_offset = result->queue_offset + i;
        phy_offset += entries[i].bytes;
        if (consume_queue_append(queue, &entries[i]))
            queues_link_dirty(store->queues, queue);
    }
    assert(phy_offset == result->end_phy_offset);
    assert(queue->is_batch || consume_queue_max(queue) == result->queue_offset + count);
}

/* An inner batch has arrived when its last message has. */
static void tell_arrivals(struct store *store, const struct consume_queue *queue,
                          const struct record *records, const struct store_queue_entry *entries,
                          int count, const struct store_put_result *result)
{
    for (int i = 0; i < count; i++) {
        int32_t more = queue->is_batch ? entries[i].count - 1 : 0;
        const struct store_arrival arrival = { .topic = records[i].topic,
                                               .queue_id = records[i].queue_id,
                                               .queue_offset = result->queue_offset + i + more,
                                               .bytes = entries[i].bytes,
                                               .tags_code = entries[i].tags_code,
                                               .store_timestamp = result->store_timestamp,
                                               .properties = records[i].properties };
        store->options.on_arrival(store->options.ctx, &arrival);
    }
}

/* Gives the encoded records their places and copies them there. Half messages and rollbacks come
 * with no queue; all others of a put take a place each. Under the append lock. */
static int append(struct store *store, struct consume_queue *queue, struct scratch *scratch,
                  int count, int64_t now_ms, struct store_put_result *result, int64_t *phy_offsets)
{
    uint8_t *into;
    const struct buf *encoded = &scratch->bytes;
    int64_t bytes = (int64_t)encoded->len;
    int err = fault_check("store.append");
    if (err == 0)
        err = commit_log_reserve(store->log, bytes, &into, &result->phy_offset);
    if (err != 0)
        return err;
    result->end_phy_offset = result->phy_offset + bytes;
    result->queue_offset = queue == NULL ? 0 : consume_queue_max(queue);
    result->store_timestamp = now_ms;
    assert(result->queue_offset >= 0);
    assert(result->phy_offset == commit_log_max(store->log));
    stamp(encoded->data, count, result, phy_offsets);
    assert((int64_t)get_be64(encoded->data + RECORD_PHY_OFFSET) == result->phy_offset);
    copy_sealed(into, buf_slice(encoded));
    assert((int64_t)get_be64(into + RECORD_PHY_OFFSET) == result->phy_offset);
    commit_log_publish(store->log, result->end_phy_offset);
    assert(commit_log_max(store->log) == result->end_phy_offset);
    if (queue != NULL)
        add_entries(store, queue, scratch_entries(scratch), count, result);
    return 0;
}

void store_pause_index(struct store *store, bool paused)
{
    if (store->indexer != NULL)
        indexer_pause(store->indexer, paused);
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
    bool was_free = pthread_mutex_trylock(&store->append_lock) == 0;
    result->asked_ticks = result->locked_ticks = stamp_now(store);
    if (was_free)
        return;
    pthread_mutex_lock(&store->append_lock);
    result->locked_ticks = stamp_now(store);
}

/* The record says itself where its messages begin, so it is encoded for an offset, and anew when
 * somebody was faster. */
static int put_inner_batch(struct store *store, struct consume_queue *queue,
                           const struct record *record, int64_t now_ms, struct scratch *scratch,
                           struct store_put_result *result)
{
    bool is_put = false;
    int err = 0;
    while (err == 0 && !is_put) {
        char text[24];
        struct record based = *record;
        struct arena arena;
        int64_t base = consume_queue_max(queue);
        snprintf(text, sizeof text, "%lld", (long long)base);
        const struct property_change change = { SLICE(PROPERTY_INNER_BASE), slice_str(text) };
        arena_init(&arena);
        based.properties = properties_edit(record->properties, &change, 1, &arena);
        buf_clear(&scratch->bytes);
        buf_clear(&scratch->entries);
        err = encode(store, &based, 1, now_ms, scratch);
        take_append_lock(store, result);
        is_put = err == 0 && consume_queue_max(queue) == base;
        if (is_put)
            err = append(store, queue, scratch, 1, now_ms, result, NULL);
        pthread_mutex_unlock(&store->append_lock);
        result->appended_ticks = stamp_now(store);
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
static int put_to_light_queues(struct store *store, struct consume_queue **queue,
                               const struct record *records, int count, int64_t now_ms,
                               struct scratch *scratch, struct store_put_result *result,
                               int64_t *phy_offsets)
{
    struct arena arena;
    struct light_targets targets = { .count = 0 };
    bool is_put = false;
    int err = 0;
    arena_init(&arena);
    struct record *made = arena_alloc(&arena, (size_t)count * sizeof *made);
    memcpy(made, records, (size_t)count * sizeof *made);
    for (int i = 0; i < count; i++)
        made[i].properties = light_queues_without_places(records[i].properties, &arena);
    const struct slice properties = made[0].properties;
    while (err == 0 && !is_put) {
        if (*queue != NULL && (*queue)->is_light)
            err = queues_get(store->queues, records[0].topic, records[0].queue_id, queue);
        if (err == 0 && *queue != NULL && count == 1)
            err = light_targets_find(store, &made[0], &arena, &targets);
        if (err != 0)
            break;
        made[0].properties = light_targets_properties(&targets, properties, &arena);
        buf_clear(&scratch->bytes);
        buf_clear(&scratch->entries);
        err = encode(store, made, count, now_ms, scratch);
        take_append_lock(store, result);
        is_put =
            err == 0 && (*queue == NULL || !(*queue)->is_retired) && light_targets_fit(&targets);
        if (is_put)
            err = append(store, *queue, scratch, count, now_ms, result, phy_offsets);
        if (is_put && err == 0)
            light_targets_add(store, &targets, scratch_entries(scratch));
        pthread_mutex_unlock(&store->append_lock);
        result->appended_ticks = stamp_now(store);
    }
    if (err == 0)
        light_targets_tell(store, &targets, scratch_entries(scratch), &records[0]);
    arena_fini(&arena);
    return err;
}

int store_put(struct store *store, const struct record *records, int count, int64_t now_ms,
              struct store_put_result *result, int64_t *phy_offsets)
{
    assert(count > 0);
    int err = store_refuses_puts(store);
    if (err != 0)
        return err;
    struct consume_queue *queue = NULL;
    if (takes_queue_offset(&records[0]))
        err = queues_get(store->queues, records[0].topic, records[0].queue_id, &queue);
    if (err != 0)
        return err;
    bool is_inner = queue != NULL && queue->is_batch && is_inner_batch(&records[0]);
    struct scratch *scratch = take_scratch(store);
    if (is_inner) {
        assert(count == 1);
        err = put_inner_batch(store, queue, &records[0], now_ms, scratch, result);
        if (phy_offsets != NULL)
            phy_offsets[0] = result->phy_offset;
    } else if (store->options.light_queues_enable && may_concern_light_queues(records, count)) {
        err = put_to_light_queues(store, &queue, records, count, now_ms, scratch, result,
                                  phy_offsets);
    } else if ((err = encode(store, records, count, now_ms, scratch)) == 0) {
        take_append_lock(store, result);
        err = append(store, queue, scratch, count, now_ms, result, phy_offsets);
        pthread_mutex_unlock(&store->append_lock);
        result->appended_ticks = stamp_now(store);
    }
    if (err == 0) {
        atomic_store(&store->last_put_ms, now_ms);
        store_flusher_note(store);
        if (store->indexer != NULL)
            indexer_wake(store->indexer);
        if (queue != NULL && store->options.on_arrival != NULL)
            tell_arrivals(store, queue, records, scratch_entries(scratch), count, result);
    }
    give_scratch_back(store, scratch);
    return err;
}

/* ---- state ----------------------------------------------------------------------------------- */

void store_delete_topic(struct store *store, struct slice topic)
{
    char graveyard[DISK_PATH_MAX];
    store_path(store, "deleted", graveyard);
    if (store->compaction != NULL)
        compaction_drop_topic(store->compaction, topic, graveyard);
    queues_delete_topic(store->queues, topic, graveyard);
    store_clean_now(store);
}

void store_each_topic(struct store *store, void (*each)(void *ctx, struct slice topic), void *ctx)
{
    queues_each_topic(store->queues, each, ctx);
}

static int64_t earliest_ms(struct store *store)
{
    struct log_reader reader;
    struct record record;
    log_reader_init(&reader, store->log);
    bool is_record =
        log_reader_record(&reader, commit_log_min(store->log), RECORD_CHECK_LENGTHS, &record) == 0;
    log_reader_fini(&reader);
    return is_record ? record.store_timestamp : -1;
}

void store_state(struct store *store, struct store_state *state)
{
    *state = (struct store_state){
        .min_phy_offset = commit_log_min(store->log),
        .max_phy_offset = commit_log_max(store->log),
        .flushed_phy_offset = atomic_load(&store->flushed),
        .indexed_phy_offset = store->indexer == NULL ? 0 : indexer_done_to(store->indexer),
        .earliest_message_ms = earliest_ms(store),
        .commit_log_disk_percent = atomic_load(&store->log_disk_percent),
        .consume_queue_disk_percent = atomic_load(&store->queue_disk_percent),
        .light_queues = store->options.light_queues_enable ? queues_light_count(store->queues) : 0,
        .damaged_records = atomic_load(&store->damaged_records),
        .recovered_records = store->recovered_records,
        .start_ms = store->start_ms,
    };
}
