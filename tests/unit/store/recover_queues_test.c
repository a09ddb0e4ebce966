#include "store/store_dir.h"

#include <stdio.h>
#include <unistd.h>

#include "base/fault.h"
#include "store/checkpoint.h"

#define LOG_FILE "commitlog/00000000000000000000"
#define QUEUE_FILE "consumequeue/orders/0/00000000000000000000"

static int set_up(void **state)
{
    return store_dir_set_up(state, store_dir_new());
}

/* Goal: a queue's end is found wherever it lies in a sparse file of many pages. Method: a queue for
 * each count of entries, around those where a page begins that is asked for first; opened again. */
static void the_end_is_found_in_every_page(void **state)
{
    static const int counts[] = { 1, 203, 204, 205, 206, 819, 820, 821, 1500 };
    enum { COUNTS = sizeof counts / sizeof counts[0], MANY_ENTRIES = 1500 };
    struct store_dir *dir = *state;
    store_dir_close(dir);
    dir->options.consume_queue_file_bytes = MANY_ENTRIES * ENTRY_BYTES;
    store_dir_open(dir);
    for (int i = 0; i < COUNTS; i++)
        for (int n = 0; n < counts[i]; n++)
            store_dir_put(dir, "pages", i, "body", "");
    store_dir_close(dir);
    store_dir_open(dir);
    for (int i = 0; i < COUNTS; i++) {
        assert_int_equal(store_queue_max(dir->store, SLICE("pages"), i), counts[i]);
        store_dir_expect(dir, "pages", i, counts[i] - 1, "body");
    }
}

/* Messages that only the log of a killed process has, in so many queues. */
enum { CROWD_TOPICS = 9, CROWD_QUEUES = 3 };

static void put_crowd(struct store_dir *dir)
{
    char topic[32];
    for (int i = 0; i < CROWD_TOPICS * CROWD_QUEUES; i++) {
        snprintf(topic, sizeof topic, "crowd%d", i / CROWD_QUEUES);
        store_dir_put_numbered(dir, topic, i % CROWD_QUEUES);
    }
}

static void expect_crowd(struct store_dir *dir, int64_t count)
{
    char topic[32];
    for (int i = CROWD_TOPICS * CROWD_QUEUES - 1; i >= 0; i--) {
        snprintf(topic, sizeof topic, "crowd%d", i / CROWD_QUEUES);
        store_dir_expect_numbered(dir, topic, i % CROWD_QUEUES, count);
    }
}

static bool has_all_in_files(void *ctx)
{
    struct store_dir *dir = ctx;
    char path[256];
    struct checkpoint checkpoint;
    store_dir_file_path(dir, "checkpoint", path);
    return checkpoint_read(path, &checkpoint) == 0 &&
           checkpoint.dispatched == store_dir_log_end(dir);
}

/* Goal: queues that a start after a kill has not opened yet have everything when they are asked
 * for, put to, or asked for by nobody. Method: a store that never wrote to queue files since is
 * killed; killed again right behind the start; then every queue is put to, read, and the store is
 * left alone until the checkpoint says that all is in files; killed then, and opened. */
static void queues_nobody_opened_yet_have_everything(void **state)
{
    struct store_dir *dir = *state;
    put_crowd(dir);
    store_dir_close(dir);
    dir->options.flush_interval_ms = dir->options.queue_flush_interval_ms = ANY_TEST_MS;
    store_dir_open(dir);
    store_dir_calm(dir->store);
    put_crowd(dir);
    put_crowd(dir);
    struct store_dir *killed = store_dir_copy(dir);
    killed->options.queue_flush_interval_ms = 1;
    store_dir_open(killed);
    struct store_state opened;
    store_state(killed->store, &opened);
    assert_true(opened.recovered_records >= 2 * CROWD_TOPICS * CROWD_QUEUES);
    struct store_dir *again = store_dir_copy(killed);
    put_crowd(killed);
    expect_crowd(killed, 4);
    store_dir_open(again);
    store_dir_await(has_all_in_files, again);
    struct store_dir *left_alone = store_dir_copy(again);
    store_dir_open(left_alone);
    expect_crowd(left_alone, 3);
    expect_crowd(again, 3);
    store_dir_remove(left_alone);
    store_dir_remove(again);
    store_dir_remove(killed);
}

