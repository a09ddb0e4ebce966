/* flush.c - brings what was put to the disk, and says so.
 *
 *   round: log synced -> flushed_to moves, on_flushed
 *          queue entries written to their files (page cache)     -> checkpoint `dispatched`
 *          now and then (DURABLE_MS): queue files synced         -> checkpoint `durable`
 *
 * While messages come, a round without haste stops at the last whole page, or run of pages: that
 * under the head would be written twice, and its next store would fault. It follows when nothing
 * new has come.
 *
 * A round takes everything that was put before it began; who asks meanwhile rides on the next:
 * group commit. The thread sleeps while nothing is dirty. Who can wait syncs the log for himself
 * (store_flush_here): one sync is under way at a time, by whichever thread. A sync that failed is
 * never tried again: the kernel may have dropped the pages and would report success. flushed_to
 * stays where it is and puts are refused.
 *
 * Order matters for the checkpoint only: a position is written into it after what it promises is
 * true, and what a failed sync takes back stays taken back, whichever thread it met.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/thread_rank.h"
#include "store/store_internal.h"

/* Between two syncs of the queue files: DURABLE_REST times as long as the last one took, which is
 * seconds when there are many. */
enum { DURABLE_MS = 10000, DURABLE_MS_MOST = 60000, DURABLE_REST = 4 };
/* Times the processor time of a round for the queues, which may be many, and of each piece of their
 * sync. */
enum { QUEUES_REST = 5 };

struct flush_round {
    struct store *store;
    struct buf scratch;
    int64_t next_queue_ns;
    int64_t next_durable_ns;
};

static bool has_failed(const struct store *store)
{
    return atomic_load(&store->refusal) == ERR_IO;
}

/* Under sync_lock. */
static void note_expired_files(struct store *store)
{
    int64_t count = queues_file_count(store->queues);
    struct checkpoint *checkpoint = &store->checkpoint;
    if (checkpoint->queue_files > count)
        checkpoint->queue_files = count;
    if (checkpoint->queue_files_seen > count)
        checkpoint->queue_files_seen = count;
}

/* Every record below `upto` has its entry in a file, and these files are there. Under sync_lock. */
static void note_dispatched(struct store *store, int64_t upto)
{
    assert(lock_is_held(&store->sync_lock));
    assert(upto >= store->checkpoint.dispatched || has_failed(store));
    store->checkpoint.dispatched = upto;
    store->checkpoint.queue_files_seen = queues_file_count(store->queues);
}

/* Under sync_lock. */
static void write_checkpoint(struct store *store, bool sync)
{
    assert(lock_is_held(&store->sync_lock));
    char path[DISK_PATH_MAX];
    store_path(store, "checkpoint", path);
    if (store->indexer != NULL) {
        store->checkpoint.index_ms = indexer_safe_ms(store->indexer);
        store->checkpoint.index_end = indexer_safe_end(store->indexer);
    }
    if (atomic_load(&store->queues_were_lost))
        store->checkpoint.queue_files = QUEUE_FILES_LOST;
    else
        note_expired_files(store);
    if (checkpoint_write(path, &store->checkpoint, sync) != 0)
        log_warn("checkpoint_not_written path=%s", path);
}

/* The next start looks at all that is doubtful. At once: nothing may be written any more. Under
 * sync_lock. */
static void doubt(struct store *store)
{
    assert(lock_is_held(&store->sync_lock));
    store->checkpoint.dispatched = store->checkpoint.durable;
    store->checkpoint.is_doubtful = true;
    write_checkpoint(store, false);
}

/* Under sync_lock. */
static int sync_log(struct store *store, int64_t upto)
{
    assert(lock_is_held(&store->sync_lock));
    int64_t from = atomic_load(&store->flushed);
    assert(upto >= 0);
    assert(upto <= commit_log_max(store->log));
    if (has_failed(store)) /* also within a round: a second sync would be believed */
        return ERR_IO;
    if (from >= upto)
        return 0;
    int64_t newest_ms = atomic_load(&store->last_put_ms);
    int err = 0;
    int64_t doubtful = upto < store->doubtful_log ? upto : store->doubtful_log;
    if (store->rewritten_log < doubtful) {
        err = commit_log_rewrite(store->log, store->rewritten_log, doubtful);
        store->rewritten_log = doubtful;
    }
    if (err == 0)
        err = commit_log_sync(store->log, from, upto);
    if (err != 0) {
        log_error("store_sync_failed from=%lld to=%lld error=%s: puts are refused from now on",
                  (long long)from, (long long)upto, err_name(err));
        store_set_refusal(store, ERR_IO);
        doubt(store);
    } else {
        assert(atomic_load(&store->flushed) == from); /* nobody else moves it */
        store->checkpoint.physic_ms = newest_ms;
        store->checkpoint.flushed = upto;
        atomic_store(&store->flushed, upto);
    }
    return err;
}

