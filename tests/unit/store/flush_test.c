#include "store/store_dir.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/fault.h"
#include "store/consume_queue_internal.h"
#include "store/queues_internal.h"
#include "store/store_internal.h"
#include "store/sync_list.h"

struct waiting {
    struct store_dir *dir;
    int64_t goal;
    atomic_int told; /* calls of on_flushed */
};

static void note_flushed(void *ctx)
{
    struct waiting *waiting = ctx;
    atomic_fetch_add(&waiting->told, 1);
}

static struct waiting waiting;

static int set_up(void **state)
{
    struct store_dir *dir = store_dir_new();
    waiting.dir = dir;
    waiting.goal = 0;
    atomic_store(&waiting.told, 0);
    dir->options.on_flushed = note_flushed;
    dir->options.ctx = &waiting;
    dir->options.sync_flush = true;
    dir->options.flush_interval_ms = ANY_TEST_MS; /* only who asks is flushed for */
    dir->options.queue_flush_interval_ms = ANY_TEST_MS;
    return store_dir_set_up(state, dir);
}

static bool is_flushed(void *ctx)
{
    const struct waiting *w = ctx;
    return store_flushed_to(w->dir->store) >= w->goal;
}

static bool is_told(void *ctx)
{
    const struct waiting *w = ctx;
    return atomic_load(&w->told) > 0;
}

static bool has_failed(void *ctx)
{
    return store_refuses_puts(((struct store_dir *)ctx)->store) == ERR_IO;
}

static void flush_to(int64_t goal)
{
    waiting.goal = goal;
    store_request_flush(waiting.dir->store, goal);
    store_dir_await(is_flushed, &waiting);
}

/* Goal: who asks for a flush gets it, and is told, also over several files of the log.
 * Method: puts between requests; flushed_to covers them after each, and never runs ahead. */
static void who_asks_is_flushed(void **state)
{
    struct store_dir *dir = *state;
    int64_t end = 0;
    for (int i = 0; i < 200; i++) {
        end = store_dir_put_big(dir, "orders", 0, i, 2000).end_phy_offset;
        if (i % 40 == 0)
            flush_to(end);
        assert_true(store_flushed_to(dir->store) <= end);
    }
    flush_to(end);
    assert_true(atomic_load(&waiting.told) > 0);
    store_request_flush(dir->store, end); /* there already: nothing to do */
    assert_int_equal(store_flushed_to(dir->store), end);
}

static void flush_here_to(int64_t goal)
{
    waiting.goal = goal;
    if (!store_flush_here(waiting.dir->store)) /* the flusher is at it */
        store_dir_await(is_flushed, &waiting);
}

/* Goal: who can wait syncs the log himself, beside the flusher: it is on the disk when the call
 * returns.
 * Method: rounds of the flusher as often as can be; flushed_to covers each put behind it. */
static void who_can_wait_flushes_himself(void **state)
{
    struct store_dir *dir = *state;
    store_dir_close(dir);
    dir->options.flush_interval_ms = 1;
    dir->options.queue_flush_interval_ms = 1;
    store_dir_open(dir);
    for (int i = 0; i < 300; i++) {
        int64_t end = store_dir_put_big(dir, "orders", i % 7, i / 7, 500).end_phy_offset;
        flush_here_to(end);
        assert_true(store_flushed_to(dir->store) >= end);
    }
}

/* Goal: without being asked the flusher gets there within its interval.
 * Method: intervals of a millisecond, a put, and waiting. */
static void the_flusher_comes_by_itself(void **state)
{
    struct store_dir *dir = *state;
    store_dir_close(dir);
    dir->options.flush_interval_ms = 1;
    dir->options.queue_flush_interval_ms = 1;
    store_dir_open(dir);
    waiting.goal = store_dir_put(dir, "orders", 0, "one", "").end_phy_offset;
    store_dir_await(is_flushed, &waiting);
    waiting.goal = store_dir_put(dir, "orders", 0, "two", "").end_phy_offset;
    store_dir_await(is_flushed, &waiting);
}