/* Goal: a bit that turned in the last entry that a queue has in its file costs no message of a
 * queue that a start after a kill opens late, though the entry seems to lead behind the log's end.
 * Method: messages in files, more that only the log has, killed; each queue's last entry has
 * turned. */
static void an_entry_that_turned_is_kept_by_queues_opened_late(void **state)
{
    enum { TURNED_BYTE = 2 };
    struct store_dir *dir = *state;
    char path[256];
    put_crowd(dir);
    put_crowd(dir);
    store_dir_close(dir);
    dir->options.flush_interval_ms = dir->options.queue_flush_interval_ms = ANY_TEST_MS;
    store_dir_open(dir);
    store_dir_calm(dir->store);
    put_crowd(dir);
    struct store_dir *killed = store_dir_copy(dir);
    for (int i = 0; i < CROWD_TOPICS * CROWD_QUEUES; i++) {
        snprintf(path, sizeof path, "consumequeue/crowd%d/%d/00000000000000000000",
                 i / CROWD_QUEUES, i % CROWD_QUEUES);
        store_dir_flip(killed, path, ENTRY_BYTES + TURNED_BYTE, 4);
    }
    store_dir_open(killed);
    expect_crowd(killed, 3);
    store_dir_remove(killed);
}

/* Goal: a topic that goes before its queues were opened leaves nothing to the next one of its name.
 * Method: as before; each second topic is deleted right behind the start, and put to. */
static void topics_deleted_before_they_are_opened_are_gone(void **state)
{
    struct store_dir *dir = *state;
    char topic[32];
    store_dir_close(dir);
    dir->options.flush_interval_ms = dir->options.queue_flush_interval_ms = ANY_TEST_MS;
    store_dir_open(dir);
    store_dir_calm(dir->store);
    put_crowd(dir);
    struct store_dir *killed = store_dir_copy(dir);
    store_dir_open(killed);
    for (int i = 0; i < CROWD_TOPICS; i += 2) {
        snprintf(topic, sizeof topic, "crowd%d", i);
        assert_true(store_has_queues(killed->store, slice_str(topic)));
        store_delete_topic(killed->store, slice_str(topic));
        assert_false(store_has_queues(killed->store, slice_str(topic)));
        assert_int_equal(store_queue_max(killed->store, slice_str(topic), 0), 0);
    }
    put_crowd(killed);
    for (int i = 0; i < CROWD_TOPICS; i++) {
        snprintf(topic, sizeof topic, "crowd%d", i);
        store_dir_expect_numbered(killed, topic, 1, i % 2 == 0 ? 1 : 2);
    }
    store_dir_close(killed);
    store_dir_open(killed);
    for (int i = 0; i < CROWD_TOPICS; i++) {
        snprintf(topic, sizeof topic, "crowd%d", i);
        store_dir_expect_numbered(killed, topic, 2, i % 2 == 0 ? 1 : 2);
    }
    store_dir_remove(killed);
}

/* Goal: entries of a queue that lead nowhere, or to another queue's record, are dropped, also when
 * the log has grown past them. Method: two ghosts behind the end of a queue file: at another
 * topic's record, and in the middle of one; then one beyond the log's end. */
static void ghosts_behind_a_queue_are_dropped(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "mine", "");
    struct store_put_result other = store_dir_put(dir, "other", 0, "not mine", "");
    store_dir_close(dir);
    static const int64_t shifts[] = { 0, 5, 100000 };
    for (size_t i = 0; i < sizeof shifts / sizeof shifts[0]; i++) {
        uint8_t ghost[ENTRY_BYTES] = { 0 };
        put_be64(ghost, (uint64_t)(other.phy_offset + shifts[i]));
        put_be32(ghost + 8, (uint32_t)(other.end_phy_offset - other.phy_offset));
        for (int abort = 0; abort < 2; abort++) {
            store_dir_write(dir, QUEUE_FILE, ENTRY_BYTES, ghost, ENTRY_BYTES);
            store_dir_delete(dir, "checkpoint"); /* the reference was here, or the power went */
            if (abort)
                store_dir_write(dir, "abort", 0, "1", 1);
            store_dir_open(dir);
            assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 1);
            store_dir_expect(dir, "orders", 0, 0, "mine");
            store_dir_close(dir);
        }
    }
}

/* Goal: an entry that a loss of power tore at a sector's end goes with those behind it, whose
 * records the log has lost. Method: the second half of the last but one is there, its record is
 * not; the first file of the log has expired, so that the torn entry leads below it. */