static int flush_log(struct store *store, int64_t upto)
{
    lock_take(&store->sync_lock);
    bool is_new = atomic_load(&store->flushed) < upto && !has_failed(store);
    int err = sync_log(store, upto);
    lock_release(&store->sync_lock);
    if (is_new && store->options.on_flushed != NULL)
        store->options.on_flushed(store->options.ctx);
    return err;
}

/* Puts before `upto` have their entries in the queues' memory: the append lock was taken after
 * them. */
static int64_t settled_end(struct store *store)
{
    lock_take(&store->append_lock);
    int64_t upto = commit_log_max(store->log);
    lock_release(&store->append_lock);
    return upto;
}

/* Where a round without haste stops. */
static int64_t whole_end(int64_t from, int64_t end)
{
    enum { MANY_RUNS = 16 };
    int64_t whole =
        end - from >= MANY_RUNS * COMMIT_LOG_RUN_BYTES ? COMMIT_LOG_RUN_BYTES : PAGE_BYTES;
    return end / whole * whole;
}

/* When somebody waits for it, or its time has come. */
static void flush_log_when_due(struct store *store, bool is_urgent)
{
    if ((!is_urgent && clock_monotonic_ns() < store->next_log_ns) || has_failed(store))
        return;
    int64_t end = settled_end(store);
    bool is_growing = end != store->last_log_end;
    (void)flush_log(store, is_urgent || !is_growing /* a failure shows in `refusal` */
                               ? end
                               : whole_end(atomic_load(&store->flushed), end));
    store->last_log_end = end;
    store->next_log_ns = clock_monotonic_ns() + store->options.flush_interval_ms * 1000000;
}

void store_flush_log_meanwhile(struct store *store)
{
    lock_take(&store->flush_lock);
    bool is_urgent = store->flush_is_urgent;
    store->flush_is_urgent = false;
    lock_release(&store->flush_lock);
    flush_log_when_due(store, is_urgent);
    if (!is_urgent)
        return;
    lock_take(&store->flush_lock);
    pthread_cond_broadcast(&store->flush_done);
    lock_release(&store->flush_lock);
}

/* When the queues' turn comes again, after a round that took so much of a core. */
static int64_t next_queue_ns(const struct store *store, int64_t cpu_ns)
{
    int64_t interval_ns = store->options.queue_flush_interval_ms * 1000000;
    return clock_monotonic_ns() +
           (QUEUES_REST * cpu_ns > interval_ns ? QUEUES_REST * cpu_ns : interval_ns);
}

void store_write_meanwhile(struct store *store)
{
    store_flush_log_meanwhile(store);
    if (clock_monotonic_ns() < store->meanwhile_ns || has_failed(store))
        return;
    struct buf scratch = BUF_INIT;
    int64_t before_ns = clock_thread_cpu_ns();
    int64_t upto = settled_end(store);
    int err = store_write_queues(store, &scratch);
    buf_fini(&scratch);
    lock_take(&store->sync_lock);
    if (err == 0 && !has_failed(store)) { /* doubt() says otherwise, and that stays */
        note_dispatched(store, upto);
        write_checkpoint(store, false);
    }
    lock_release(&store->sync_lock);
    store->meanwhile_ns = next_queue_ns(store, clock_thread_cpu_ns() - before_ns);
}

void store_rest_meanwhile(struct store *store, int64_t cpu_ns)
{
    int64_t due_ns = clock_monotonic_ns() + QUEUES_REST * cpu_ns;
    bool is_over = !store->flusher_may_rest;
    while (!is_over) {
        int64_t until_ns = due_ns < store->next_log_ns ? due_ns : store->next_log_ns;
        lock_take(&store->flush_lock);
        while (!store->flush_is_ending && !store->flush_is_urgent &&
               lock_wait_until(&store->flush_lock, &store->flush_wake, until_ns))
            ;
        is_over = store->flush_is_ending;
        lock_release(&store->flush_lock);
        store_flush_log_meanwhile(store);
        is_over = is_over || clock_monotonic_ns() >= due_ns || has_failed(store);
    }
}