/* After a failed sync of what lies from `good` to `end`. */
static void expect_nothing_believed(struct store_dir *dir, int64_t good, int64_t end)
{
    assert_int_equal(store_refuses_puts(dir->store), ERR_IO);
    assert_int_equal(store_flushed_to(dir->store), good);
    struct record record = store_dir_record("orders", 0, SLICE("refused"), "");
    struct store_put_result result;
    assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), ERR_IO);
    store_dir_expect(dir, "orders", 0, 1, "doubtful");
    store_request_flush(dir->store, end);
    (void)store_flush_here(dir->store);
    assert_int_equal(store_flushed_to(dir->store), good);
    assert_int_equal(store_close(dir->store), ERR_IO);
    dir->store = NULL;
    assert_true(store_dir_has(dir, "abort"));

    store_dir_open(dir);
    assert_int_equal(store_refuses_puts(dir->store), 0);
    store_dir_expect(dir, "orders", 0, 0, "good");
    store_dir_expect(dir, "orders", 0, 1, "doubtful");
}

/* Goal: after a failed sync nothing is believed: flushed_to stays, puts are refused, gets go on;
 * closing says so and the next start recovers. Method: one sync fails; the ones behind it would
 * succeed. */
static void a_failed_sync_is_for_good(void **state)
{
    struct store_dir *dir = *state;
    int64_t good = store_dir_put(dir, "orders", 0, "good", "").end_phy_offset;
    flush_to(good);
    atomic_store(&waiting.told, 0);
    fault_arm("disk.sync_range", 0, 1, ERR_IO); /* before the put: the flusher comes, too */
    int64_t end = store_dir_put(dir, "orders", 0, "doubtful", "").end_phy_offset;
    store_request_flush(dir->store, end);
    store_dir_await(has_failed, dir); /* the flush before it may be told of this late */
    store_dir_await(is_told, &waiting);
    fault_disarm_all();
    expect_nothing_believed(dir, good, end);
}

/* The same when it is not the flusher's. */
static void a_failed_sync_of_ones_own_is_for_good(void **state)
{
    struct store_dir *dir = *state;
    int64_t good = store_dir_put(dir, "orders", 0, "good", "").end_phy_offset;
    flush_here_to(good);
    fault_arm("disk.sync_range", 0, 1, ERR_IO);
    int64_t end = store_dir_put(dir, "orders", 0, "doubtful", "").end_phy_offset;
    if (!store_flush_here(dir->store)) /* the flusher is at it, and meets the fault */
        store_dir_await(has_failed, dir);
    fault_disarm_all();
    expect_nothing_believed(dir, good, end);
}

/* Goal: the same when it is one of a queue's file, or of the names in its directory. */
static void a_failed_sync_of_a_queue_is_for_good(void **state)
{
    static const char *const points[] = { "disk.start_write_back", "disk.sync", "disk.sync_dirs" };
    struct store_dir *dir = *state;
    struct store_put_result result;
    for (int i = 0; i < 3; i++) {
        fault_arm(points[i], 0, INT64_MAX, ERR_IO);
        store_dir_put(dir, "orders", i, "kept", "");
        store_request_durable(dir->store);
        store_dir_await(has_failed, dir);
        fault_disarm_all();
        struct record record = store_dir_record("orders", i, SLICE("x"), "");
        assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), ERR_IO);
        store_dir_expect(dir, "orders", i, 0, "kept");
        assert_int_equal(store_close(dir->store), ERR_IO);
        dir->store = NULL;
        assert_true(store_dir_has(dir, "abort"));
        store_dir_open(dir);
        store_dir_expect(dir, "orders", i, 0, "kept");
    }
}

/* Goal: a full disk is met as an error of the put, never later, and goes away by itself.
 * Method: no blocks can be had; puts until the log needs some; then there is room again. */
static void a_full_disk_refuses_puts(void **state)
{
    struct store_dir *dir = *state;
    static uint8_t body[9000];
    struct record record = store_dir_record("orders", 0, slice_of(body, sizeof body), "");
    struct store_put_result result;
    fault_arm("disk.allocate", 0, INT64_MAX, ERR_DISK_FULL);
    int err = 0;
    int stored = 0;
    for (int i = 0; i < 100 && err == 0; i++) {
        err = store_put(dir->store, &record, 1, dir->now_ms, &result, NULL);
        stored += err == 0;
    }
    assert_int_equal(err, ERR_DISK_FULL);
    int64_t end = store_dir_log_end(dir);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), stored);
    assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), ERR_DISK_FULL);
    assert_int_equal(store_dir_log_end(dir), end);

    fault_disarm_all();
    assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), 0);
    assert_int_equal(result.queue_offset, stored);
    store_dir_close(dir);
    store_dir_open(dir);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), stored + 1);
}

