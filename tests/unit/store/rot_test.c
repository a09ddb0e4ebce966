/* One flipped bit or lost file does not end a log or a queue, and is counted when it is met. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "store/commit_log.h"
#include "store/consume_queue.h"
#include "store/disk.h"
#include "store/indexer.h"
#include "store/store_dir.h"

#define LOG_FILE "commitlog/00000000000000000000"
#define QUEUE_FILE "consumequeue/orders/0/00000000000000000000"

static int set_up(void **state)
{
    struct store_dir *dir = store_dir_new();
    dir->options.append_record_crc = true;
    return store_dir_set_up(state, dir);
}

static void put_some(struct store_dir *dir, int count)
{
    for (int i = 0; i < count; i++) {
        char body[24];
        snprintf(body, sizeof body, "%lld",
                 (long long)store_queue_max(dir->store, SLICE("orders"), 0));
        store_dir_put(dir, "orders", 0, body, "");
    }
}

static void expect_all(struct store_dir *dir, int64_t from, int64_t upto)
{
    for (int64_t i = from; i < upto; i++) {
        char body[24];
        snprintf(body, sizeof body, "%lld", (long long)i);
        store_dir_expect(dir, "orders", 0, i, body);
    }
}

static int64_t damaged(struct store_dir *dir)
{
    struct store_state state;
    store_state(dir->store, &state);
    return state.damaged_records;
}

/* Goal: a process that dies leaves no damaged record, so one at the end of its log is no end of it:
 * the start is refused. Method: a bit of the last body is turned in a killed store. */
static void the_last_record_of_a_killed_process_is_no_end(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 2);
    struct store_dir *killed = store_dir_copy(dir);
    store_dir_flip(killed, LOG_FILE, store_dir_log_end(dir) - 30, 2);
    struct store *store = NULL;
    assert_int_equal(store_open(&killed->options, &store), ERR_CORRUPT);
    assert_null(store);
    store_dir_remove(killed);
}

/* Goal: a bit that turned where nobody wrote is no record. */
static void a_bit_behind_the_log_is_no_record(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 2);
    int64_t end = store_dir_log_end(dir);
    for (int at = 0; at < 12; at++) {
        struct store_dir *killed = store_dir_copy(dir);
        store_dir_flip(killed, LOG_FILE, end + at, at % 8);
        store_dir_open(killed);
        assert_int_equal(store_dir_log_end(killed), end);
        expect_all(killed, 0, 2);
        store_dir_remove(killed);
    }
}

/* Goal: a process that is killed in the middle of copying a put starts again without it. Method:
 * what copying may leave, from the front and from the back: the length always comes last. */
static void a_put_that_was_half_copied_is_no_record(void **state)
{
    static const uint8_t front[] = { 0, 0, 0, 0, 0xda, 0xa3, 0x20 };
    uint8_t back[200] = { 0 };
    struct store_dir *dir = *state;
    put_some(dir, 2);
    int64_t end = store_dir_log_end(dir);
    memset(back + 64, 'x', sizeof back - 64);
    const struct slice remains[] = { slice_of(front, sizeof front), slice_of(back, sizeof back) };
    for (int i = 0; i < 2; i++) {
        struct store_dir *killed = store_dir_copy(dir);
        store_dir_write(killed, LOG_FILE, end, remains[i].data, remains[i].len);
        store_dir_open(killed);
        assert_int_equal(store_dir_log_end(killed), end);
        expect_all(killed, 0, 2);
        put_some(killed, 1);
        expect_all(killed, 0, 3);
        store_dir_remove(killed);
    }
}

/* Goal: a queue's last entry keeps its place whatever bit of it turned: no number is given twice.
 * Method: its length made negative, and its record damaged too, so that nothing puts it right: the
 * message is passed over and counted. */
static void a_damaged_last_entry_keeps_its_place(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 3);
    int64_t end = store_dir_log_end(dir);
    store_dir_close(dir);
    store_dir_flip(dir, QUEUE_FILE, 2 * CQ_ENTRY_BYTES + CQ_LENGTH, 7);
    store_dir_open(dir);
    store_dir_flip(dir, LOG_FILE, end - 30, 2);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 3);
    struct buf bytes = BUF_INIT;
    struct record record;
    assert_int_equal(damaged(dir), 0);
    assert_false(store_dir_get(dir, "orders", 0, 2, &bytes, &record));
    assert_int_equal(damaged(dir), 1);
    buf_fini(&bytes);
    put_some(dir, 1);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 4);
    expect_all(dir, 0, 2);
    expect_all(dir, 3, 4);
}