/* The log and every queue entry of what lies below `upto` to the disk. ERR_WOULD_BLOCK: not now. */
static int make_durable(struct store *store, int64_t upto, int64_t newest_ms)
{
    int64_t queue_files = queues_file_count(store->queues);
    int err = flush_log(store, upto);
    if (err == 0)
        err = store_rewrite_entries(store);
    if (err == 0) {
        /* A sync that fails may take entries out of the page cache. Should the process die before
         * that is known, the next start must not believe they are there (sync_list.h). */
        lock_take(&store->sync_lock);
        store->checkpoint.is_syncing = true;
        write_checkpoint(store, false);
        lock_release(&store->sync_lock);
        err = store_sync_queues(store);
        lock_take(&store->sync_lock);
        store->checkpoint.is_syncing = false;
        lock_release(&store->sync_lock);
    }
    if (err == ERR_WOULD_BLOCK) /* nothing was tried that failed */
        return err;
    if (err != 0) {
        store_set_refusal(store, ERR_IO); /* as for the log: what failed once is not believed */
        return err;
    }
    assert(atomic_load(&store->flushed) >= upto);
    bool is_settled = store->rewritten_queues >= store->doubtful_queues;
    lock_take(&store->sync_lock);
    store->checkpoint.durable = is_settled ? upto : store->rewritten_queues;
    store->checkpoint.queue_files = queue_files;
    atomic_store(&store->durable, store->checkpoint.durable);
    if (is_settled)
        store->checkpoint.logics_ms = newest_ms;
    lock_release(&store->sync_lock);
    return 0;
}

static int flush_queues(struct store *store, struct buf *scratch, bool durable)
{
    int64_t upto = settled_end(store);
    int64_t newest_ms = atomic_load(&store->last_put_ms);
    int err = store_write_queues(store, scratch);
    if (err != 0)
        return err;
    lock_take(&store->sync_lock);
    note_dispatched(store, upto);
    store->meanwhile_ns = clock_monotonic_ns() + store->options.queue_flush_interval_ms * 1000000;
    lock_release(&store->sync_lock);
    if (durable)
        err = make_durable(store, upto, newest_ms);
    lock_take(&store->sync_lock);
    if (has_failed(store)) { /* the next start looks at all that is doubtful */
        store->checkpoint.dispatched = store->checkpoint.durable;
        store->checkpoint.is_doubtful = true;
    }
    write_checkpoint(store, durable && err == 0);
    lock_release(&store->sync_lock);
    return err;
}

static int64_t next_durable_ns(int64_t took_ns)
{
    int64_t rest_ns = DURABLE_REST * took_ns;
    if (rest_ns < DURABLE_MS * (int64_t)1000000)
        rest_ns = DURABLE_MS * (int64_t)1000000;
    if (rest_ns > DURABLE_MS_MOST * (int64_t)1000000)
        rest_ns = DURABLE_MS_MOST * (int64_t)1000000;
    return clock_monotonic_ns() + rest_ns;
}

/* Does what is due; returns when something will be again (monotonic ns). */
static int64_t run_round(struct flush_round *round, bool is_urgent, bool wants_durable)
{
    struct store *store = round->store;
    int64_t now_ns = clock_monotonic_ns();
    flush_log_when_due(store, is_urgent);
    if (now_ns >= round->next_queue_ns || wants_durable) {
        bool durable = (now_ns >= round->next_durable_ns || wants_durable) && !has_failed(store);
        int64_t before_ns = clock_thread_cpu_ns();
        flush_queues(store, &round->scratch, durable);
        round->next_queue_ns = next_queue_ns(store, clock_thread_cpu_ns() - before_ns);
        if (durable)
            round->next_durable_ns = next_durable_ns(clock_monotonic_ns() - now_ns);
    }
    return store->next_log_ns < round->next_queue_ns && !has_failed(store) ? store->next_log_ns
                                                                           : round->next_queue_ns;
}

/* May wait for a sync; so not under flush_lock, which a put may want. */
static bool is_all_written(struct store *store)
{
    int64_t max = commit_log_max(store->log);
    lock_take(&store->sync_lock);
    bool has_queues = store->checkpoint.dispatched >= max && store->checkpoint.durable >= max;
    lock_release(&store->sync_lock);
    return has_queues && (atomic_load(&store->flushed) >= max || has_failed(store));
}

/* Waits for due_ns, an urgent wish, or the end. Under the lock. */
static void wait_until(struct store *store, int64_t due_ns)
{
    assert(lock_is_held(&store->flush_lock));
    while (!store->flush_is_ending && !store->flush_is_urgent && !store->durable_is_wanted &&
           lock_wait_until(&store->flush_lock, &store->flush_wake, due_ns))
        ;
}

