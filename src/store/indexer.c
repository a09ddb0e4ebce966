/* indexer.c - index files are derived from the log, behind it, by a thread of their own.
 *
 *   log     |.......................................#####|
 *                                                   ^ done_to: everything below is indexed
 *   files   [ full, synced ] [ full, synced ] [ newest: being filled ]
 *
 * The thread walks the log from where the newest file ends. It sleeps while there is nothing, and
 * gathers for a moment after it was woken, so that a stream of sends does not wake it for each
 * message. A query that comes meanwhile calls it at once and waits until what was put before it is
 * in, so that a message can be found by its keys as soon as its send was answered.
 *
 * Where to go on after a start is in the files: at the record the newest one names last, which is
 * looked at again without entering a key twice (index_file.c). Files that are damaged, were not
 * synced when the machine lost power, or follow on a gap that the reference left, are removed and
 * made again from the log. A full disk stops the indexer, not the store: it tries again until there
 * is room.
 */
#include "store/indexer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "base/thread_rank.h"
#include "store/index_file.h"
#include "store/index_gap.h"
#include "store/index_keys.h"
#include "store/log_reader.h"

enum { GATHER_MS = 100, RETRY_MS = 1000 };
enum { REST_MS = 1000 }; /* without work, then the pages of the index files are let go */

struct indexer {
    char dir[DISK_PATH_MAX - 32];
    struct indexer_options options;
    struct lock files_lock;    /* guards the files and what is in them */
    struct index_file **files; /* oldest first */
    int file_count;
    int file_cap;
    bool is_doubtful;          /* a file could not be synced; the thread's */
    struct index_file *filled; /* full, not synced yet; changed by the thread, under the lock */
    struct lock wake_lock;     /* guards is_wanted, is_paused, is_hurried, is_ending */
    pthread_cond_t wake;
    pthread_cond_t caught_up; /* a round of filling is over */
    bool is_wanted;
    bool is_paused;  /* only who is hurried or ends goes on */
    bool is_hurried; /* a query waits */
    bool is_ending;
    atomic_bool is_woken; /* the thread will look at the log again anyway */
    bool has_thread;
    pthread_t thread;
    _Atomic int64_t done_to;
    _Atomic int64_t safe_ms;
    _Atomic int64_t safe_end;
};

/* ---- files ----------------------------------------------------------------------------------- */

static struct index_file *newest(const struct indexer *indexer)
{
    return indexer->file_count == 0 ? NULL : indexer->files[indexer->file_count - 1];
}

static void index_path(const struct indexer *indexer, int64_t name, char path[DISK_PATH_MAX])
{
    snprintf(path, DISK_PATH_MAX, "%s/%017lld", indexer->dir, (long long)name);
}

/* Under the lock, but at opening. */
static void add_file(struct indexer *indexer, struct index_file *file)
{
    MEMORY_GROW(indexer->files, indexer->file_count, indexer->file_cap, 8);
    indexer->files[indexer->file_count++] = file;
}

/* Why a file is not believed, in a word; NULL: it is. */
static const char *doubt_of(const struct indexer *indexer, const struct index_file *file)
{
    const struct indexer_options *options = &indexer->options;
    int64_t end = index_file_end_phy_offset(file);
    /* A file that was just begun names the end of the one before as its own. */
    const struct index_file *before = newest(indexer);
    int64_t begun_at =
        before == NULL ? commit_log_min(options->log) - 1 : index_file_end_phy_offset(before);
    bool is_behind = options->safe_end >= 0 ? end > options->safe_end
                                            : index_file_end_ms(file) > options->safe_ms;
    if (options->drop_unsafe && (is_behind || end <= begun_at))
        return "unsafe";
    if (end > 0 && end >= commit_log_max(options->log))
        return "beyond_log";
    if (options->may_have_gaps && index_gap_between(options->log, before == NULL ? -1 : begun_at,
                                                    index_file_begin_phy_offset(file)))
        return "gap_before_it";
    return NULL;
}

