#include "store/store_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "store/compaction_queue.h"
#include "store/consume_queue.h"
#include "wire/properties.h"

#define FIRST_LOG "compaction/compactionLog/kv/0/00000000000000000000"
#define FIRST_CQ "compaction/compactionCq/kv/0/00000000000000000000"

enum { LOG_BYTES = 4600, CQ_BYTES = 920, KEYS = 5 };

static bool name_kv(void *ctx, size_t *cursor, struct slice *topic)
{
    (void)ctx;
    *topic = SLICE("kv");
    return (*cursor)++ == 0;
}

static struct store_dir *configured(struct store_dir *dir)
{
    dir->options.next_compaction_topic = name_kv;
    dir->options.compaction_log_file_bytes = LOG_BYTES;
    dir->options.compaction_queue_file_bytes = CQ_BYTES;
    dir->options.compaction_interval_ms = 20;
    dir->options.compaction_keys_bytes = 1 << 20;
    dir->options.delete_when = "";
    return dir;
}

static int set_up(void **state)
{
    return store_dir_set_up(state, configured(store_dir_new()));
}

static void put_key(struct store_dir *dir, int key, const char *body)
{
    char properties[32];
    snprintf(properties, sizeof properties, "KEYS\001k%d\002", key);
    store_dir_put(dir, "kv", 0, body, properties);
}

/* Messages 0 .. count-1, of KEYS keys in turn; their bodies are their numbers. */
static void put_some(struct store_dir *dir, int from, int upto)
{
    for (int i = from; i < upto; i++) {
        char body[128];
        snprintf(body, sizeof body, "%d %.*s", i, 90,
                 "......................................................................"
                 "..............................");
        put_key(dir, i % KEYS, body);
    }
}

struct view {
    int count;
    int newest[KEYS + 1]; /* number of the last message of each key, -1: none */
    int64_t min_offset, next_offset;
};

/* Everything a reader gets from `from` on. */
static struct view read_all(struct store_dir *dir, int64_t from)
{
    struct view view = { .newest = { -1, -1, -1, -1, -1, -1 } };
    struct store_get_request request = { .topic = SLICE("kv"),
                                         .queue_offset = from,
                                         .max_count = 7,
                                         .max_bytes = 1 << 20,
                                         .may_block = true };
    struct buf body = BUF_INIT;
    for (;;) {
        struct store_get_result result;
        struct record record;
        buf_clear(&body);
        assert_int_equal(store_get(dir->store, &request, &body, &result), 0);
        view.min_offset = result.min_offset;
        view.next_offset = result.next_offset;
        if (result.next_offset <= request.queue_offset)
            break;
        struct slice rest = buf_slice(&body);
        int64_t last = request.queue_offset - 1;
        while (rest.len > 0) {
            assert_int_equal(record_decode(rest, RECORD_CHECK_ALL, &record), 0);
            assert_true(record.queue_offset > last);
            last = record.queue_offset;
            struct slice key = property_get(record.properties, SLICE(PROPERTY_KEYS));
            view.newest[key.data[1] - '0'] =
                record.body.len == 0 ? -1 : atoi((const char *)record.body.data);
            view.count++;
            rest = slice_from(rest, (size_t)record.total_bytes);
        }
        request.queue_offset = result.next_offset;
    }
    buf_fini(&body);
    return view;
}

/* The last message of each key is there, and its value right. */
static void expect_newest(struct store_dir *dir, int upto)
{
    struct view view = read_all(dir, 0);
    for (int key = 0; key < KEYS; key++) {
        int newest = upto - 1;
        while (newest % KEYS != key)
            newest--;
        assert_int_equal(view.newest[key], newest);
    }
    assert_int_equal(view.next_offset, upto);
}

/* No file but the last has anything that could go: what was replaced is in none of them, and a full
 * one has more than is left then. */
static bool is_compacted(void *ctx)
{
    enum { FILE_ENTRIES = CQ_BYTES / 46 - 1 };
    return read_all(ctx, 0).count <= KEYS + FILE_ENTRIES;
}

