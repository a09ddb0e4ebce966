/* indexer.c - index files are derived from the log, behind it, by a thread of their own.
 *
 *   log     |.......................................#####|
 *                                                   ^ done_to: everything below is in the files
 *
 * The thread walks the log from where the newest file ends: by the keys that were kept when the
 * records were put (index_feed.h), or, where it has none, by what it reads. It sleeps while there
 * is nothing, and gathers for a moment after it was woken, so that a stream of sends does not wake
 * it for each message. A query that comes meanwhile calls it at once and waits until what was put
 * before it is in, so that a message can be found by its keys as soon as its send was answered.
 *
 * A full disk stops the indexer, not the store: it tries again until there is room.
 */
#include "store/indexer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/thread_rank.h"
#include "store/index_feed.h"
#include "store/index_keys.h"
#include "store/log_reader.h"

enum { GATHER_MS = 100, RETRY_MS = 1000 };
enum { PIECE_RECORDS = 256 }; /* a fifth of a millisecond, where they are read */
enum { KEYS_AT_ONCE = 64 };
enum { REST_MS = 1000 }; /* without work, then the pages of the index files are let go */

struct indexer {
    struct commit_log *log;
    struct index_files *files;
    struct index_feed *feed;
    struct lock wake_lock; /* guards is_wanted, is_paused, is_hurried, is_pressed, is_ending */
    pthread_cond_t wake;
    pthread_cond_t caught_up; /* a round of filling is over */
    bool is_wanted;
    bool is_paused;  /* only who is hurried or ends goes on */
    bool is_hurried; /* a query waits */
    bool is_pressed; /* the feed fills */
    bool is_ending;
    atomic_bool is_woken; /* the thread will look at the log again anyway */
    bool has_thread;
    pthread_t thread;
    _Atomic int64_t done_to;
};

/* ---- filling (the thread) -------------------------------------------------------------------- */

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

static int add_keys(struct indexer *indexer, const struct record *record)
{
    struct index_key keys[KEYS_AT_ONCE];
    struct index_keys words = index_keys_of(record);
    struct slice word;
    int count = 0, added = 0, err = 0;
    while (err == 0 && index_keys_next(&words, &word)) {
        keys[count++] = (struct index_key){ .phy_offset = record->phy_offset,
                                            .store_ms = record->store_timestamp,
                                            .hash = index_key_hash(record->topic, word) };
        if (count < KEYS_AT_ONCE)
            continue;
        err = index_files_add(indexer->files, keys, count, &added);
        count = 0;
    }
    return err != 0 ? err : index_files_add(indexer->files, keys, count, &added);
}

/* Indexes the record at *at, read from the log, and moves on behind it. */
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
    err = add_keys(indexer, &record);
    if (err == 0)
        *at += record.total_bytes;
    return err;
}

/* Indexes what the feed has from *at on; it may have nothing. */
static int fill_fed(struct indexer *indexer, int64_t *at, int *records)
{
    struct index_key keys[KEYS_AT_ONCE];
    int64_t upto = *at;
    int added;
    int count = index_feed_take(indexer->feed, &upto, records, keys, KEYS_AT_ONCE);
    int err = index_files_add(indexer->files, keys, count, &added);
    *at = err == 0 ? upto : keys[added].phy_offset; /* the others are read from the log */
    return err;
}

static int fill(struct indexer *indexer)
{
    struct commit_log *log = indexer->log;
    struct log_reader reader;
    int64_t at = atomic_load(&indexer->done_to);
    int err = 0;
    log_reader_init(&reader, log);
    for (int records = 0; err == 0 && at < commit_log_max(log);) {
        if (at < commit_log_min(log)) /* expired before it was indexed */
            at = commit_log_min(log);
        int64_t before = at;
        err = fill_fed(indexer, &at, &records);
        if (err == 0 && at == before) {
            err = fill_one(indexer, &reader, &at);
            records++;
        }
        assert(at >= atomic_load(&indexer->done_to));
        atomic_store(&indexer->done_to, at);
        if (records >= PIECE_RECORDS) {
            thread_give_way();
            records = 0;
        }
    }
    log_reader_fini(&reader);
    return err;
}