/* *is_fit false: it is made again from the log. */
static int open_file(struct indexer *indexer, const char *path, bool *is_fit)
{
    struct index_file *file;
    int err = index_file_open(path, indexer->options.slot_count, indexer->options.entry_count,
                              false, &file);
    *is_fit = err == 0;
    if (err != 0)
        return err == ERR_CORRUPT ? 0 : err;
    const char *doubt = doubt_of(indexer, file);
    *is_fit = doubt == NULL;
    if (doubt == NULL) {
        add_file(indexer, file);
    } else {
        log_info("index_file_dropped path=%s reason=%s", path, doubt);
        index_file_close(file);
    }
    return 0;
}

/* From the first that is not fit on, so that the thread makes all of it again, in the order of the
 * log. The newest goes first: an end in the middle of this leaves no gap. */
static int remove_files(struct indexer *indexer, const int64_t *names, int first, int count)
{
    int err = 0;
    for (int i = count - 1; i >= first && err == 0; i--) {
        char path[DISK_PATH_MAX];
        index_path(indexer, names[i], path);
        if (i > first)
            log_info("index_file_dropped path=%s reason=follows_on_one_that_went", path);
        err = disk_remove(path);
    }
    /* Or a loss of power behind a clean stop brings back what was not fit, and the next start
     * believes it. */
    return err == 0 && first < count ? disk_sync_dirs(indexer->dir, 0) : err;
}

static int open_files(struct indexer *indexer)
{
    int64_t *names = NULL;
    int count = 0;
    int fit = 0;
    bool is_fit = true;
    int err = disk_list_numbers(indexer->dir, &names, &count);
    while (err == 0 && is_fit && fit < count) {
        char path[DISK_PATH_MAX];
        index_path(indexer, names[fit], path);
        err = open_file(indexer, path, &is_fit);
        fit += is_fit;
    }
    if (err == 0)
        err = remove_files(indexer, names, fit, count);
    free(names);
    return err;
}

int indexer_open(const struct indexer_options *options, struct indexer **opened)
{
    assert(options->log != NULL);
    assert(options->slot_count > 0);
    struct indexer *indexer = calloc(1, sizeof *indexer);
    if (indexer == NULL)
        return ERR_NO_MEMORY;
    indexer->options = *options;
    snprintf(indexer->dir, sizeof indexer->dir, "%s", options->dir);
    lock_init(&indexer->files_lock, LOCK_INDEX_FILES);
    lock_init(&indexer->wake_lock, LOCK_LEAF);
    pthread_cond_init(&indexer->wake, NULL);
    pthread_cond_init(&indexer->caught_up, NULL);
    atomic_store(&indexer->safe_ms, options->safe_ms);
    atomic_store(&indexer->safe_end, options->safe_end < 0 ? 0 : options->safe_end);
    int err = disk_make_dirs(indexer->dir);
    if (err == 0)
        err = open_files(indexer);
    int64_t done_to = newest(indexer) == NULL ? 0 : index_file_end_phy_offset(newest(indexer));
    int64_t min = commit_log_min(options->log);
    atomic_store(&indexer->done_to, done_to < min ? min : done_to);
    /* What was dropped is written anew, and is not safe before it is synced again. */
    if (done_to < atomic_load(&indexer->safe_end)) {
        atomic_store(&indexer->safe_end, done_to);
        atomic_store(&indexer->safe_ms,
                     newest(indexer) == NULL ? 0 : index_file_end_ms(newest(indexer)));
    }
    if (err != 0) {
        indexer_close(indexer);
        return err;
    }
    *opened = indexer;
    return 0;
}

/* Files are named for the local time they are made at; a name that is taken gets the next
 * millisecond. */
static int make_file(struct indexer *indexer)
{
    struct index_file *file;
    char path[DISK_PATH_MAX];
    int64_t now_ms = clock_wall_ms();
    do {
        time_t seconds = now_ms / 1000;
        struct tm local;
        char stamp[16];
        localtime_r(&seconds, &local);
        strftime(stamp, sizeof stamp, "%Y%m%d%H%M%S", &local);
        snprintf(path, sizeof path, "%s/%s%03u", indexer->dir, stamp, (unsigned)(now_ms++ % 1000));
    } while (disk_exists(path));
    int err = index_file_open(path, indexer->options.slot_count, indexer->options.entry_count, true,
                              &file);
    if (err != 0)
        return err;
    const struct index_file *before = newest(indexer);
    if (before != NULL)
        err =
            index_file_set_end(file, index_file_end_phy_offset(before), index_file_end_ms(before));
    add_file(indexer, file);
    return err;
}