/* Goal: an entry whose position or length turned hides no message: the log is asked what it led to,
 * and it is put right. Method: each bit of both in turn, in the first entry, one in the midst and
 * the last. */
static void an_entry_that_turned_leads_to_its_record(void **state)
{
    enum { BITS = 64 + 32, COUNT = 5 };
    static const int turned[] = { 0, 2, COUNT - 1 };
    struct store_dir *dir = *state;
    put_some(dir, COUNT);
    store_dir_close(dir);
    store_dir_open(dir);
    expect_all(dir, 0, COUNT);
    for (int i = 0; i < 3 * BITS; i++) {
        int64_t at = turned[i / BITS] * CQ_ENTRY_BYTES + i % BITS / 8;
        int64_t before = damaged(dir);
        store_dir_flip(dir, QUEUE_FILE, at, i % 8);
        expect_all(dir, 0, COUNT);
        assert_int_equal(damaged(dir), before + 1);
        expect_all(dir, 0, COUNT); /* it is right in its file, too */
        assert_int_equal(damaged(dir), before + 1);
    }
}

/* Goal: so it is for who cannot wait. */
static void who_cannot_wait_finds_what_an_entry_led_to(void **state)
{
    struct store_dir *dir = *state;
    struct store_get_request request = {
        .topic = SLICE("orders"), .queue_offset = 1, .max_count = 1, .may_block = false
    };
    put_some(dir, 3);
    store_dir_close(dir);
    store_dir_open(dir);
    expect_all(dir, 0, 3);
    if (!store_dir_tells_of_waits(dir, QUEUE_FILE))
        skip();
    for (int bit = 0; bit < 64; bit++) {
        struct store_get_result result;
        struct buf bytes = BUF_INIT;
        store_dir_flip(dir, QUEUE_FILE, CQ_ENTRY_BYTES + bit / 8, bit % 8);
        assert_int_equal(store_get(dir->store, &request, &bytes, &result), 0);
        assert_int_equal(result.status, GET_FOUND);
        assert_int_equal(result.next_offset, 2);
        store_dir_flip(dir, QUEUE_FILE, CQ_ENTRY_BYTES + bit / 8, bit % 8);
        buf_fini(&bytes);
    }
}

/* Goal: and for who takes one message after the other, as the timers do. */
static void what_is_queued_is_found(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 3);
    store_dir_close(dir);
    store_dir_open(dir);
    for (int bit = 0; bit < 64; bit += 3) {
        struct store_queue_entry entry = { .count = 0 };
        struct record record;
        struct buf bytes = BUF_INIT;
        expect_all(dir, 0, 3);
        store_dir_flip(dir, QUEUE_FILE, CQ_ENTRY_BYTES + bit / 8, bit % 8);
        assert_int_equal(store_get_queued(dir->store, SLICE("orders"), 0, 1, &entry, &bytes), 0);
        assert_int_equal(record_decode(buf_slice(&bytes), RECORD_CHECK_ALL, &record), 0);
        assert_int_equal(record.queue_offset, 1);
        assert_int_equal(record.phy_offset, entry.phy_offset);
        assert_int_equal(store_get_queued(dir->store, SLICE("orders"), 0, 3, &entry, &bytes),
                         ERR_NOT_FOUND);
        buf_fini(&bytes);
    }
}

/* Goal: a start with such an entry harms nobody who reads on. */
static void an_entry_may_lead_anywhere(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 3);
    for (int bit = 0; bit < 64; bit++) {
        store_dir_close(dir);
        store_dir_flip(dir, QUEUE_FILE, 2 * CQ_ENTRY_BYTES + bit / 8, bit % 8);
        store_dir_open(dir);
        expect_all(dir, 0, 3);
    }
}

/* Goal: a bit that turned behind a queue's end is no message. */
static void a_bit_behind_a_queue_is_no_entry(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 3);
    for (int at = 0; at < 6 * CQ_ENTRY_BYTES; at += 7) {
        store_dir_close(dir);
        store_dir_flip(dir, QUEUE_FILE, 3 * CQ_ENTRY_BYTES + at, at % 8);
        store_dir_open(dir);
        assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 3);
        expect_all(dir, 0, 3);
        store_dir_flip(dir, QUEUE_FILE, 3 * CQ_ENTRY_BYTES + at, at % 8);
    }
}