/* Goal: queue entries that cannot be written stay in memory and lose nothing.
 * Method: writes fail while the flusher tries; a killed copy and the store itself have all entries.
 */
static void unwritten_queues_lose_nothing(void **state)
{
    struct store_dir *dir = *state;
    store_dir_close(dir);
    dir->options.flush_interval_ms = 1;
    dir->options.queue_flush_interval_ms = 1;
    store_dir_open(dir);
    fault_arm("disk.write", 0, INT64_MAX, ERR_IO);
    int64_t end = 0;
    for (int i = 0; i < 150; i++)
        end = store_dir_put(dir, "orders", 0, "x", "").end_phy_offset;
    flush_to(end);
    struct store_dir *killed = store_dir_copy(dir);
    fault_disarm_all();
    killed->options.on_flushed = NULL;
    store_dir_open(killed);
    assert_int_equal(store_queue_max(killed->store, SLICE("orders"), 0), 150);
    store_dir_expect(killed, "orders", 0, 149, "x");
    store_dir_remove(killed);
    store_dir_close(dir);
    store_dir_open(dir);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 150);
    store_dir_expect(dir, "orders", 0, 0, "x");
}

/* Goal: many busy queues need no more descriptors than a few, and lose nothing by it.
 * Method: more queues than may have files open, with a limit of the process not far above that;
 * they are written, synced, read, and opened again. */
static void many_queues_share_few_descriptors(void **state)
{
    enum { QUEUES = 1500, DESCRIPTORS = 400 };
    struct store_dir *dir = *state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = { DESCRIPTORS, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < QUEUES; i++)
        store_dir_put(dir, "orders", i, "x", "");
    store_dir_close(dir); /* writes and syncs them all */
    store_dir_open(dir);
    for (int i = 0; i < QUEUES; i++)
        store_dir_expect(dir, "orders", i, 0, "x");
    for (int i = 0; i < QUEUES; i++)
        assert_int_equal(store_queue_max(dir->store, SLICE("orders"), i), 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* All is written, and memory that busy queues had is gone but for the two chunks a slab keeps. */
static bool is_at_rest(void *ctx)
{
    enum { CHUNKS_KEPT = 2 };
    struct queues *queues = ((struct store_dir *)ctx)->store->queues;
    lock_take(&queues->dirty_lock);
    bool has_list = queues->dirty.cap > 0 || queues->dirty_spare.cap > 0;
    lock_release(&queues->dirty_lock);
    return !has_list && slab_chunks(queues->files.tails) <= CHUNKS_KEPT;
}

/* Goal: what busy queues needed is given back when everything is written, also by a round that
 * wrote and synced all at once. Method: many queues, rounds only when asked for; one is. */
static void queues_at_rest_keep_no_memory_of_busy_ones(void **state)
{
    enum { QUEUES = 1200, EACH = 9 };
    struct store_dir *dir = *state;
    for (int i = 0; i < QUEUES * EACH; i++)
        store_dir_put(dir, "orders", i % QUEUES, "x", "");
    assert_false(is_at_rest(dir));
    store_request_durable(dir->store);
    store_dir_await(is_at_rest, dir);
    for (int i = 0; i < QUEUES; i++)
        assert_int_equal(store_queue_max(dir->store, SLICE("orders"), i), EACH);
}

/* As the flusher does when all but `left` entries are in the file. */
static uint32_t take_all_but(struct consume_queue *queue, uint32_t left)
{
    struct lock *lock = &consume_queue_locks(queue)->lock;
    bool is_wide;
    lock_take(lock);
    uint32_t cap = queue->tail->cap;
    assert_null(queue_tail_drop(queue, queue->tail->count - left, &is_wide));
    if (is_wide)
        queue_tail_free(queue, queue_tail_exchange(queue, queue_tail_half(queue, cap)));
    int64_t max = consume_queue_max(queue);
    assert_int_equal(queue_written(queue), max - left);
    for (int64_t place = max - left; place < max; place++)
        assert_int_equal(queue_entry_get(queue, queue_tail_at(queue, place), place).queue_offset,
                         place);
    cap = queue->tail->cap;
    lock_release(lock);
    return cap;
}

/* Goal: the room for entries that are not in the files stays as long as a round uses a quarter of
 * it, and then goes by halves; not when more came meanwhile than are moved under the lock. */
static void the_room_of_a_queue_follows_its_use(void **state)
{
    enum { BURST = 20000, LEFT = 10, LITTLE = 200, ROUNDS = 8 };
    struct store_dir *dir = *state;
    struct consume_queue *queue;
    for (int i = 0; i < BURST; i++)
        store_dir_put(dir, "orders", 0, "x", "");
    assert_int_equal(queues_find(dir->store->queues, SLICE("orders"), 0, true, &queue), 0);
    uint32_t cap = queue->tail->cap;
    assert_true(cap >= BURST);
    struct queue_tail *half = queue_tail_half(queue, cap);
    lock_take(&consume_queue_locks(queue)->lock);
    assert_ptr_equal(queue_tail_exchange(queue, half), half);
    lock_release(&consume_queue_locks(queue)->lock);
    queue_tail_free(queue, half);
    assert_int_equal(take_all_but(queue, LEFT), cap);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t before = queue->tail->cap;
        for (int i = 0; i < LITTLE; i++)
            store_dir_put(dir, "orders", 0, "x", "");
        uint32_t after = take_all_but(queue, LEFT);
        assert_true(after == before || after / 2 == before / 4);
    }
    assert_true(queue->tail->cap < cap / 4);
}

static bool refuses_puts(void *ctx)
{
    return store_refuses_puts(((struct store_dir *)ctx)->store) == ERR_CORRUPT;
}

/* Goal: with more files of queues than are counted at start, a lost one is noticed all the same:
 * puts are refused, and the next start builds the queue again.
 * Method: nothing is counted at start; a file is removed while the store is closed. */
static void a_lost_queue_file_is_noticed_behind_the_start(void **state)
{
    struct store_dir *dir = *state;
    dir->options.queue_files_counted_most = 0;
    for (int i = 0; i < 5; i++)
        store_dir_put(dir, "orders", i, "x", "");
    store_dir_close(dir);
    store_dir_delete(dir, "consumequeue/orders/3/00000000000000000000");
    store_dir_open(dir);
    store_dir_await(refuses_puts, dir);
    store_dir_expect(dir, "orders", 2, 0, "x");
    store_dir_close(dir);
    store_dir_open(dir);
    for (int i = 0; i < 5; i++)
        store_dir_expect(dir, "orders", i, 0, "x");
    assert_int_equal(store_dir_put(dir, "orders", 3, "y", "").queue_offset, 1);
    store_dir_close(dir);
    store_dir_open(dir);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 3), 2);
    assert_int_equal(store_dir_put(dir, "orders", 3, "z", "").queue_offset, 2);
}

