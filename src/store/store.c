/* store.c - the front door: what is opened, hangs together and is closed. In: put.c; out: get.c.
 *
 *   open    the lock of the directory        one process has it
 *           checkpoint, log, queues          what an earlier process left, and knew to be safe
 *           abort mark                       from here on a death is seen by the next start
 *           recovery (recover.c)             the end of the log, its entries in the queues
 *           index, compacted topics          made from the log, behind it
 *           flusher, cleaner, compactor, scrubber
 *   close   puts are refused, the threads end, everything is flushed, and last the abort mark goes
 *
 * What fails on the way is undone, and the directory is left for another try: as long as the mark
 * is there, the next start takes nothing on trust that was not safe before.
 */
#include "store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory_limit.h"
#include "store/log_reader.h"

enum { COLD_PERCENT = 40 };

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
        .takeover_scan_bytes = 4LL << 30,
        .message_delay_level = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h",
    };
}

void store_path(const struct store *store, const char *name, char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/%s", store->root_dir, name);
}

/* ---- opening and closing --------------------------------------------------------------------- */

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

/* Before our own mark takes the place of the one that was left. */
static void note_when_it_died(struct store *store)
{
    char path[DISK_PATH_MAX];
    store_path(store, "abort", path);
    store->died_in_this_boot = disk_is_of_this_boot(path);
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
    const struct index_files_options options = {
        .dir = path,
        .slot_count = store->options.index_slot_count,
        .entry_count = store->options.index_entry_count,
        .log = store->log,
        .drop_unsafe = lost_power,
        .safe_ms = checkpoint->index_ms,
        .safe_end = checkpoint->is_ours ? checkpoint->index_end : -1,
        .may_have_gaps = !checkpoint->is_ours,
    };
    return indexer_open(&options, &store->indexer);
}

/* Looking at many thousand files takes longer than a start may. What this boot's checkpoint says of
 * their number is true unless somebody removed some by hand: that is found out behind the start. */
static bool may_count_later(const struct store *store)
{
    const struct checkpoint *checkpoint = &store->checkpoint;
    return checkpoint->is_ours && checkpoint->is_same_boot && !checkpoint->is_doubtful &&
           checkpoint->queue_files_seen > store->options.queue_files_counted_most &&
           checkpoint->queue_files != QUEUE_FILES_LOST;
}

/* Queues are to be built again. Files that are set aside, or are made before the start is through,
 * would hide that from the next one, which a process that dies in the midst leaves it to. */
static int note_missing_queues(struct store *store)
{
    char path[DISK_PATH_MAX];
    struct checkpoint *checkpoint = &store->checkpoint;
    if (!checkpoint->is_ours ||
        queues_are_all_there(store->queues, checkpoint_queue_files(checkpoint)))
        return 0;
    log_warn("consume_queue_files_missing path=%s found=%lld expected=%lld: built again",
             store->root_dir, (long long)queues_file_count(store->queues),
             (long long)checkpoint_queue_files(checkpoint));
    store_path(store, "checkpoint", path);
    checkpoint->queue_files = checkpoint->queue_files_seen = QUEUE_FILES_LOST;
    checkpoint->keeps_boot = true;
    int err = checkpoint_replace(path, checkpoint, true);
    checkpoint->keeps_boot = false;
    return err;
}

static int open_queues(struct store *store, bool was_clean)
{
    const struct store_options *options = &store->options;
    store->must_count_queues = may_count_later(store);
    int err = queues_open(
        store->root_dir, options->consume_queue_file_bytes, options->batch_queue_file_bytes,
        store->log, store_doubtful_from(store, was_clean),
        store->must_count_queues ? checkpoint_queue_files(&store->checkpoint) : -1, &store->queues);
    if (err == 0)
        err = note_missing_queues(store);
    if (err != 0)
        return err;
    queues_set_unfit_aside(store->queues, store->root_dir);
    note_batch_topics(store);
    return 0;
}

/* Queues that were opened to be looked at are opened anew, when there is something to doubt. */
static int doubt(struct store *store, bool was_clean)
{
    if (!store_doubts_what_was_left(store, was_clean))
        return 0;
    queues_close(store->queues);
    store->queues = NULL;
    return open_queues(store, was_clean);
}

/* Those of its threads too: they outlive them, and are there when one does not start. */
static void init_locks(struct store *store)
{
    lock_init(&store->sync_lock, LOCK_STORE_SYNC);
    lock_init(&store->append_lock, LOCK_APPEND);
    lock_init(&store->scratch_lock, LOCK_LEAF);
    lock_init(&store->gone_lock, LOCK_LEAF);
    lock_init(&store->flush_lock, LOCK_LEAF);
    pthread_cond_init(&store->flush_wake, NULL);
    pthread_cond_init(&store->flush_done, NULL);
    lock_init(&store->clean_lock, LOCK_LEAF);
    pthread_cond_init(&store->clean_wake, NULL);
    lock_init(&store->scrub_lock, LOCK_LEAF);
    pthread_cond_init(&store->scrub_wake, NULL);
}

static void fini_locks(struct store *store)
{
    pthread_cond_destroy(&store->scrub_wake);
    lock_fini(&store->scrub_lock);
    pthread_cond_destroy(&store->clean_wake);
    lock_fini(&store->clean_lock);
    pthread_cond_destroy(&store->flush_done);
    pthread_cond_destroy(&store->flush_wake);
    lock_fini(&store->flush_lock);
    lock_fini(&store->gone_lock);
    lock_fini(&store->scratch_lock);
    lock_fini(&store->append_lock);
    lock_fini(&store->sync_lock);
}