/* Goal: entries that stand for records a repair took out hide none before them. */
static void a_hole_in_a_queue_hides_nothing(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 40);
    store_dir_close(dir);
    uint8_t filler[CQ_ENTRY_BYTES] = { 0 };
    put_be32(filler + CQ_LENGTH, CQ_FILLER_LENGTH);
    for (int i = 10; i < 30; i++)
        store_dir_write(dir, QUEUE_FILE, i * CQ_ENTRY_BYTES, filler, sizeof filler);
    store_dir_open(dir);
    assert_int_equal(store_queue_min(dir->store, SLICE("orders"), 0), 0);
    expect_all(dir, 0, 10);
    expect_all(dir, 30, 40);
    assert_int_equal(damaged(dir), 0);
}

/* Goal: a directory of the reference, whose checkpoint counts no files, has a queue file that was
 * cut short built again from all of the log. */
static void a_cut_queue_file_without_our_checkpoint_is_built_again(void **state)
{
    struct store_dir *dir = *state;
    char path[256];
    store_dir_put(dir, "others", 0, "x", "");
    put_some(dir, 50);
    store_dir_close(dir);
    store_dir_delete(dir, "checkpoint");
    store_dir_file_path(dir, QUEUE_FILE, path);
    assert_int_equal(truncate(path, 77), 0);
    store_dir_open(dir);
    expect_all(dir, 0, 50);
}

/* Goal: an old copy of the log under the checkpoint of today is refused, not served as all there
 * is. */
static void an_old_copy_of_the_log_is_refused(void **state)
{
    static const uint8_t zeros[LOG_FILE_BYTES];
    struct store_dir *dir = *state;
    put_some(dir, 2);
    int64_t old_end = store_dir_log_end(dir);
    put_some(dir, 5);
    int64_t end = store_dir_log_end(dir);
    store_dir_close(dir);
    store_dir_write(dir, LOG_FILE, old_end, zeros, (size_t)(end - old_end));
    struct store *store = NULL;
    assert_int_equal(store_open(&dir->options, &store), ERR_CORRUPT);
    assert_null(store);
}

/* The block of the checkpoint that was written last is left as by a process that died writing it.
 */
static void tear_checkpoint(const struct store_dir *dir)
{
    enum { FIRST_BLOCK = 64, BLOCK_BYTES = 144, SEQUENCE = 136, FLUSHED = 96 };
    uint8_t page[FIRST_BLOCK + 2 * BLOCK_BYTES];
    store_dir_read(dir, "checkpoint", 0, page, sizeof page);
    int newer = get_be64(page + FIRST_BLOCK + SEQUENCE) >
                        get_be64(page + FIRST_BLOCK + BLOCK_BYTES + SEQUENCE)
                    ? FIRST_BLOCK
                    : FIRST_BLOCK + BLOCK_BYTES;
    store_dir_write(dir, "checkpoint", newer + FLUSHED, "torn", 4);
}

/* Goal: a process that dies while it writes the checkpoint takes nothing with it: the next start
 * still knows that the page cache is whole, keeps every message, and refuses a flipped bit with
 * good records behind it. */
static void a_torn_checkpoint_does_not_hide_damage(void **state)
{
    struct store_dir *dir = *state;
    put_some(dir, 1);
    int64_t second = store_dir_log_end(dir);
    put_some(dir, 2);
    struct store_dir *killed = store_dir_copy(dir);
    tear_checkpoint(killed);
    store_dir_open(killed);
    expect_all(killed, 0, 3);
    store_dir_remove(killed);
    killed = store_dir_copy(dir);
    tear_checkpoint(killed);
    store_dir_flip(killed, LOG_FILE, second + 60, 3);
    struct store *store = NULL;
    assert_int_equal(store_open(&killed->options, &store), ERR_CORRUPT);
    assert_null(store);
    store_dir_remove(killed);
}

/* Goal: a clock that is set back between puts, and before a restart, moves nothing. */
static void a_clock_set_back_moves_nothing(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < 6; i++) {
        put_some(dir, 3);
        dir->now_ms -= 3600000;
    }
    struct store_dir *killed = store_dir_copy(dir);
    store_dir_open(killed);
    expect_all(killed, 0, 18);
    put_some(killed, 1);
    store_dir_close(killed);
    store_dir_open(killed);
    expect_all(killed, 0, 19);
    store_dir_remove(killed);
}