struct dispatching {
    struct store_dir *dir;
    int64_t upto;
};

static bool is_dispatched(void *ctx)
{
    const struct dispatching *wanted = ctx;
    struct checkpoint checkpoint;
    char path[256];
    store_dir_file_path(wanted->dir, "checkpoint", path);
    return checkpoint_read(path, &checkpoint) == 0 && checkpoint.dispatched >= wanted->upto;
}

/* Goal: a queue file that was made since the last sync of queues, and is removed after a kill, is
 * missed at the next start. Method: syncs of queues lie 10 s apart; the checkpoint that knows the
 * entry is awaited. */
static void a_young_queue_file_that_is_lost_is_missed(void **state)
{
    struct store_dir *dir = *state;
    store_dir_close(dir);
    dir->options.queue_flush_interval_ms = 1;
    store_dir_open(dir);
    for (int i = 0; i < 4; i++) {
        char name[64];
        struct dispatching wanted = { .dir = dir };
        wanted.upto = store_dir_put(dir, "orders", i, "x", "").end_phy_offset;
        store_dir_await(is_dispatched, &wanted);
        struct store_dir *killed = store_dir_copy(dir);
        snprintf(name, sizeof name, "consumequeue/orders/%d/00000000000000000000", i);
        store_dir_delete(killed, name);
        store_dir_open(killed);
        for (int queue = 0; queue <= i; queue++)
            store_dir_expect(killed, "orders", queue, 0, "x");
        store_dir_remove(killed);
    }
}

/* What a kill leaves while queue files are synced, `queues` of them with `each` messages: the list
 * names all, nothing counts as durable, and everything as dispatched. */
