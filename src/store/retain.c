/* retain.c - how old files go: by age at certain hours, by the disk's fill level at any time.
 *
 *   used > warning   puts are refused until it is less again; files go whatever their age
 *   used > forcibly  files go whatever their age
 *   used > max used  files older than fileReservedTime go, at any hour
 *   hour of deleteWhen, or asked: files older than fileReservedTime go
 *
 * Oldest first, a few per round, the last one never. Everything that is derived from what went
 * follows. Files are cut down in slices before they are unlinked (disk.c), on this thread.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/thread_rank.h"
#include "store/store_internal.h"

enum { FILES_PER_ROUND = 10, FIRST_ROUND_MS = 60000, HELD_BACK_MS = 100 };

static bool is_delete_hour(const char *hours, int64_t now_ms)
{
    time_t seconds = now_ms / 1000;
    struct tm local;
    localtime_r(&seconds, &local);
    for (const char *at = hours; *at != 0;) {
        char *end;
        long hour = strtol(at, &end, 10);
        if (end != at && hour == local.tm_hour)
            return true;
        at = end + strspn(end, "; ");
        if (at == end && *at != 0)
            return false;
    }
    return false;
}

static void retain_queue(void *ctx, struct consume_queue *queue)
{
    consume_queue_retain(queue, ctx);
}

static void note_gone(void *ctx, struct slice name)
{
    store_note_past_life(ctx, name);
}

/* Light queues are many and come by themselves: one that leads nowhere any more goes. A new one is
 * left alone: whoever waits for its first message has asked for it a moment ago. */
static void retire_light_queue(void *ctx, struct consume_queue *queue)
{
    struct store *store = ctx;
    char graveyard[DISK_PATH_MAX];
    int64_t max = consume_queue_max(queue);
    if (!consume_queue_is_light(queue) || max == 0 || consume_queue_min(queue) < max)
        return;
    store_path(store, "deleted", graveyard);
    queues_retire_light(store->queues, consume_queue_topic(queue), &store->append_lock, graveyard,
                        note_gone, store);
}

/* The parts of all queues that lead below the log's start. */
static void retain_queues(struct store *store)
{
    int64_t log_min = commit_log_min(store->log);
    queues_each(store->queues, true, retain_queue, store->log);
    if (store->options.light_queues_enable)
        queues_each(store->queues, false, retire_light_queue, store);
    if (store->indexer != NULL)
        indexer_retain(store->indexer, log_min);
    store_flusher_note(store); /* the checkpoint counts fewer files */
}

static void watch_fill_level(struct store *store, int percent)
{
    int refusal = atomic_load(&store->refusal);
    bool is_full = percent > store->options.disk_warning_percent;
    if (is_full && refusal == 0) {
        log_error("disk_too_full percent=%d warning=%d: puts are refused", percent,
                  store->options.disk_warning_percent);
        store_set_refusal(store, ERR_DISK_FULL);
    } else if (!is_full && refusal == ERR_DISK_FULL) {
        log_info("disk_has_room_again percent=%d", percent);
        store_set_refusal(store, 0);
    }
}

/* What queues hold of the first file is on the disk, and what compaction queues keep of it: they
 * keep it when it is gone. */
static bool may_go(struct store *store)
{
    int64_t end = commit_log_min(store->log) + commit_log_file_bytes(store->log);
    return end <= atomic_load(&store->durable) &&
           (store->compaction == NULL || end <= compaction_safe(store->compaction));
}

int store_disk_percent(const struct store *store)
{
    int log_percent = atomic_load(&store->log_disk_percent);
    int queue_percent = atomic_load(&store->queue_disk_percent);
    return log_percent > queue_percent ? log_percent : queue_percent;
}

/* The fuller of the two partitions, in percent, which the store's state shows from now on. */
static int measure_disks(struct store *store)
{
    atomic_store(&store->log_disk_percent, disk_used_percent(store->log_dir));
    atomic_store(&store->queue_disk_percent, disk_used_percent(store->root_dir));
    return store_disk_percent(store);
}