static int open_parts(struct store *store)
{
    const struct store_options *options = &store->options;
    char path[DISK_PATH_MAX];
    bool was_clean = !exists(store, "abort");
    note_when_it_died(store);
    store_path(store, "checkpoint", path);
    int err = checkpoint_read(path, &store->checkpoint);
    if (err != 0)
        return err;
    err = commit_log_open(store->log_dir, options->commit_log_file_bytes, options->sync_flush,
                          store->memory_bytes, &store->log);
    if (err == 0)
        err = read_ahead_new(store->log, store->memory_bytes, &store->read_ahead);
    if (err == 0)
        err = open_queues(store, was_clean);
    if (err == 0)
        err = doubt(store, was_clean);
    bool lost_power =
        !was_clean && (!store->checkpoint.is_same_boot || store->checkpoint.is_doubtful);
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
    err = checkpoint_replace(path, &store->checkpoint, is_less);
    return err != 0 || store->indexer == NULL ? err : indexer_start(store->indexer);
}

static void free_parts(struct store *store)
{
    assert(!store->has_flusher && !store->has_cleaner && !store->has_scrubber);
    buf_fini(&store->left_out);
    buf_fini(&store->unsynced);
    if (store->compaction != NULL)
        compaction_close(store->compaction);
    if (store->indexer != NULL)
        indexer_close(store->indexer);
    if (store->queues != NULL)
        queues_close(store->queues);
    read_ahead_free(store->read_ahead);
    if (store->log != NULL)
        commit_log_close(store->log);
    disk_close(store->lock_fd);
    store_free_scratches(store);
    map_fini(&store->gone);
    fini_locks(store);
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
    atomic_store(&store->earliest_of, -1);
    snprintf(store->root_dir, sizeof store->root_dir, "%s", options->root_dir);
    if (options->commit_log_dir != NULL)
        snprintf(store->log_dir, sizeof store->log_dir, "%s", options->commit_log_dir);
    else
        snprintf(store->log_dir, sizeof store->log_dir, "%.4000s/commitlog", options->root_dir);
    init_locks(store);
    map_init(&store->gone);
    store->memory_bytes = memory_limit_bytes();
    store->cold_bytes = store->memory_bytes / 100 * COLD_PERCENT;
    assert(store->options.consume_queue_file_bytes >= CQ_ENTRY_BYTES);
    assert(store->options.batch_queue_file_bytes >= BCQ_ENTRY_BYTES);
    return store;
}

int store_open(const struct store_options *options, struct store **opened)
{
    int64_t started_ns = clock_monotonic_ns();
    struct store *store = store_new(options);
    if (store == NULL)
        return ERR_NO_MEMORY;
    int err = delay_levels_parse(slice_str(options->message_delay_level), &store->delay_levels);
    if (err != 0)
        log_error("message_delay_level_refused value=\"%s\"", options->message_delay_level);
    if (err == 0)
        err = disk_make_dirs(store->root_dir);
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
        store_cleaner_stop(store);
        store_flusher_stop(store);
        free_parts(store);
        return err;
    }
    store_put_left_out(store);
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

const struct delay_levels *store_delay_levels(const struct store *store)
{
    return &store->delay_levels;
}

void store_pause_index(struct store *store, bool paused)
{
    if (store->indexer != NULL)
        indexer_pause(store->indexer, paused);
}

void store_set_read_ahead(struct store *store, bool on)
{
    read_ahead_switch(store->read_ahead, on);
}

/* ---- state ----------------------------------------------------------------------------------- */

void store_delete_topic(struct store *store, struct slice topic)
{
    char graveyard[DISK_PATH_MAX];
    store_path(store, "deleted", graveyard);
    if (store->compaction != NULL)
        compaction_drop_topic(store->compaction, topic, graveyard);
    queues_delete_topic(store->queues, topic, graveyard);
    store_flusher_note(store); /* the checkpoint counts fewer files */
    store_clean_now(store);
}

void store_each_topic(struct store *store, void (*each)(void *ctx, struct slice topic), void *ctx)
{
    queues_each_topic(store->queues, each, ctx);
}

int64_t store_min_phy_offset(const struct store *store)
{
    return commit_log_min(store->log);
}

int64_t store_max_phy_offset(const struct store *store)
{
    return commit_log_max(store->log);
}

int64_t store_earliest_ms(struct store *store)
{
    struct log_reader reader;
    struct record record;
    int64_t min = commit_log_min(store->log);
    if (atomic_load(&store->earliest_of) == min)
        return atomic_load(&store->earliest_ms);
    log_reader_init(&reader, store->log);
    bool is_record = log_reader_record(&reader, min, RECORD_CHECK_LENGTHS, &record) == 0;
    log_reader_fini(&reader);
    if (!is_record)
        return -1;
    atomic_store(&store->earliest_ms, record.store_timestamp);
    atomic_store(&store->earliest_of, min);
    return record.store_timestamp;
}

void store_state(struct store *store, struct store_state *state)
{
    *state = (struct store_state){
        .min_phy_offset = commit_log_min(store->log),
        .max_phy_offset = commit_log_max(store->log),
        .flushed_phy_offset = atomic_load(&store->flushed),
        .indexed_phy_offset = store->indexer == NULL ? 0 : indexer_done_to(store->indexer),
        .earliest_message_ms = store_earliest_ms(store),
        .newest_message_ms = atomic_load(&store->last_put_ms),
        .commit_log_disk_percent = atomic_load(&store->log_disk_percent),
        .consume_queue_disk_percent = atomic_load(&store->queue_disk_percent),
        .light_queues = store->options.light_queues_enable ? queues_light_count(store->queues) : 0,
        .damaged_records = atomic_load(&store->damaged_records),
        .recovered_records = store->recovered_records,
        .start_ms = store->start_ms,
    };
}