static int find_key(struct store_dir *dir, int number)
{
    struct buf found = BUF_INIT;
    int64_t last_ms, last_phy;
    char key[16];
    snprintf(key, sizeof key, "k%d", number);
    store_dir_await_index(dir);
    int count = store_query(dir->store, SLICE("orders"), slice_str(key), 8, 0, INT64_MAX, &found,
                            &last_ms, &last_phy);
    buf_fini(&found);
    return count;
}

struct first_file {
    char name[64];
};

static void take_first(void *ctx, const char *name, bool is_dir)
{
    struct first_file *first = ctx;
    if (!is_dir && (first->name[0] == 0 || strcmp(name, first->name) < 0))
        snprintf(first->name, sizeof first->name, "%s", name);
}

/* Opens the index of a closed store, which drops what is not fit; the directory cannot be synced.
 */
static int open_index_unsynced(const struct store_dir *dir)
{
    char log_path[256];
    char path[256];
    struct commit_log *log;
    struct indexer *indexer;
    store_dir_file_path(dir, "commitlog", log_path);
    store_dir_file_path(dir, "index", path);
    assert_int_equal(commit_log_open(log_path, LOG_FILE_BYTES, false, 1 << 30, &log), 0);
    const struct index_files_options options = { .dir = path,
                                                 .slot_count = INDEX_SLOTS,
                                                 .entry_count = INDEX_ENTRIES,
                                                 .log = log,
                                                 .safe_end = -1 };
    fault_arm("disk.sync_dirs", 0, INT64_MAX, ERR_IO);
    int err = indexer_open(&options, &indexer);
    fault_disarm_all();
    if (err == 0)
        indexer_close(indexer);
    commit_log_close(log);
    return err;
}

/* Goal: an index file that is dropped is gone on the disk before anything is built on that, or a
 * loss of power brought it back. Method: where the directory cannot be synced, opening an index
 * that drops a file fails, and one that drops none does not. */
static void a_dropped_index_file_does_not_come_back(void **state)
{
    struct store_dir *dir = *state;
    char path[256];
    char name[128];
    struct first_file first = { "" };
    store_dir_put(dir, "orders", 0, "x", "KEYS\001k0\002");
    assert_int_equal(find_key(dir, 0), 1);
    store_dir_close(dir);
    assert_int_equal(open_index_unsynced(dir), 0);
    store_dir_file_path(dir, "index", path);
    disk_each_name(path, take_first, &first);
    snprintf(name, sizeof name, "index/%s", first.name);
    store_dir_file_path(dir, name, path);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(open_index_unsynced(dir), ERR_IO);
    assert_false(store_dir_has(dir, name));
}

/* Goal: an index file that is cut short is made again, though it is not the newest, and no key of
 * the later ones is lost or there twice. */
static void an_old_index_file_is_made_again(void **state)
{
    enum { KEYS = 1300 };
    struct store_dir *dir = *state;
    for (int i = 0; i < KEYS; i++) {
        char properties[32];
        snprintf(properties, sizeof properties, "KEYS\001k%d\002", i);
        store_dir_put(dir, "orders", 0, "x", properties);
    }
    assert_int_equal(find_key(dir, KEYS - 1), 1);
    store_dir_close(dir);
    char path[256];
    char name[128];
    struct first_file first = { "" };
    store_dir_file_path(dir, "index", path);
    disk_each_name(path, take_first, &first);
    snprintf(name, sizeof name, "index/%s", first.name);
    store_dir_file_path(dir, name, path);
    assert_int_equal(truncate(path, 100), 0);
    store_dir_open(dir);
    for (int i = 0; i < KEYS; i += 99)
        assert_int_equal(find_key(dir, i), 1);
    assert_int_equal(find_key(dir, KEYS - 1), 1);
}

/* Whatever is asked of the queue fails, and says why. */
static void expect_unreadable(struct store_dir *dir, int err)
{
    struct store_queue_entry entry;
    int64_t found;
    bool is_in_memory;
    struct slice topic = SLICE("orders");
    assert_int_equal(store_queue_entry_at(dir->store, topic, 0, 1, &entry), err);
    assert_int_equal(store_queue_begins_in_memory(dir->store, topic, 0, &is_in_memory), err);
    assert_int_equal(store_queue_time(dir->store, topic, 0, 1, &found), err);
    assert_int_equal(store_queue_offset_by_time(dir->store, topic, 0, 5, BOUNDARY_LOWER, &found),
                     err);
    assert_int_equal(store_queue_offset_by_time(dir->store, topic, 0, 5, BOUNDARY_UPPER, &found),
                     err);
}