/* And the compactor's last file is in its place: a copy of the directory is as a kill leaves it. */
static bool is_swapped(void *ctx)
{
    return is_compacted(ctx) && !store_dir_has(ctx, "compaction/compactionLog/kv/0/compacting");
}

static int get_at(struct store_dir *dir, int64_t queue_offset, bool may_block)
{
    struct store_get_request request = {
        .topic = SLICE("kv"), .queue_offset = queue_offset, .max_count = 1, .may_block = may_block
    };
    struct store_get_result result;
    struct buf body = BUF_INIT;
    int err = store_get(dir->store, &request, &body, &result);
    buf_fini(&body);
    return err;
}

/* The last message is among what was copied: its entry, written last, is in the first file. (A
 * reader that would have to wait says nothing: it may have to for the commit log as well.) */
static bool is_copied(void *ctx)
{
    struct store_dir *dir = ctx;
    char path[256];
    struct stat state;
    uint8_t bytes[sizeof(uint32_t)];
    int64_t last = store_queue_max(dir->store, SLICE("kv"), 0) - 1;
    assert_in_range(last, 0, CQ_BYTES / BCQ_ENTRY_BYTES - 1);
    store_dir_file_path(dir, FIRST_CQ, path);
    if (stat(path, &state) != 0 || state.st_size != CQ_BYTES)
        return false;
    store_dir_read(dir, FIRST_CQ, last * BCQ_ENTRY_BYTES + CQ_LENGTH, bytes, sizeof bytes);
    return get_be32(bytes) != 0;
}

/* Opened anew, with so many ms between compactions. */
static void reopen(struct store_dir *dir, int64_t interval_ms)
{
    store_dir_close(dir);
    dir->options.compaction_interval_ms = interval_ms;
    store_dir_open(dir);
}

/* Goal: of each key the newest message stays, older ones go, whatever a reader asks from. */
static void the_newest_of_each_key_stays(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 0, 300);
    store_dir_await(is_compacted, dir);
    expect_newest(dir, 300);
    assert_true(store_dir_has(dir, FIRST_LOG) && store_dir_has(dir, FIRST_CQ));
    assert_true(read_all(dir, 299).count == 1);
    put_some(dir, 300, 310);
    expect_newest(dir, 310);
}

/* Goal: a reader that cannot wait is told so below what was copied, and served behind it. */
static void the_loop_does_not_wait(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 0, 300);
    store_dir_await(is_compacted, dir);
    assert_int_equal(get_at(dir, 0, false), ERR_WOULD_BLOCK);
    assert_int_equal(get_at(dir, 300, false), 0);
}

/* Goal: an empty message ends its key: both it and what it ended go. */
static void an_empty_message_ends_its_key(void **state)
{
    struct store_dir *dir = *state;
    put_key(dir, KEYS, "short-lived");
    put_key(dir, KEYS, "");
    assert_int_equal(read_all(dir, 0).newest[KEYS], -1);
    put_some(dir, 0, 300);
    store_dir_await(is_compacted, dir);
    struct store_get_request request = { .topic = SLICE("kv"), .max_count = 1, .may_block = true };
    struct store_get_result result;
    struct buf body = BUF_INIT;
    assert_int_equal(store_get(dir->store, &request, &body, &result), 0);
    assert_true(result.next_offset > 2);
    buf_fini(&body);
}

/* Goal: a restart, in order or not, finds what was there and goes on. */
static void a_restart_goes_on(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 0, 300);
    store_dir_await(is_swapped, dir);
    struct store_dir *killed = configured(store_dir_copy(dir));
    store_dir_open(killed);
    expect_newest(killed, 300);
    put_some(killed, 300, 400);
    expect_newest(killed, 400);
    store_dir_remove(killed);
    store_dir_close(dir);
    store_dir_open(dir);
    expect_newest(dir, 300);
    put_some(dir, 300, 305);
    expect_newest(dir, 305);
}

static bool has_stopped_between(void *ctx)
{
    return get_at(ctx, 0, true) == ERR_IO;
}

/* Goal: a compaction that dies at any step leaves the old files or the new ones, and every key.
 * Method: it fails at the n-th step of the swap; the files as they are then are opened. */