static int64_t after_ms(int64_t ms)
{
    return clock_monotonic_ns() + ms * 1000000;
}

/* Waits for the end, a query or a feed that fills, at most so long. Under the lock. */
static void pause_unless_hurried(struct indexer *indexer, int64_t ms)
{
    int64_t due_ns = after_ms(ms);
    assert(lock_is_held(&indexer->wake_lock));
    while (!indexer->is_ending && !indexer->is_hurried && !indexer->is_pressed &&
           lock_wait_until(&indexer->wake_lock, &indexer->wake, due_ns))
        ;
}

/* Lets the pages of the index files go from this process. Under wake_lock, which it leaves
 * meanwhile. */
static bool rest(struct indexer *indexer)
{
    assert(lock_is_held(&indexer->wake_lock));
    lock_release(&indexer->wake_lock);
    index_files_rest(indexer->files);
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
    indexer->is_pressed = false;
    bool is_ending = indexer->is_ending;
    lock_release(&indexer->wake_lock);
    atomic_store(&indexer->is_woken, false); /* what is appended from here on wakes again */
    return is_ending;
}

static void *run_indexer(void *arg)
{
    struct indexer *indexer = arg;
    thread_stand_back();
    thread_take_short_turns();
    index_files_sync_left_over(indexer->files);
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

/* ---- opened, started, stopped, closed -------------------------------------------------------- */

int indexer_open(const struct index_files_options *options, struct indexer **opened)
{
    struct indexer *indexer = calloc(1, sizeof *indexer);
    if (indexer == NULL)
        return ERR_NO_MEMORY;
    int64_t begin;
    int err = index_files_open(options, &indexer->files, &begin);
    if (err != 0) {
        free(indexer);
        return err;
    }
    indexer->log = options->log;
    indexer->feed = index_feed_new();
    lock_init(&indexer->wake_lock, LOCK_LEAF);
    pthread_cond_init(&indexer->wake, NULL);
    pthread_cond_init(&indexer->caught_up, NULL);
    atomic_store(&indexer->done_to, begin);
    *opened = indexer;
    return 0;
}

int indexer_start(struct indexer *indexer)
{
    assert(!indexer->has_thread);
    indexer->is_wanted = indexer_done_to(indexer) < commit_log_max(indexer->log);
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
    index_files_sync_newest(indexer->files);
}

void indexer_close(struct indexer *indexer)
{
    indexer_stop(indexer);
    index_files_close(indexer->files);
    index_feed_free(indexer->feed);
    pthread_cond_destroy(&indexer->caught_up);
    pthread_cond_destroy(&indexer->wake);
    lock_fini(&indexer->wake_lock);
    free(indexer);
}

/* ---- asked by others ------------------------------------------------------------------------- */

void indexer_pause(struct indexer *indexer, bool paused)
{
    lock_take(&indexer->wake_lock);
    indexer->is_paused = paused;
    pthread_cond_signal(&indexer->wake);
    lock_release(&indexer->wake_lock);
}

bool indexer_feed(struct indexer *indexer, int64_t phy_offset, const struct index_key *keys,
                  int count)
{
    return index_feed_add(indexer->feed, phy_offset, keys, count);
}

void indexer_press(struct indexer *indexer)
{
    lock_take(&indexer->wake_lock);
    indexer->is_pressed = true;
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
    return index_files_safe_ms(indexer->files);
}

int64_t indexer_safe_end(const struct indexer *indexer)
{
    return index_files_safe_end(indexer->files);
}

/* A query sees what was put before it: it waits until the files have it, but not for ever. */
static void catch_up(struct indexer *indexer)
{
    enum { PATIENCE_MS = 1000 };
    int64_t upto = commit_log_max(indexer->log);
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

int indexer_query(struct indexer *indexer, int32_t hash, int64_t begin_ms, int64_t end_ms, int most,
                  int64_t *phy_offsets, int64_t *last_ms, int64_t *last_phy_offset)
{
    catch_up(indexer);
    return index_files_query(indexer->files, hash, begin_ms, end_ms, most, phy_offsets, last_ms,
                             last_phy_offset);
}

void indexer_retain(struct indexer *indexer, int64_t log_min)
{
    index_files_retain(indexer->files, log_min);
}