static struct store_dir *copy_in_the_midst_of_a_sync(struct store_dir *dir, int queues, int each)
{
    char path[256];
    struct checkpoint checkpoint;
    struct sync_list list;
    for (int i = 0; i < queues * each; i++)
        store_dir_put(dir, "orders", i % queues, "x",
                      "TAGS\x01"
                      "a");
    store_dir_close(dir); /* the files have everything */
    struct store_dir *killed = store_dir_copy(dir);
    killed->options.consume_queue_file_bytes = dir->options.consume_queue_file_bytes;
    store_dir_write(killed, "abort", 0, "1", 1);
    store_dir_file_path(killed, "checkpoint", path);
    assert_int_equal(checkpoint_read(path, &checkpoint), 0);
    checkpoint.durable = 0;
    checkpoint.is_syncing = true;
    assert_int_equal(checkpoint_replace(path, &checkpoint, false), 0);
    store_dir_open(dir);
    sync_list_clear(&list);
    for (int i = 0; i < queues; i++) {
        struct consume_queue *queue;
        assert_int_equal(queues_find(dir->store->queues, SLICE("orders"), i, true, &queue), 0);
        assert_true(sync_list_add(&list, queue, i == 0 ? each / 2 : 0));
    }
    assert_int_equal(sync_list_write(&list, path), 0);
    return killed;
}

static int64_t recovered_at_start(struct store_dir *dir)
{
    struct store_state state;
    store_dir_open(dir);
    store_state(dir->store, &state);
    return state.recovered_records;
}

/* Goal: a kill while queue files are synced costs a start no more than any other: what the sync may
 * have taken is looked at, and is there.
 * Method: as it is left then, with queues of more than one file. */
static void a_sync_that_a_kill_met_is_believed_when_all_is_there(void **state)
{
    enum { QUEUES = 3, EACH = 250 };
    struct store_dir *killed = copy_in_the_midst_of_a_sync(*state, QUEUES, EACH);
    assert_int_equal(recovered_at_start(killed), 0);
    for (int i = 0; i < QUEUES; i++)
        assert_int_equal(store_queue_max(killed->store, SLICE("orders"), i), EACH);
    store_dir_remove(killed);
}

/* Goal: what such a sync has taken is noticed and built again. Method: the same, with one entry
 * gone: of the middle, the last; with the rest of a file; and with a list in pieces. */
static void what_a_sync_took_before_a_kill_is_built_again(void **state)
{
    enum { QUEUES = 2, EACH = 130 };
    static const uint8_t zeros[QUEUE_FILE_ENTRIES * ENTRY_BYTES];
    static const struct loss {
        const char *file;
        int entry;
        int count;
    } losses[] = { { "consumequeue/orders/1/00000000000000000000", 40, 1 },
                   { "consumequeue/orders/1/00000000000000002000", 29, 1 },
                   { "consumequeue/orders/0/00000000000000002000", 0, 30 },
                   { "checkpoint", CHECKPOINT_LIST_AT / ENTRY_BYTES, 1 } };
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        struct store_dir *dir = store_dir_new();
        store_dir_open(dir);
        struct store_dir *killed = copy_in_the_midst_of_a_sync(dir, QUEUES, EACH);
        store_dir_write(killed, losses[i].file, (int64_t)losses[i].entry * ENTRY_BYTES, zeros,
                        (size_t)losses[i].count * ENTRY_BYTES);
        assert_int_equal(recovered_at_start(killed), QUEUES * EACH);
        for (int queue = 0; queue < QUEUES; queue++) {
            assert_int_equal(store_queue_max(killed->store, SLICE("orders"), queue), EACH);
            for (int at = 0; at < EACH; at++)
                store_dir_expect(killed, "orders", queue, at, "x");
        }
        store_dir_remove(killed);
        store_dir_remove(dir);
    }
    (void)state;
}

/* Goal: an entry of which a sync took one page of two is noticed, though it leads to its record.
 * Method: the bytes of its tag on the second page are gone. */