static void a_torn_entry_goes_with_those_behind_it(void **state)
{
    enum { COUNT = 900 };
    static const char zeros[256];
    struct store_dir *dir = *state;
    int64_t file_bytes = dir->options.commit_log_file_bytes;
    for (int i = 0; i < COUNT; i++)
        store_dir_put_numbered(dir, "orders", 0);
    struct store_put_result torn = store_dir_put(dir, "orders", 0, "torn", "");
    store_dir_put(dir, "orders", 0, "behind", "");
    store_dir_close(dir);
    char log_file[64];
    char queue_file[64];
    int64_t queue_bytes = dir->options.consume_queue_file_bytes;
    int64_t at = COUNT * ENTRY_BYTES;
    snprintf(log_file, sizeof log_file, "commitlog/%020lld",
             (long long)(torn.phy_offset / file_bytes * file_bytes));
    snprintf(queue_file, sizeof queue_file, "consumequeue/orders/0/%020lld",
             (long long)(at / queue_bytes * queue_bytes));
    store_dir_delete(dir, LOG_FILE);
    store_dir_write(dir, log_file, torn.phy_offset % file_bytes, zeros,
                    (size_t)(torn.end_phy_offset - torn.phy_offset));
    store_dir_write(dir, queue_file, at % queue_bytes, zeros, 8);
    store_dir_delete(dir, "checkpoint");
    store_dir_write(dir, "abort", 0, "1", 1);
    fault_arm_value("disk.of_this_boot", 0);
    store_dir_open(dir);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), COUNT);
}

/* Goal: a queue file that a process died making is no obstacle, also when files behind it are left
 * from before those between were lost. Method: one is empty, the next is gone, the last is there.
 */
static void an_empty_queue_file_before_a_hole_is_built_again(void **state)
{
    enum { FILES = 4, COUNT = FILES * QUEUE_FILE_ENTRIES - 50 };
    struct store_dir *dir = *state;
    char path[256];
    for (int i = 0; i < COUNT; i++)
        store_dir_put(dir, "orders", 0, "x", "");
    store_dir_close(dir);
    for (int file = 0; file < FILES - 2; file++) {
        char empty[64];
        char gone[64];
        struct store_dir *copy = store_dir_copy(dir);
        snprintf(empty, sizeof empty, "consumequeue/orders/0/%020d",
                 file * QUEUE_FILE_ENTRIES * ENTRY_BYTES);
        snprintf(gone, sizeof gone, "consumequeue/orders/0/%020d",
                 (file + 1) * QUEUE_FILE_ENTRIES * ENTRY_BYTES);
        store_dir_file_path(copy, empty, path);
        assert_int_equal(truncate(path, 0), 0);
        store_dir_delete(copy, gone);
        store_dir_open(copy);
        assert_int_equal(store_queue_max(copy->store, SLICE("orders"), 0), COUNT);
        for (int i = 0; i < COUNT; i += 49)
            store_dir_expect(copy, "orders", 0, i, "x");
        store_dir_remove(copy);
    }
}

/* Goal: queue files that went missing or were cut are built again, though the checkpoint knows
 * nothing of it. Method: the files of one queue are removed from a closed store, then one of the
 * other is cut; both are whole again, and the cut one is kept. */
static void lost_queue_files_are_noticed(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < 500; i++)
        store_dir_put_numbered(dir, "orders", i % 2);
    store_dir_close(dir);
    store_dir_delete(dir, "consumequeue/orders/0");
    store_dir_open(dir);
    store_dir_expect_numbered(dir, "orders", 0, 250);
    store_dir_close(dir);
    char path[256];
    store_dir_file_path(dir, "consumequeue/orders/1/00000000000000002000", path);
    assert_int_equal(truncate(path, 700), 0);
    store_dir_open(dir);
    store_dir_expect_numbered(dir, "orders", 1, 250);
    assert_true(store_dir_has(dir, "set-aside/orders@1@00000000000000002000"));
}

/* The checkpoint knows of so many queue files less. */
static void forget_queue_files(const struct store_dir *dir, int64_t count)
{
    struct checkpoint checkpoint;
    char path[256];
    store_dir_file_path(dir, "checkpoint", path);
    assert_int_equal(checkpoint_read(path, &checkpoint), 0);
    checkpoint.queue_files -= count;
    checkpoint.queue_files_seen -= count;
    assert_int_equal(checkpoint_replace(path, &checkpoint, false), 0);
}