/* ---- filling --------------------------------------------------------------------------------- */

static int file_for_next(struct indexer *indexer, struct index_file **file)
{
    *file = newest(indexer);
    if (*file != NULL && !index_file_is_full(*file))
        return 0;
    indexer->filled = *file;
    int err = make_file(indexer);
    *file = newest(indexer);
    assert(err != 0 || !index_file_is_full(*file));
    return err;
}

static int add_key(struct indexer *indexer, const struct record *record, struct slice key)
{
    struct index_file *file;
    int err = file_for_next(indexer, &file);
    if (err == 0)
        err = index_file_add(file, index_key_hash(record->topic, key), record->phy_offset,
                             record->store_timestamp);
    /* With each key: those of one record may lie in two files, and a file expires by its end. */
    return err != 0 ? err : index_file_set_end(file, record->phy_offset, record->store_timestamp);
}

/* Under the lock. */
static int add_record(struct indexer *indexer, const struct record *record)
{
    assert(lock_is_held(&indexer->files_lock));
    struct index_keys keys = index_keys_of(record);
    struct slice key;
    int err = 0;
    while (err == 0 && index_keys_next(&keys, &key))
        err = add_key(indexer, record, key);
    return err;
}

/* After one sync that failed no file counts as safe any more, this one and those behind it: a loss
 * of power has them made again. */
static void note_synced(struct indexer *indexer, struct index_file *file)
{
    if (index_file_sync(file) != 0)
        indexer->is_doubtful = true;
    if (indexer->is_doubtful)
        return;
    atomic_store(&indexer->safe_ms, index_file_end_ms(file));
    atomic_store(&indexer->safe_end, index_file_end_phy_offset(file));
}

/* Outside the lock, so that queries go on; the cleaner removes no file that was just filled. */
static void sync_filled(struct indexer *indexer)
{
    if (indexer->filled == NULL)
        return;
    note_synced(indexer, indexer->filled);
    lock_take(&indexer->files_lock);
    indexer->filled = NULL;
    lock_release(&indexer->files_lock);
}

/* Where no record stands at `at`: where the next does, or the next file begins. */
static int64_t pass_over(struct log_reader *reader, int64_t at, bool is_end_mark)
{
    int64_t file_bytes = commit_log_file_bytes(reader->log);
    int64_t file_end = (at / file_bytes + 1) * file_bytes;
    int64_t log_end = commit_log_max(reader->log);
    int64_t upto = file_end < log_end ? file_end : log_end;
    if (is_end_mark)
        return upto;
    log_error("index_met_no_record phy_offset=%lld", (long long)at);
    int64_t next = log_reader_find_record(reader, at + 1, file_bytes);
    return next < 0 || next > upto ? upto : next;
}

/* Indexes the record at *at and moves on behind it. */
static int fill_one(struct indexer *indexer, struct log_reader *reader, int64_t *at)
{
    struct record record;
    int err = log_reader_record(reader, *at, RECORD_CHECK_LENGTHS, &record);
    if (err == ERR_IO)
        return err;
    if (err != 0) { /* the end mark; or damage, which the log reports when it is read */
        *at = pass_over(reader, *at, err == ERR_NOT_FOUND);
        return 0;
    }
    lock_take(&indexer->files_lock);
    err = add_record(indexer, &record);
    lock_release(&indexer->files_lock);
    sync_filled(indexer);
    if (err == 0)
        *at += record.total_bytes;
    return err;
}

static int fill(struct indexer *indexer)
{
    struct commit_log *log = indexer->options.log;
    struct log_reader reader;
    int64_t at = atomic_load(&indexer->done_to);
    int err = 0;
    log_reader_init(&reader, log);
    while (err == 0 && at < commit_log_max(log)) {
        if (at < commit_log_min(log)) /* expired before it was indexed */
            at = commit_log_min(log);
        err = fill_one(indexer, &reader, &at);
        assert(at >= atomic_load(&indexer->done_to));
        atomic_store(&indexer->done_to, at);
    }
    log_reader_fini(&reader);
    return err;
}