static void a_swap_that_dies_is_finished(void **state)
{
    (void)state;
    for (int step = 0; step < 8; step++) {
        struct store_dir *dir = configured(store_dir_new());
        dir->options.compaction_interval_ms = 3600000;
        store_dir_open(dir);
        put_some(dir, 0, 300);
        fault_arm("compaction.swap", step, 1000000, ERR_IO);
        reopen(dir, 20);
        store_dir_await(has_stopped_between, dir);
        assert_true(store_dir_has(dir, "compaction/compactionLog/kv/0/compacting/swap"));
        struct store_dir *killed = configured(store_dir_copy(dir));
        fault_disarm_all();
        killed->options.compaction_interval_ms = 3600000;
        store_dir_open(killed);
        expect_newest(killed, 300);
        assert_false(store_dir_has(killed, "compaction/compactionLog/kv/0/compacting"));
        reopen(killed, 20);
        store_dir_await(is_compacted, killed);
        expect_newest(killed, 300);
        store_dir_remove(killed);
        store_dir_remove(dir);
    }
}

/* Goal: a swap whose note has turned is not finished by a guess, which would remove the wrong pair.
 * Method: each bit of the note of one that died; the start is refused and changes nothing; with the
 * note as it was it goes on. */
static void a_swap_whose_note_has_turned_is_refused(void **state)
{
    static const char note[] = "compaction/compactionLog/kv/0/compacting/swap";
    char path[256];
    struct stat file;
    struct store_dir *dir = *state;
    dir->options.compaction_interval_ms = 3600000;
    put_some(dir, 0, 300);
    fault_arm("compaction.swap", 2, 1000000, ERR_IO);
    reopen(dir, 20);
    store_dir_await(has_stopped_between, dir);
    struct store_dir *killed = configured(store_dir_copy(dir));
    fault_disarm_all();
    store_dir_file_path(killed, note, path);
    assert_int_equal(stat(path, &file), 0);
    for (int64_t at = 0; at < file.st_size; at++)
        for (int bit = 0; bit < 8; bit++) {
            store_dir_flip(killed, note, at, bit);
            assert_int_equal(store_open(&killed->options, &killed->store), ERR_CORRUPT);
            store_dir_flip(killed, note, at, bit);
        }
    killed->store = NULL;
    store_dir_open(killed);
    expect_newest(killed, 300);
    store_dir_remove(killed);
}

/* Goal: a compaction that dies before the swap leaves everything as it was. */
static void what_was_not_swapped_is_forgotten(void **state)
{
    struct store_dir *dir = *state;
    reopen(dir, 3600000);
    put_some(dir, 0, 100);
    store_dir_close(dir);
    char path[256];
    store_dir_file_path(dir, "compaction/compactionLog/kv/0/compacting", path);
    assert_int_equal(mkdir(path, 0755), 0);
    store_dir_open(dir);
    expect_newest(dir, 100);
    assert_int_equal(read_all(dir, 0).count, 100);
    assert_false(store_dir_has(dir, "compaction/compactionLog/kv/0/compacting"));
}

static bool first_log_file_is_gone(void *ctx)
{
    store_clean_now(((struct store_dir *)ctx)->store);
    return !store_dir_has(ctx, "commitlog/00000000000000000000");
}

/* Goal: when the commit log has let a key's only message go, it is still read. */
static void a_key_outlives_the_commit_log(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 0, 100);
    for (int i = 0; store_dir_log_end(dir) < LOG_FILE_BYTES + 1000; i++)
        store_dir_put_big(dir, "others", 0, i, 500);
    store_dir_age(dir, "commitlog/00000000000000000000", 100);
    store_dir_await(first_log_file_is_gone, dir);
    expect_newest(dir, 100);
    assert_true(store_queue_min(dir->store, SLICE("kv"), 0) < 100);
    store_dir_close(dir);
    store_dir_open(dir);
    expect_newest(dir, 100);
}