/* Goal: a start that builds queues again and does not come to its end leaves that to the next one,
 * which finds none of the wrong files any more. Method: a file of a queue is cut; there are more
 * than the checkpoint knows of, so that their number tells nothing; each write of the start fails.
 */
static void a_start_cut_short_leaves_no_queue_half_built(void **state)
{
    enum { WRITES = 16 };
    struct store_dir *dir = *state;
    for (int i = 0; i < 500; i++)
        store_dir_put_numbered(dir, "orders", i % 2);
    store_dir_close(dir);
    char path[256];
    forget_queue_files(dir, 1);
    store_dir_file_path(dir, "consumequeue/orders/1/00000000000000002000", path);
    assert_int_equal(truncate(path, 700), 0);
    for (int i = 0; i < WRITES; i++) {
        struct store_dir *copy = store_dir_copy(dir);
        struct store *store = NULL;
        fault_arm("disk.write", i, INT64_MAX, ERR_IO);
        if (store_open(&copy->options, &store) == 0)
            (void)store_close(store);
        fault_disarm_all();
        store_dir_open(copy);
        store_dir_expect_numbered(copy, "orders", 0, 250);
        store_dir_expect_numbered(copy, "orders", 1, 250);
        store_dir_remove(copy);
    }
}

/* Goal: after a clean stop of the reference the scan begins in the file that the queues reach.
 * Method: a closed store over four files; no checkpoint; the queue's newer files are gone, so that
 * it ends in the first file of the log. Then once more with the whole queue: one file is scanned.
 */
static void the_queues_say_where_a_clean_log_is_taken_up(void **state)
{
    struct store_dir *dir = *state;
    while (store_dir_log_end(dir) < 3 * LOG_FILE_BYTES)
        store_dir_put_numbered(dir, "orders", 0);
    int64_t count = store_queue_max(dir->store, SLICE("orders"), 0);
    for (int round = 0; round < 2; round++) {
        store_dir_close(dir);
        store_dir_delete(dir, "checkpoint");
        for (int64_t first = QUEUE_FILE_ENTRIES; round == 0 && first < count;
             first += QUEUE_FILE_ENTRIES) {
            char name[64];
            snprintf(name, sizeof name, "consumequeue/orders/0/%020lld",
                     (long long)first * ENTRY_BYTES);
            store_dir_delete(dir, name);
        }
        store_dir_open(dir);
        store_dir_expect_numbered(dir, "orders", 0, count);
        struct store_state opened;
        store_state(dir->store, &opened);
        assert_int_equal(opened.recovered_records, round == 0 ? count : 1);
    }
}

/* Goal: a queue that begins later than 0 is filled up as the format wants it.
 * Method: the log's first record is of queue offset 130: the queue's files are removed and rebuilt
 * from a log whose first file is gone. */
static void a_queue_may_begin_late(void **state)
{
    struct store_dir *dir = *state;
    while (store_dir_log_end(dir) < 2 * LOG_FILE_BYTES)
        store_dir_put_numbered(dir, "orders", 0);
    int64_t max = store_queue_max(dir->store, SLICE("orders"), 0);
    store_dir_close(dir);
    store_dir_delete(dir, LOG_FILE);
    store_dir_delete(dir, "consumequeue");
    store_dir_delete(dir, "checkpoint");
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_open(dir);
    int64_t min = store_queue_min(dir->store, SLICE("orders"), 0);
    assert_true(min > 0 && min < max);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), max);
    char body[32];
    snprintf(body, sizeof body, "orders-0-%lld", (long long)min);
    store_dir_expect(dir, "orders", 0, min, body);
    struct store_queue_entry entry;
    assert_int_equal(store_queue_entry_at(dir->store, SLICE("orders"), 0, min - 1, &entry),
                     ERR_NOT_FOUND);
    store_dir_close(dir);
    char name[64];
    uint8_t filler[ENTRY_BYTES];
    snprintf(name, sizeof name, "consumequeue/orders/0/%020d",
             (int)(min / QUEUE_FILE_ENTRIES * QUEUE_FILE_ENTRIES * ENTRY_BYTES));
    store_dir_read(dir, name, 0, filler, sizeof filler);
    assert_int_equal(get_be64(filler), 0);
    assert_int_equal(get_be32(filler + 8), 0x7FFFFFFF);
    assert_int_equal(get_be64(filler + 12), 0);
    store_dir_open(dir);
    assert_int_equal(store_queue_min(dir->store, SLICE("orders"), 0), min);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), max);
}