/* Goal: a queue that cannot be read is never taken for an empty one, or for one that ends where it
 * could not be read on. Method: reads fail before anybody has opened the queue, and after that. */
static void an_unreadable_queue_is_not_empty(void **state)
{
    struct store_dir *dir = *state;
    struct store_bounds bounds;
    put_some(dir, 3);
    store_dir_close(dir);
    store_dir_open(dir);
    fault_arm("disk.read", 0, INT64_MAX, ERR_IO);
    assert_int_equal(store_queue_bounds(dir->store, SLICE("orders"), 0, &bounds), ERR_IO);
    assert_int_equal(store_queue_open(dir->store, SLICE("orders"), 0), ERR_IO);
    expect_unreadable(dir, ERR_IO);
    fault_disarm_all();
    assert_int_equal(store_queue_bounds(dir->store, SLICE("orders"), 0, &bounds), 0);
    assert_int_equal(bounds.min, 0);
    assert_int_equal(bounds.max, 3);
    fault_arm("disk.read", 0, INT64_MAX, ERR_IO);
    expect_unreadable(dir, ERR_IO);
    assert_int_equal(store_queue_bounds(dir->store, SLICE("orders"), 0, &bounds), 0);
    assert_int_equal(bounds.max, 3);
    fault_disarm_all();
    assert_int_equal(store_queue_bounds(dir->store, SLICE("none"), 0, &bounds), 0);
    assert_int_equal(bounds.max, 0);
}

static bool is_indexed(void *ctx)
{
    struct store_dir *dir = ctx;
    struct store_state state;
    store_state(dir->store, &state);
    return state.indexed_phy_offset >= state.max_phy_offset;
}

/* Goal: an index that is made again has every key but those of a damaged record: what follows on it
 * in its file of the log is found. Method: the length of one record, and the magic of another. */
static void an_index_made_again_passes_over_damage(void **state)
{
    enum { KEYS = 40, BROKEN_LENGTH = 3, BROKEN_MAGIC = 20 };
    struct store_dir *dir = *state;
    int64_t places[KEYS];
    for (int i = 0; i < KEYS; i++) {
        char properties[32];
        snprintf(properties, sizeof properties, "KEYS\001k%d\002", i);
        places[i] = store_dir_put(dir, "orders", 0, "x", properties).phy_offset;
    }
    store_dir_close(dir);
    store_dir_delete(dir, "index");
    store_dir_flip(dir, LOG_FILE, places[BROKEN_LENGTH] + 3, 1);
    store_dir_flip(dir, LOG_FILE, places[BROKEN_MAGIC] + 5, 6);
    store_dir_open(dir);
    store_dir_await(is_indexed, dir);
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(find_key(dir, i), i != BROKEN_LENGTH && i != BROKEN_MAGIC);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(the_last_record_of_a_killed_process_is_no_end),
        STORE_TEST(a_bit_behind_the_log_is_no_record),
        STORE_TEST(a_put_that_was_half_copied_is_no_record),
        STORE_TEST(a_damaged_last_entry_keeps_its_place),
        STORE_TEST(an_entry_that_turned_leads_to_its_record),
        STORE_TEST(who_cannot_wait_finds_what_an_entry_led_to),
        STORE_TEST(what_is_queued_is_found),
        STORE_TEST(an_entry_may_lead_anywhere),
        STORE_TEST(an_unreadable_queue_is_not_empty),
        STORE_TEST(a_bit_behind_a_queue_is_no_entry),
        STORE_TEST(a_hole_in_a_queue_hides_nothing),
        STORE_TEST(a_cut_queue_file_without_our_checkpoint_is_built_again),
        STORE_TEST(an_old_copy_of_the_log_is_refused),
        STORE_TEST(a_torn_checkpoint_does_not_hide_damage),
        STORE_TEST(a_clock_set_back_moves_nothing),
        STORE_TEST(a_dropped_index_file_does_not_come_back),
        STORE_TEST(an_old_index_file_is_made_again),
        STORE_TEST(an_index_made_again_passes_over_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