static void *run_flusher(void *arg)
{
    struct store *store = arg;
    struct flush_round round = { .store = store, .scratch = BUF_INIT };
    int64_t due_ns = 0;
    if (!store->options.sync_flush) /* else somebody waits */
        thread_stand_back();
    store->flusher_may_rest = true;
    lock_take(&store->flush_lock);
    while (!store->flush_is_ending) {
        if (!atomic_load(&store->is_dirty) && !store->flush_is_urgent &&
            !store->durable_is_wanted) {
            lock_wait(&store->flush_lock, &store->flush_wake);
            due_ns = 0;
            continue;
        }
        if (due_ns > 0)
            wait_until(store, due_ns);
        bool is_urgent = store->flush_is_urgent;
        bool wants_durable = store->durable_is_wanted;
        store->flush_is_urgent = false;
        store->durable_is_wanted = false;
        atomic_store(&store->is_dirty, false);
        lock_release(&store->flush_lock);
        due_ns = run_round(&round, is_urgent, wants_durable);
        bool is_behind = !is_all_written(store) && !has_failed(store);
        if (!is_behind)
            queues_come_to_rest(store->queues);
        lock_take(&store->flush_lock);
        pthread_cond_broadcast(&store->flush_done);
        if (is_behind)
            atomic_store(&store->is_dirty, true);
    }
    lock_release(&store->flush_lock);
    store->flusher_may_rest = false;
    buf_fini(&round.scratch);
    return NULL;
}

int store_flusher_start(struct store *store)
{
    assert(!store->has_flusher);
    atomic_store(&store->is_dirty, true); /* what recovery dispatched */
    int err = thread_start(&store->flusher, "flusher", run_flusher, store);
    store->has_flusher = err == 0;
    return err;
}

void store_flusher_stop(struct store *store)
{
    if (!store->has_flusher)
        return;
    lock_take(&store->flush_lock);
    store->flush_is_ending = true;
    pthread_cond_signal(&store->flush_wake);
    lock_release(&store->flush_lock);
    pthread_join(store->flusher, NULL);
    store->has_flusher = false;
}

int store_flush_all(struct store *store)
{
    assert(!store->has_flusher);
    struct buf scratch = BUF_INIT;
    bool had_failed = has_failed(store);
    int err = 0;
    do {
        err = flush_queues(store, &scratch, !had_failed);
    } while (err == 0 && !had_failed && store->rewritten_queues < store->doubtful_queues);
    buf_fini(&scratch);
    return had_failed ? ERR_IO : err;
}

void store_request_durable(struct store *store)
{
    lock_take(&store->flush_lock);
    store->durable_is_wanted = true;
    pthread_cond_signal(&store->flush_wake);
    lock_release(&store->flush_lock);
}

void store_flusher_note(struct store *store)
{
    if (atomic_exchange(&store->is_dirty, true))
        return;
    lock_take(&store->flush_lock);
    pthread_cond_signal(&store->flush_wake);
    lock_release(&store->flush_lock);
}

int64_t store_flushed_to(const struct store *store)
{
    return atomic_load(&store->flushed);
}

void store_request_flush(struct store *store, int64_t phy_offset)
{
    assert(phy_offset <= commit_log_max(store->log));
    if (atomic_load(&store->flushed) >= phy_offset)
        return;
    lock_take(&store->flush_lock);
    store->flush_is_urgent = true;
    pthread_cond_signal(&store->flush_wake);
    lock_release(&store->flush_lock);
}

bool store_flush_here(struct store *store)
{
    assert(store->has_flusher);
    if (!lock_try(&store->sync_lock)) {
        store_request_flush(store, commit_log_max(store->log));
        return false;
    }
    (void)sync_log(store, settled_end(store)); /* a failure shows in `refusal` */
    lock_release(&store->sync_lock);
    return true;
}

int store_sync(struct store *store)
{
    assert(store->has_flusher);
    int64_t upto = commit_log_max(store->log);
    lock_take(&store->flush_lock);
    while (atomic_load(&store->flushed) < upto && !has_failed(store)) {
        store->flush_is_urgent = true;
        pthread_cond_signal(&store->flush_wake);
        lock_wait(&store->flush_lock, &store->flush_done);
    }
    lock_release(&store->flush_lock);
    return atomic_load(&store->flushed) >= upto ? 0 : ERR_IO;
}