/* Goal: entries that lead behind the log's end go from every file of a queue, and do not come back.
 * Method: a loss of power tears a record whose entry is near the end of a queue file; those behind
 * it are whole, and so are their entries, in the next file. Then a clean stop, which nobody
 * doubts. */
static void what_was_cut_goes_from_every_file(void **state)
{
    enum { COUNT = QUEUE_FILE_ENTRIES + 5, TORN = QUEUE_FILE_ENTRIES - 2 };
    struct store_dir *dir = *state;
    int64_t torn = 0;
    for (int i = 0; i < COUNT; i++) {
        if (i == TORN)
            torn = store_dir_log_end(dir);
        store_dir_put_numbered(dir, "orders", 0);
    }
    store_dir_close(dir);
    store_dir_forget_checkpoint(dir);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_write(dir, LOG_FILE, torn + 92, "T", 1);
    fault_arm_value("disk.boot_id", 'x');
    store_dir_open(dir);
    assert_int_equal(store_dir_log_end(dir), torn);
    store_dir_expect_numbered(dir, "orders", 0, TORN);
    store_dir_close(dir);
    store_dir_open(dir);
    store_dir_expect_numbered(dir, "orders", 0, TORN);
    store_dir_put_numbered(dir, "orders", 0);
    store_dir_expect_numbered(dir, "orders", 0, TORN + 1);
}

/* Goal: half of an entry, torn at a sector's end, may lead into the log: it goes with those behind
 * it whose records are lost. Method: as before; the entry behind the torn record's leads into the
 * midst of the first record. */
static void a_torn_entry_that_leads_into_the_log_is_cut(void **state)
{
    enum { COUNT = 10, TORN = 7 };
    struct store_dir *dir = *state;
    uint8_t phy_offset[8];
    int64_t torn = 0;
    for (int i = 0; i < COUNT; i++) {
        if (i == TORN)
            torn = store_dir_log_end(dir);
        store_dir_put_numbered(dir, "orders", 0);
    }
    store_dir_close(dir);
    store_dir_forget_checkpoint(dir);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_write(dir, LOG_FILE, torn + 92, "T", 1);
    put_be64(phy_offset, 8);
    store_dir_write(dir, QUEUE_FILE, (TORN + 1) * ENTRY_BYTES, phy_offset, sizeof phy_offset);
    fault_arm_value("disk.boot_id", 'x');
    store_dir_open(dir);
    assert_int_equal(store_dir_log_end(dir), torn);
    store_dir_expect_numbered(dir, "orders", 0, TORN);
}

/* Goal: the files of a young store whose lengths a loss of power took are no sign of another
 * setting: they are built again. Method: all queue files there are, two and three, are empty. */
static void files_without_length_are_built_again(void **state)
{
    struct store_dir *dir = *state;
    for (int files = 2; files <= 3; files++) {
        while (store_queue_max(dir->store, SLICE("orders"), 0) < files * QUEUE_FILE_ENTRIES)
            store_dir_put_numbered(dir, "orders", 0);
        store_dir_close(dir);
        for (int i = 0; i < files; i++) {
            char name[64];
            char path[256];
            snprintf(name, sizeof name, "consumequeue/orders/0/%020d",
                     i * QUEUE_FILE_ENTRIES * ENTRY_BYTES);
            store_dir_file_path(dir, name, path);
            assert_int_equal(truncate(path, 0), 0);
        }
        store_dir_forget_checkpoint(dir);
        store_dir_write(dir, "abort", 0, "1", 1);
        store_dir_open(dir);
        store_dir_expect_numbered(dir, "orders", 0, files * QUEUE_FILE_ENTRIES);
    }
}

/* Goal: a queue begins with the log, however many of its files lie below. Method: the first file of
 * the log is gone, and nobody came to remove what led there. */