/* Goal: a deleted topic leaves nothing; one of its name begins at 0. */
static void a_deleted_topic_leaves_nothing(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 0, 300);
    store_dir_await(is_compacted, dir);
    store_delete_topic(dir->store, SLICE("kv"));
    assert_false(store_dir_has(dir, FIRST_LOG));
    store_set_compaction_topic(dir->store, SLICE("kv"));
    put_some(dir, 0, 5);
    expect_newest(dir, 5);
    assert_int_equal(read_all(dir, 0).count, 5);
}

static struct compaction_queue *queue_of_one(struct store_dir *dir)
{
    struct compaction_queue *queue;
    char log_dir[256], queue_dir[256];
    uint8_t bytes[200];
    struct record record = { .topic = SLICE("kv"), .body = SLICE("one") };
    size_t len = record_bytes(&record);
    struct store_queue_entry entry = { .bytes = (int32_t)len, .count = 1 };
    assert_true(len <= sizeof bytes);
    record_encode(&record, bytes);
    store_dir_file_path(dir, "alone/log", log_dir);
    store_dir_file_path(dir, "alone/cq", queue_dir);
    assert_int_equal(compaction_queue_open(log_dir, queue_dir, SLICE("kv"), 0,
                                           compaction_sizes_of(LOG_BYTES, CQ_BYTES), false, &queue),
                     0);
    assert_int_equal(compaction_queue_append(queue, slice_of(bytes, len), &entry), 0);
    return queue;
}

static atomic_bool is_syncing;

static void *sync_queue(void *queue)
{
    atomic_store(&is_syncing, true);
    assert_int_equal(compaction_queue_sync(queue), 0);
    return NULL;
}

static bool sync_has_begun(void *ctx)
{
    (void)ctx;
    return atomic_load(&is_syncing);
}

static bool is_free(void *queue)
{
    struct lock *lock = &((struct compaction_queue *)queue)->lock;
    if (!lock_try(lock))
        return false;
    lock_release(lock);
    return true;
}

/* Goal: who reads a queue does not wait for the disk to have what was added. Method: a sync that
 * lasts until it is let go; the lock that readers take is found free again and again meanwhile. */
static void readers_do_not_wait_for_a_sync(void **state)
{
    struct compaction_queue *queue = queue_of_one(*state);
    pthread_t thread;
    atomic_store(&is_syncing, false);
    fault_arm_pause("disk.sync", 0, 1000, ANY_TEST_MS); /* the store beside it syncs too */
    assert_int_equal(pthread_create(&thread, NULL, sync_queue, queue), 0);
    store_dir_await(sync_has_begun, NULL);
    for (int i = 0; i < 100; i++) {
        usleep(1000);
        store_dir_await(is_free, queue);
    }
    fault_disarm_all();
    pthread_join(thread, NULL);
    compaction_queue_free(queue);
}

/* Goal: entries that lead to torn records are cut off, and come again from the commit log. */
static void a_torn_end_comes_again(void **state)
{
    struct store_dir *dir = *state;
    reopen(dir, 3600000);
    put_some(dir, 0, 10);
    store_dir_await(is_copied, dir);
    struct store_dir *killed = configured(store_dir_copy(dir));
    killed->options.compaction_interval_ms = 3600000;
    const uint8_t zeros[300] = { 0 };
    store_dir_write(killed, FIRST_LOG, 900, zeros, sizeof zeros);
    store_dir_open(killed);
    expect_newest(killed, 10);
    store_dir_close(killed);
    store_dir_open(killed);
    expect_newest(killed, 10);
    assert_int_equal(read_all(killed, 0).count, 10);
    store_dir_remove(killed);
}

enum { ROTTEN = 12 };

/* What is served of each message, but for its place; len 0: nothing is. */
static void serve_all(struct store_dir *dir, struct buf served[ROTTEN])
{
    for (int i = 0; i < ROTTEN; i++) {
        struct store_get_request request = {
            .topic = SLICE("kv"), .queue_offset = i, .max_count = 1, .may_block = true
        };
        struct store_get_result result;
        buf_clear(&served[i]);
        assert_int_equal(store_get(dir->store, &request, &served[i], &result), 0);
        if (served[i].len > 0 &&
            (int64_t)get_be64(served[i].data + RECORD_QUEUE_OFFSET) != i) /* the next one */
            buf_clear(&served[i]);
        if (served[i].len > 0)
            memset(served[i].data + RECORD_PHY_OFFSET, 0, sizeof(int64_t));
    }
}