static void half_an_entry_that_a_sync_took_is_built_again(void **state)
{
    enum { EACH = 250, ON_TWO_PAGES = PAGE_BYTES / ENTRY_BYTES };
    static const uint8_t zeros[ENTRY_BYTES];
    struct store_dir *dir = store_dir_new();
    dir->options.consume_queue_file_bytes = 2 * EACH * ENTRY_BYTES;
    store_dir_open(dir);
    for (int is_taken = 0; is_taken < 2; is_taken++) {
        struct store_dir *killed = copy_in_the_midst_of_a_sync(dir, 1, EACH);
        int64_t all = store_queue_max(dir->store, SLICE("orders"), 0);
        if (is_taken)
            store_dir_write(killed, "consumequeue/orders/0/00000000000000000000", PAGE_BYTES, zeros,
                            (ON_TWO_PAGES + 1) * ENTRY_BYTES - PAGE_BYTES);
        assert_int_equal(recovered_at_start(killed), is_taken ? all : 0);
        store_dir_expect(killed, "orders", 0, ON_TWO_PAGES, "x");
        store_dir_remove(killed);
    }
    store_dir_remove(dir);
    (void)state;
}

/* Goal: a sync of the log that failed may have taken records from the page cache, and the process
 * was killed before it could write that down: what lies between `flushed` and `dispatched` is
 * looked at, and damage there refuses the start as anywhere. Method: the log of some files, killed,
 * with `flushed` in the middle of a record, at its start, near the log's; the record behind it
 * whole, and gone. */
static void records_that_a_sync_took_before_a_kill_are_missed(void **state)
{
    enum { MESSAGES = 200, BYTES = 1500 };
    static const uint8_t zeros[BYTES];
    struct store_dir *dir = *state;
    int64_t places[MESSAGES];
    for (int i = 0; i < MESSAGES; i++)
        places[i] = store_dir_put_big(dir, "orders", 0, i, BYTES).phy_offset;
    int64_t end = store_dir_log_end(dir);
    store_dir_close(dir);
    static const int flushed_in[] = { 1, 150, MESSAGES - 2 };
    for (int i = 0; i < 12; i++) {
        char path[256];
        char file[64];
        struct checkpoint checkpoint;
        struct store *opened;
        int at = flushed_in[i % 3];
        bool is_gone = i % 2 != 0;
        struct store_dir *killed = store_dir_copy(dir);
        store_dir_write(killed, "abort", 0, "1", 1);
        store_dir_file_path(killed, "checkpoint", path);
        assert_int_equal(checkpoint_read(path, &checkpoint), 0);
        checkpoint.durable = 0;
        checkpoint.flushed = places[at] + (i < 6 ? 700 : 0);
        assert_int_equal(checkpoint.dispatched, end);
        assert_int_equal(checkpoint_replace(path, &checkpoint, false), 0);
        int64_t gone = places[at + 1] + 200;
        snprintf(file, sizeof file, "commitlog/%020lld",
                 (long long)(gone / LOG_FILE_BYTES * LOG_FILE_BYTES));
        if (is_gone)
            store_dir_write(killed, file, gone % LOG_FILE_BYTES, zeros, 1000);
        if (is_gone)
            assert_int_equal(store_open(&killed->options, &opened), ERR_CORRUPT);
        else
            assert_int_equal(recovered_at_start(killed), 0);
        store_dir_remove(killed);
    }
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(who_asks_is_flushed),
        STORE_TEST(who_can_wait_flushes_himself),
        STORE_TEST(the_flusher_comes_by_itself),
        STORE_TEST(a_failed_sync_is_for_good),
        STORE_TEST(a_failed_sync_of_ones_own_is_for_good),
        STORE_TEST(a_failed_sync_of_a_queue_is_for_good),
        STORE_TEST(a_full_disk_refuses_puts),
        STORE_TEST(unwritten_queues_lose_nothing),
        STORE_TEST(many_queues_share_few_descriptors),
        STORE_TEST(queues_at_rest_keep_no_memory_of_busy_ones),
        STORE_TEST(the_room_of_a_queue_follows_its_use),
        STORE_TEST(a_lost_queue_file_is_noticed_behind_the_start),
        STORE_TEST(a_young_queue_file_that_is_lost_is_missed),
        STORE_TEST(a_sync_that_a_kill_met_is_believed_when_all_is_there),
        STORE_TEST(what_a_sync_took_before_a_kill_is_built_again),
        STORE_TEST(records_that_a_sync_took_before_a_kill_are_missed),
        STORE_TEST(half_an_entry_that_a_sync_took_is_built_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