static int64_t after_ms(int64_t ms)
{
    return clock_monotonic_ns() + ms * 1000000;
}

/* Waits for the end or a query, at most so long. Under the lock. */
static void pause_unless_hurried(struct indexer *indexer, int64_t ms)
{
    int64_t due_ns = after_ms(ms);
    assert(lock_is_held(&indexer->wake_lock));
    while (!indexer->is_ending && !indexer->is_hurried &&
           lock_wait_until(&indexer->wake_lock, &indexer->wake, due_ns))
        ;
}

/* Lets the pages of the index files go from this process. Under wake_lock, which it leaves
 * meanwhile. */
static bool rest(struct indexer *indexer)
{
    assert(lock_is_held(&indexer->wake_lock));
    lock_release(&indexer->wake_lock);
    lock_take(&indexer->files_lock);
    for (int i = 0; i < indexer->file_count; i++)
        index_file_rest(indexer->files[i]);
    lock_release(&indexer->files_lock);
    lock_take(&indexer->wake_lock);
    return true;
}

/* Waits until there is something; true when the indexer is ending. */
static bool wait_for_work(struct indexer *indexer)
{
    bool has_rested = false;
    lock_take(&indexer->wake_lock);
    while ((!indexer->is_wanted || indexer->is_paused) && !indexer->is_hurried &&
           !indexer->is_ending) {
        if (has_rested)
            lock_wait(&indexer->wake_lock, &indexer->wake);
        else if (!lock_wait_until(&indexer->wake_lock, &indexer->wake, after_ms(REST_MS)))
            has_rested = rest(indexer);
    }
    pause_unless_hurried(indexer, GATHER_MS);
    indexer->is_wanted = false;
    indexer->is_hurried = false;
    bool is_ending = indexer->is_ending;
    lock_release(&indexer->wake_lock);
    atomic_store(&indexer->is_woken, false); /* what is appended from here on wakes again */
    return is_ending;
}

/* A query sees what was put before it: it waits until the files have it, but not for ever. */
static void catch_up(struct indexer *indexer)
{
    enum { PATIENCE_MS = 1000 };
    int64_t upto = commit_log_max(indexer->options.log);
    int64_t due_ns = after_ms(PATIENCE_MS);
    lock_take(&indexer->wake_lock);
    bool has_time = true;
    while (indexer_done_to(indexer) < upto && !indexer->is_ending && has_time) {
        indexer->is_hurried = true;
        pthread_cond_signal(&indexer->wake);
        has_time = lock_wait_until(&indexer->wake_lock, &indexer->caught_up, due_ns);
    }
    lock_release(&indexer->wake_lock);
}

/* Files that a process filled which died before it had synced them. */
static void sync_left_over(struct indexer *indexer)
{
    lock_take(&indexer->files_lock);
    int64_t safe_end = atomic_load(&indexer->safe_end);
    for (int i = 0; i + 1 < indexer->file_count; i++)
        if (index_file_end_phy_offset(indexer->files[i]) > safe_end)
            note_synced(indexer, indexer->files[i]);
    lock_release(&indexer->files_lock);
}

static void *run_indexer(void *arg)
{
    struct indexer *indexer = arg;
    thread_stand_back();
    sync_left_over(indexer);
    for (bool is_ending = false; !is_ending;) {
        is_ending = wait_for_work(indexer);
        int err = fill(indexer);
        lock_take(&indexer->wake_lock);
        pthread_cond_broadcast(&indexer->caught_up);
        if (err != 0 && !is_ending) {
            log_error("index_stopped_for_now error=%s phy_offset=%lld", err_name(err),
                      (long long)indexer_done_to(indexer));
            pause_unless_hurried(indexer, RETRY_MS);
            indexer->is_wanted = true;
        }
        lock_release(&indexer->wake_lock);
    }
    return NULL;
}