static void expect_one_missing_at_most(struct store_dir *dir, const struct buf original[ROTTEN],
                                       struct buf served[ROTTEN])
{
    int missing = 0;
    struct store_state state;
    serve_all(dir, served);
    for (int i = 0; i < ROTTEN; i++) {
        missing += served[i].len == 0;
        if (served[i].len > 0) {
            assert_int_equal(served[i].len, original[i].len);
            assert_memory_equal(served[i].data, original[i].data, original[i].len);
        }
    }
    store_state(dir->store, &state);
    assert_in_range(missing, 0, 1);
    assert_true(missing == 0 || state.damaged_records > 0);
}

/* Goal: a flipped bit in a copy or its entry costs that message and no other, is counted, and never
 * serves another byte: head and properties are guarded, too, which have no checksum of their own.
 * Method: a bit of every third byte of three entries and of three records. */
static void a_flipped_bit_of_a_copy_is_passed_over(void **state)
{
    enum { RECORD_BYTES = 200, STEP = 3 };
    struct store_dir *dir = *state;
    struct buf original[ROTTEN] = { 0 };
    struct buf served[ROTTEN] = { 0 };
    reopen(dir, INT64_C(1) << 40);
    put_some(dir, 0, ROTTEN);
    reopen(dir, INT64_C(1) << 40);
    serve_all(dir, original);
    for (int i = 0; i < ROTTEN; i++)
        assert_true(original[i].len > 0);
    for (int64_t at = 0; at < 3 * BCQ_ENTRY_BYTES + 3 * RECORD_BYTES; at += STEP) {
        bool is_entry = at < 3 * BCQ_ENTRY_BYTES;
        const char *name = is_entry ? FIRST_CQ : FIRST_LOG;
        int64_t place = is_entry ? at : at - 3 * BCQ_ENTRY_BYTES;
        store_dir_close(dir);
        store_dir_flip(dir, name, place, (int)(at % 8));
        store_dir_open(dir);
        expect_one_missing_at_most(dir, original, served);
        store_dir_close(dir);
        store_dir_flip(dir, name, place, (int)(at % 8));
        store_dir_open(dir);
    }
    for (int i = 0; i < ROTTEN; i++) {
        buf_fini(&original[i]);
        buf_fini(&served[i]);
    }
}

/* Goal: half of a pair, and one that was cut short, keep the store from opening: what they hold may
 * be nowhere else. Method: either file, the last pair as well; then all of it is there again. */
static void half_a_pair_is_refused(void **state)
{
    static const char *const names[] = { FIRST_LOG, FIRST_CQ };
    struct store_dir *dir = *state;
    reopen(dir, INT64_C(1) << 40);
    put_some(dir, 0, ROTTEN);
    store_dir_close(dir);
    for (int i = 0; i < 4; i++) {
        struct store_dir *copy = configured(store_dir_copy(dir));
        char path[256];
        store_dir_file_path(copy, names[i % 2], path);
        assert_int_equal(i < 2 ? unlink(path) : truncate(path, 500), 0);
        assert_int_equal(store_open(&copy->options, &copy->store), ERR_CORRUPT);
        copy->store = NULL;
        store_dir_remove(copy);
    }
    store_dir_open(dir);
    expect_newest(dir, ROTTEN);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_newest_of_each_key_stays),           CASE(the_loop_does_not_wait),
        CASE(an_empty_message_ends_its_key),          CASE(a_restart_goes_on),
        CASE(a_swap_that_dies_is_finished),           CASE(a_swap_whose_note_has_turned_is_refused),
        CASE(what_was_not_swapped_is_forgotten),      CASE(a_key_outlives_the_commit_log),
        CASE(a_deleted_topic_leaves_nothing),         CASE(a_torn_end_comes_again),
        CASE(a_flipped_bit_of_a_copy_is_passed_over), CASE(half_a_pair_is_refused),
        CASE(readers_do_not_wait_for_a_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