static void a_queue_begins_with_the_log(void **state)
{
    struct store_dir *dir = *state;
    struct store_queue_entry first;
    while (store_dir_log_end(dir) < LOG_FILE_BYTES + LOG_FILE_BYTES / 2)
        store_dir_put_numbered(dir, "orders", 0);
    assert_true(store_queue_max(dir->store, SLICE("orders"), 0) > 3 * QUEUE_FILE_ENTRIES);
    store_dir_close(dir);
    store_dir_delete(dir, LOG_FILE);
    store_dir_open(dir);
    int64_t min = store_queue_min(dir->store, SLICE("orders"), 0);
    assert_int_equal(store_queue_entry_at(dir->store, SLICE("orders"), 0, min, &first), 0);
    assert_int_equal(first.phy_offset, LOG_FILE_BYTES);
}

/* Goal: the queue of a deleted topic that a scan finds again in the middle of the log begins with
 * what was found, also when a loss of power took the fillers in front. Method: the first sector of
 * a queue file is zeros, and the checkpoint begins behind the records of most of it. */
static void a_queue_that_follows_on_nothing_begins_late(void **state)
{
    enum { SECTOR_ENTRIES = 25, FIRST = 20, COUNT = 40 };
    static const uint8_t zeros[SECTOR_ENTRIES * ENTRY_BYTES];
    struct store_dir *dir = *state;
    int64_t first = 0;
    for (int i = 0; i < COUNT; i++) {
        if (i == FIRST)
            first = store_dir_log_end(dir);
        store_dir_put_numbered(dir, "orders", 0);
    }
    store_dir_close(dir);
    store_dir_point_checkpoint_at(dir, first);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_write(dir, QUEUE_FILE, 0, zeros, sizeof zeros);
    store_dir_open(dir);
    assert_int_equal(store_queue_min(dir->store, SLICE("orders"), 0), FIRST);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), COUNT);
    char body[32];
    for (int i = FIRST; i < COUNT; i++) {
        snprintf(body, sizeof body, "orders-0-%d", i);
        store_dir_expect(dir, "orders", 0, i, body);
    }
}

/* Goal: a topic that was deleted and made again has its new messages after a crash, none of the
 * old, whichever life was the longer. Method: put, delete, put fewer or more; a copy is scanned
 * from the log's start, another from its checkpoint. */
static void a_topic_made_again_has_its_new_messages(void **state)
{
    struct store_dir *dir = *state;
    const int counts[] = { 2, 9, 0 };
    for (int round = 0; counts[round] > 0; round++) {
        for (int i = 0; i < 5; i++)
            store_dir_put(dir, "orders", 0, "old", "");
        store_delete_topic(dir->store, SLICE("orders"));
        for (int i = 0; i < counts[round]; i++)
            store_dir_put_numbered(dir, "orders", 0);
        for (int start = 0; start < 2; start++) {
            struct store_dir *killed =
                start == 0 ? store_dir_copy_without_checkpoint(dir) : store_dir_copy(dir);
            store_dir_open(killed);
            store_dir_expect_numbered(killed, "orders", 0, counts[round]);
            store_dir_put_numbered(killed, "orders", 0);
            store_dir_expect_numbered(killed, "orders", 0, counts[round] + 1);
            store_dir_remove(killed);
        }
        store_delete_topic(dir->store, SLICE("orders"));
    }
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(the_end_is_found_in_every_page),
        STORE_TEST(queues_nobody_opened_yet_have_everything),
        STORE_TEST(an_entry_that_turned_is_kept_by_queues_opened_late),
        STORE_TEST(topics_deleted_before_they_are_opened_are_gone),
        STORE_TEST(ghosts_behind_a_queue_are_dropped),
        STORE_TEST(a_torn_entry_goes_with_those_behind_it),
        STORE_TEST(what_was_cut_goes_from_every_file),
        STORE_TEST(a_torn_entry_that_leads_into_the_log_is_cut),
        STORE_TEST(files_without_length_are_built_again),
        STORE_TEST(a_queue_begins_with_the_log),
        STORE_TEST(an_empty_queue_file_before_a_hole_is_built_again),
        STORE_TEST(lost_queue_files_are_noticed),
        STORE_TEST(a_start_cut_short_leaves_no_queue_half_built),
        STORE_TEST(the_queues_say_where_a_clean_log_is_taken_up),
        STORE_TEST(a_queue_may_begin_late),
        STORE_TEST(a_queue_that_follows_on_nothing_begins_late),
        STORE_TEST(a_topic_made_again_has_its_new_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