int indexer_start(struct indexer *indexer)
{
    assert(!indexer->has_thread);
    indexer->is_wanted = indexer_done_to(indexer) < commit_log_max(indexer->options.log);
    int err = thread_start(&indexer->thread, "indexer", run_indexer, indexer);
    indexer->has_thread = err == 0;
    return err;
}

void indexer_stop(struct indexer *indexer)
{
    if (indexer->has_thread) {
        lock_take(&indexer->wake_lock);
        indexer->is_ending = true;
        pthread_cond_signal(&indexer->wake);
        lock_release(&indexer->wake_lock);
        pthread_join(indexer->thread, NULL);
        indexer->has_thread = false;
    }
    struct index_file *last = newest(indexer);
    if (last != NULL)
        note_synced(indexer, last);
}

void indexer_close(struct indexer *indexer)
{
    indexer_stop(indexer);
    for (int i = 0; i < indexer->file_count; i++)
        index_file_close(indexer->files[i]);
    free(indexer->files);
    pthread_cond_destroy(&indexer->caught_up);
    pthread_cond_destroy(&indexer->wake);
    lock_fini(&indexer->wake_lock);
    lock_fini(&indexer->files_lock);
    free(indexer);
}

void indexer_pause(struct indexer *indexer, bool paused)
{
    lock_take(&indexer->wake_lock);
    indexer->is_paused = paused;
    pthread_cond_signal(&indexer->wake);
    lock_release(&indexer->wake_lock);
}

void indexer_wake(struct indexer *indexer)
{
    if (atomic_exchange(&indexer->is_woken, true))
        return;
    lock_take(&indexer->wake_lock);
    indexer->is_wanted = true;
    pthread_cond_signal(&indexer->wake);
    lock_release(&indexer->wake_lock);
}

int64_t indexer_done_to(const struct indexer *indexer)
{
    return atomic_load(&indexer->done_to);
}

int64_t indexer_safe_ms(const struct indexer *indexer)
{
    return atomic_load(&indexer->safe_ms);
}

int64_t indexer_safe_end(const struct indexer *indexer)
{
    return atomic_load(&indexer->safe_end);
}

/* ---- asking ---------------------------------------------------------------------------------- */

int indexer_query(struct indexer *indexer, int32_t hash, int64_t begin_ms, int64_t end_ms, int most,
                  int64_t *phy_offsets, int64_t *last_ms, int64_t *last_phy_offset)
{
    assert(hash >= 0);
    assert(most > 0);
    int found = 0;
    *last_ms = 0;
    *last_phy_offset = 0;
    catch_up(indexer);
    lock_take(&indexer->files_lock);
    for (int i = indexer->file_count - 1; i >= 0 && found < most; i--) {
        const struct index_file *file = indexer->files[i];
        if (i == indexer->file_count - 1) {
            *last_ms = index_file_end_ms(file);
            *last_phy_offset = index_file_end_phy_offset(file);
        }
        if (index_file_end_ms(file) + 999 < begin_ms)
            break;
        if (index_file_begin_ms(file) > end_ms)
            continue;
        int more =
            index_file_query(file, hash, begin_ms, end_ms, most - found, phy_offsets + found);
        found += more > 0 ? more : 0; /* what cannot be read is not found, and was logged */
        assert(found <= most);
    }
    lock_release(&indexer->files_lock);
    return found;
}

void indexer_retain(struct indexer *indexer, int64_t log_min)
{
    assert(log_min >= 0);
    for (;;) {
        struct index_file *expired = NULL;
        lock_take(&indexer->files_lock);
        if (indexer->file_count > 1 && indexer->files[0] != indexer->filled &&
            index_file_end_phy_offset(indexer->files[0]) < log_min) {
            expired = indexer->files[0];
            indexer->file_count--;
            memmove(indexer->files, indexer->files + 1,
                    (size_t)indexer->file_count * sizeof(struct index_file *));
        }
        lock_release(&indexer->files_lock);
        if (expired == NULL)
            return;
        char path[DISK_PATH_MAX];
        snprintf(path, sizeof path, "%s", expired->path);
        index_file_close(expired);
        disk_remove_in_slices(path);
        log_info("index_file_expired path=%s", path);
    }
}