/* One round of retention at `now_ms`. True when a file has to stay for now. */
static bool clean(struct store *store, int64_t now_ms, bool asked)
{
    const struct store_options *options = &store->options;
    int percent = measure_disks(store);
    watch_fill_level(store, percent);
    bool forcibly =
        percent > options->disk_warning_percent ||
        (options->clean_forcibly_enable && percent > options->disk_clean_forcibly_percent);
    bool by_age = asked || percent > options->disk_max_used_percent ||
                  is_delete_hour(options->delete_when, now_ms);
    int removed = 0;
    bool is_held_back = false;
    while ((forcibly || by_age) && removed < FILES_PER_ROUND) {
        int64_t modified_ms = commit_log_first_modified_ms(store->log);
        bool is_expired = modified_ms >= 0 && modified_ms + options->file_reserved_ms < now_ms;
        if (modified_ms < 0 || (!is_expired && !forcibly))
            break;
        is_held_back = !may_go(store);
        int64_t min = commit_log_min(store->log);
        if (is_held_back || commit_log_remove_first(store->log) != 0)
            break;
        assert(commit_log_min(store->log) > min);
        if (!is_expired) /* somebody may have wanted to read it */
            log_warn("commit_log_file_not_kept age_s=%lld percent=%d: the disk is too full",
                     (long long)(now_ms - modified_ms) / 1000, percent);
        removed++;
    }
    assert(removed <= FILES_PER_ROUND);
    /* What is derived goes after the files it is derived from are gone for good. */
    if (removed > 0 && disk_sync_dirs(store->log_dir, 0) == 0)
        retain_queues(store);
    store_earliest_ms(store); /* read here, not by the loop when it is asked for */
    commit_log_free_unused(store->log);
    char graveyard[DISK_PATH_MAX];
    store_path(store, "deleted", graveyard);
    disk_remove_tree(graveyard);
    if (!is_held_back || atomic_load(&store->refusal) == ERR_IO) /* then it stays for good */
        return false;
    store_request_durable(store);
    return true;
}

/* Before the first round: files have not expired yet. A queue that lost some ends too early, and a
 * put would take a place twice. */
static void count_queues(struct store *store)
{
    if (!store->must_count_queues || queues_are_still_there(store->queues))
        return;
    atomic_store(&store->queues_were_lost, true);
    store_set_refusal(store, ERR_CORRUPT);
    store_flusher_note(store); /* the checkpoint is to say so */
}

static void *run_cleaner(void *arg)
{
    struct store *store = arg;
    /* what refuses puts is looked at again soon: they go on as soon as there is room */
    bool starts_full = atomic_load(&store->refusal) == ERR_DISK_FULL;
    int64_t wait_ms = starts_full ? store->options.clean_interval_ms : FIRST_ROUND_MS;
    thread_stand_back();
    count_queues(store);
    lock_take(&store->clean_lock);
    bool is_owed = false; /* who asked is owed a round: a file had to stay */
    while (!store->clean_is_ending) {
        int64_t due_ns = clock_monotonic_ns() + wait_ms * 1000000;
        while (!store->clean_is_ending && !store->clean_is_wanted &&
               !store->clean_queues_is_wanted &&
               lock_wait_until(&store->clean_lock, &store->clean_wake, due_ns))
            ;
        if (store->clean_is_ending)
            break;
        bool asked = store->clean_is_wanted || is_owed;
        bool queues_asked = store->clean_queues_is_wanted;
        store->clean_is_wanted = false;
        store->clean_queues_is_wanted = false;
        lock_release(&store->clean_lock);
        if (queues_asked)
            retain_queues(store);
        bool is_held_back = clean(store, clock_wall_ms(), asked);
        lock_take(&store->clean_lock);
        is_owed = asked && is_held_back;
        wait_ms = is_held_back ? HELD_BACK_MS : store->options.clean_interval_ms;
    }
    lock_release(&store->clean_lock);
    return NULL;
}

int store_cleaner_start(struct store *store)
{
    assert(!store->has_cleaner);
    watch_fill_level(store, measure_disks(store)); /* the first round is a while away */
    int err = thread_start(&store->cleaner, "cleaner", run_cleaner, store);
    store->has_cleaner = err == 0;
    return err;
}

void store_cleaner_stop(struct store *store)
{
    if (!store->has_cleaner)
        return;
    lock_take(&store->clean_lock);
    store->clean_is_ending = true;
    pthread_cond_signal(&store->clean_wake);
    lock_release(&store->clean_lock);
    pthread_join(store->cleaner, NULL);
    store->has_cleaner = false;
}

static void ask_cleaner(struct store *store, bool *wanted)
{
    lock_take(&store->clean_lock);
    *wanted = true;
    pthread_cond_signal(&store->clean_wake);
    lock_release(&store->clean_lock);
}

void store_clean_now(struct store *store)
{
    ask_cleaner(store, &store->clean_is_wanted);
}

void store_clean_queues_now(struct store *store)
{
    ask_cleaner(store, &store->clean_queues_is_wanted);
}
