#include "store/store_dir.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "store/checkpoint.h"

#define LOG_FILE "commitlog/00000000000000000000"
#define QUEUE_FILE "consumequeue/orders/0/00000000000000000000"

static int set_up(void **state)
{
    return store_dir_set_up(state, store_dir_new());
}

static void expect_numbered(struct store_dir *dir, const char *topic, int32_t queue_id,
                            int64_t count)
{
    assert_int_equal(store_queue_max(dir->store, slice_str(topic), queue_id), count);
    char body[32];
    for (int64_t i = 0; i < count; i++) {
        snprintf(body, sizeof body, "%s-%d-%lld", topic, queue_id, (long long)i);
        store_dir_expect(dir, topic, queue_id, i, body);
    }
}

static void put_numbered(struct store_dir *dir, const char *topic, int32_t queue_id)
{
    char body[32];
    snprintf(body, sizeof body, "%s-%d-%lld", topic, queue_id,
             (long long)store_queue_max(dir->store, slice_str(topic), queue_id));
    store_dir_put(dir, topic, queue_id, body, "UNIQ_KEY\001u\002");
}

/* Goal: closing and opening changes nothing; the abort mark is there while open only.
 * Method: put, close, open, compare, put on. */
static void a_clean_restart_goes_on(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < 250; i++)
        put_numbered(dir, "orders", i % 2);
    int64_t end = store_dir_log_end(dir);
    assert_true(store_dir_has(dir, "abort"));
    store_dir_close(dir);
    assert_false(store_dir_has(dir, "abort"));
    store_dir_open(dir);
    assert_int_equal(store_dir_log_end(dir), end);
    struct store_state opened;
    store_state(dir->store, &opened);
    assert_int_equal(opened.recovered_records, 0);
    put_numbered(dir, "orders", 0);
    expect_numbered(dir, "orders", 0, 126);
    expect_numbered(dir, "orders", 1, 125);
}

/* Goal: a clean exit leaves files of the lengths the reference insists on.
 * Method: every file of the log and of a queue. */
static void files_have_their_full_length(void **state)
{
    struct store_dir *dir = *state;
    put_numbered(dir, "orders", 0);
    store_dir_close(dir);
    char path[256];
    struct stat file;
    store_dir_file_path(dir, LOG_FILE, path);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, LOG_FILE_BYTES);
    store_dir_file_path(dir, QUEUE_FILE, path);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, QUEUE_FILE_ENTRIES * ENTRY_BYTES);
    store_dir_file_path(dir, "checkpoint", path);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_size, 4096);
    assert_false(store_dir_has(dir, "commitlog/00000000000000065536"));
}

/* Goal: what was put survives the death of the process at any moment.
 * Method: random puts to three queues; now and then the files are copied as they are, the copy is
 * opened, compared, put to, copied and opened again. */
static void a_killed_store_has_everything(void **state)
{
    struct store_dir *dir = *state;
    unsigned seed = 7;
    for (int round = 0; round < 12; round++) {
        for (int i = (int)((seed = seed * 1103515245 + 12345) >> 16) % 90; i >= 0; i--)
            put_numbered(dir, i % 5 == 0 ? "rare" : "orders", i % 2);
        struct store_dir *killed = store_dir_copy(dir);
        store_dir_open(killed);
        expect_numbered(killed, "orders", 0, store_queue_max(dir->store, SLICE("orders"), 0));
        expect_numbered(killed, "orders", 1, store_queue_max(dir->store, SLICE("orders"), 1));
        expect_numbered(killed, "rare", 0, store_queue_max(dir->store, SLICE("rare"), 0));
        assert_int_equal(store_dir_log_end(killed), store_dir_log_end(dir));
        put_numbered(killed, "orders", 1);
        struct store_dir *again = store_dir_copy(killed);
        store_dir_open(again);
        expect_numbered(again, "orders", 1, store_queue_max(killed->store, SLICE("orders"), 1));
        store_dir_remove(again);
        store_dir_remove(killed);
    }
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
        put_numbered(dir, topic, i % CROWD_QUEUES);
    }
}

static void expect_crowd(struct store_dir *dir, int64_t count)
{
    char topic[32];
    for (int i = CROWD_TOPICS * CROWD_QUEUES - 1; i >= 0; i--) {
        snprintf(topic, sizeof topic, "crowd%d", i / CROWD_QUEUES);
        expect_numbered(dir, topic, i % CROWD_QUEUES, count);
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
        expect_numbered(killed, topic, 1, i % 2 == 0 ? 1 : 2);
    }
    store_dir_close(killed);
    store_dir_open(killed);
    for (int i = 0; i < CROWD_TOPICS; i++) {
        snprintf(topic, sizeof topic, "crowd%d", i);
        expect_numbered(killed, topic, 2, i % 2 == 0 ? 1 : 2);
    }
    store_dir_remove(killed);
}

/* What a machine that lost power leaves: no checkpoint says that the last bytes are good. */
static struct store_dir *copy_without_checkpoint(const struct store_dir *dir)
{
    fault_arm_value("disk.of_this_boot", 0);
    struct store_dir *copy = store_dir_copy(dir);
    if (store_dir_has(copy, "checkpoint"))
        store_dir_delete(copy, "checkpoint");
    return copy;
}

static int64_t recovered_end(struct store_dir *crashed)
{
    store_dir_open(crashed);
    return store_dir_log_end(crashed);
}

/* Goal: after a crash in mid-write, every whole record is kept and the torn one is gone, its place
 * and its queue offset are used again. Method: two records, the last byte not zero; the second is
 * wiped from each of its bytes on. */
static void a_torn_record_is_gone(void **state)
{
    struct store_dir *dir = *state;
    struct store_put_result whole = store_dir_put(dir, "orders", 0, "whole", "");
    struct store_put_result torn = store_dir_put(dir, "orders", 0, "torn", "");
    static const uint8_t zeros[LOG_FILE_BYTES];
    for (int64_t cut = whole.end_phy_offset; cut < torn.end_phy_offset - 2; cut++) {
        struct store_dir *crashed = copy_without_checkpoint(dir);
        store_dir_write(crashed, LOG_FILE, cut, zeros, (size_t)(torn.end_phy_offset - cut));
        assert_int_equal(recovered_end(crashed), whole.end_phy_offset);
        struct store_put_result next = store_dir_put(crashed, "orders", 0, "next", "");
        assert_int_equal(next.queue_offset, 1);
        assert_int_equal(next.phy_offset, whole.end_phy_offset);
        store_dir_expect(crashed, "orders", 0, 0, "whole");
        store_dir_expect(crashed, "orders", 0, 1, "next");
        store_dir_remove(crashed);
    }
}

/* Goal: a record that has rotted since it was flushed, before the checkpoint said so, ends the log
 * after a loss of power, for nothing tells it from a torn one; but it and what follows is kept.
 * Method: a bit of the third of five records, in a directory of another boot; the bytes set aside
 * are those that stood there, over two files of the log as well. */
static void what_a_recovery_cuts_off_is_kept(void **state)
{
    struct store_dir *dir = *state;
    uint8_t there[LOG_FILE_BYTES];
    uint8_t kept[LOG_FILE_BYTES];
    store_dir_put(dir, "orders", 0, "a", "");
    struct store_put_result second = store_dir_put(dir, "orders", 0, "b", "");
    struct store_put_result last = { 0 };
    while (store_dir_log_end(dir) < LOG_FILE_BYTES + 1000)
        last = store_dir_put(dir, "orders", 0, "acknowledged", "");
    struct store_dir *crashed = copy_without_checkpoint(dir);
    store_dir_flip(crashed, LOG_FILE, second.end_phy_offset + RECORD_MAGIC, 3);
    store_dir_read(crashed, LOG_FILE, second.end_phy_offset, there,
                   (size_t)(LOG_FILE_BYTES - second.end_phy_offset));
    assert_int_equal(recovered_end(crashed), second.end_phy_offset);
    char first[96];
    char rest[96];
    int64_t used = LOG_FILE_BYTES - second.end_phy_offset;
    while (there[used - 1] == 0)
        used--;
    snprintf(first, sizeof first, "set-aside/commitlog-%020lld-%lld.0",
             (long long)second.end_phy_offset, (long long)used);
    store_dir_read(crashed, first, 0, kept, (size_t)used);
    assert_memory_equal(kept, there, (size_t)used);
    snprintf(rest, sizeof rest, "set-aside/commitlog-%020lld-%lld.0", (long long)LOG_FILE_BYTES,
             (long long)(last.end_phy_offset - LOG_FILE_BYTES) - 2); /* it ends with zeros */
    assert_true(store_dir_has(crashed, rest));
    store_dir_remove(crashed);
}

/* Goal: a process that was killed leaves nothing behind the end that is worth keeping. */
static void a_kill_sets_nothing_aside(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "whole", "");
    struct store_dir *crashed = store_dir_copy(dir);
    store_dir_open(crashed);
    assert_false(store_dir_has(crashed, "set-aside"));
    store_dir_remove(crashed);
}

/* Goal: a record whose lengths or body are damaged ends the log.
 * Method: each bit of the last record's magic, lengths and body is turned in a killed store. */
static void a_damaged_last_record_is_gone(void **state)
{
    struct store_dir *dir = *state;
    struct store_put_result whole = store_dir_put(dir, "orders", 0, "whole", "");
    store_dir_put(dir, "orders", 0, "last", "");
    static const int64_t places[] = { 0, 3, 4, 7, 8, 11, 84, 87, 88, 91 };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (int bit = 0; bit < 8; bit++) {
            if (places[i] == 8 && bit == 7)
                continue; /* the CRC is kept in 31 bits */
            struct store_dir *crashed = copy_without_checkpoint(dir);
            int64_t at = whole.end_phy_offset + places[i];
            uint8_t byte;
            store_dir_read(crashed, LOG_FILE, at, &byte, 1);
            byte ^= (uint8_t)(1 << bit);
            store_dir_write(crashed, LOG_FILE, at, &byte, 1);
            assert_int_equal(recovered_end(crashed), whole.end_phy_offset);
            assert_int_equal(store_queue_max(crashed->store, SLICE("orders"), 0), 1);
            store_dir_remove(crashed);
        }
    }
}

/* Goal: nothing that lay behind the end of the log comes back.
 * Method: a whole record behind a torn one; after recovery the log is zero from its new end on. */
static void bytes_behind_the_end_are_zeroed(void **state)
{
    struct store_dir *dir = *state;
    struct store_put_result torn = store_dir_put(dir, "orders", 0, "torn", "");
    struct store_put_result stale = store_dir_put(dir, "orders", 0, "stale", "");
    struct store_dir *crashed = copy_without_checkpoint(dir);
    store_dir_write(crashed, LOG_FILE, torn.phy_offset + 88, "T", 1);
    assert_int_equal(recovered_end(crashed), torn.phy_offset);
    uint8_t bytes[1024];
    store_dir_read(crashed, LOG_FILE, 0, bytes, (size_t)stale.end_phy_offset);
    for (int64_t i = 0; i < stale.end_phy_offset; i++)
        assert_int_equal(bytes[i], 0);
    store_dir_remove(crashed);
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
        put_numbered(dir, "orders", 0);
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

/* Goal: queues and index are derived: without them, and without our part of the checkpoint,
 * everything is built again from the log. Method: a store over several files, killed; what is
 * derived is removed. */
static void what_is_derived_is_rebuilt(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < 900; i++)
        put_numbered(dir, "orders", i % 3);
    struct store_dir *crashed = store_dir_copy(dir);
    if (store_dir_has(crashed, "consumequeue"))
        store_dir_delete(crashed, "consumequeue");
    if (store_dir_has(crashed, "index"))
        store_dir_delete(crashed, "index");
    if (store_dir_has(crashed, "checkpoint"))
        store_dir_delete(crashed, "checkpoint");
    store_dir_open(crashed);
    for (int q = 0; q < 3; q++)
        expect_numbered(crashed, "orders", q, 300);
    struct buf found = BUF_INIT;
    int64_t last_ms;
    int64_t last_phy_offset;
    store_dir_await_index(crashed);
    assert_int_equal(store_query(crashed->store, SLICE("orders"), SLICE("u"), 10, 0, INT64_MAX,
                                 &found, &last_ms, &last_phy_offset),
                     10);
    buf_fini(&found);
    store_dir_remove(crashed);
}

/* Goal: a directory the reference wrote since is recovered by its rules.
 * Method: the reference's fields of the checkpoint differ from our copy of them; queue entries are
 * missing below the position our block names. */
static void a_checkpoint_of_the_reference_is_obeyed(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < 50; i++)
        put_numbered(dir, "orders", 0);
    store_dir_close(dir);
    uint8_t stamps[40] = { 0 };
    store_dir_write(dir, "checkpoint", 0, stamps, sizeof stamps);
    static const uint8_t zeros[20 * ENTRY_BYTES];
    store_dir_write(dir, QUEUE_FILE, 30 * ENTRY_BYTES, zeros, sizeof zeros);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_open(dir);
    expect_numbered(dir, "orders", 0, 50);
}

/* Our block of the checkpoint names this position, and is in order otherwise. */
static void point_checkpoint_at(struct store_dir *dir, int64_t phy_offset)
{
    struct checkpoint checkpoint;
    char path[256];
    store_dir_file_path(dir, "checkpoint", path);
    assert_int_equal(checkpoint_read(path, &checkpoint), 0);
    assert_true(checkpoint.is_ours);
    checkpoint.dispatched = phy_offset;
    checkpoint.durable = phy_offset;
    assert_int_equal(checkpoint_write(path, &checkpoint, false), 0);
}

static void expect_unharmed_by_checkpoint_at(struct store_dir *closed, int64_t phy_offset,
                                             bool was_clean, int64_t end)
{
    struct store_dir *astray = store_dir_copy(closed);
    point_checkpoint_at(astray, phy_offset);
    if (!was_clean)
        store_dir_write(astray, "abort", 0, "1", 1);
    store_dir_open(astray);
    assert_int_equal(store_dir_log_end(astray), end);
    expect_numbered(astray, "orders", 0, 2);
    expect_numbered(astray, "other", 0, 1);
    store_dir_remove(astray);
}

/* Goal: a position where no record begins is not believed: nothing is cut off there.
 * Method: the block of a closed store is pointed all over a record, which has runs of zeros in its
 * head, and behind the log's files; the store is opened as after a crash and as after a clean stop.
 */
static void a_checkpoint_that_leads_astray_is_not_believed(void **state)
{
    struct store_dir *dir = *state;
    put_numbered(dir, "orders", 0);
    struct store_put_result middle = store_dir_put(dir, "other", 0, "other-0-0", "");
    put_numbered(dir, "orders", 0);
    int64_t end = store_dir_log_end(dir);
    store_dir_close(dir);
    for (int64_t at = middle.phy_offset + 1; at < middle.end_phy_offset; at += 3)
        expect_unharmed_by_checkpoint_at(dir, at, at % 2 == 0, end);
    expect_unharmed_by_checkpoint_at(dir, LOG_FILE_BYTES + 1, false, end);
    expect_unharmed_by_checkpoint_at(dir, LOG_FILE_BYTES + 1, true, end);
}

/* Goal: damage in the middle of the log is not taken for its end: the start is refused, and nothing
 * is changed, until someone has decided. Method: three records, killed; a bit of the second is
 * turned; the block has recovery start before it. */
static void damage_in_the_middle_is_refused(void **state)
{
    struct store_dir *dir = *state;
    put_numbered(dir, "orders", 0);
    struct store_put_result second = store_dir_put(dir, "orders", 0, "second", "");
    put_numbered(dir, "orders", 0);
    int64_t end = store_dir_log_end(dir);
    store_dir_close(dir);
    uint8_t before[1024];
    uint8_t after[1024];
    point_checkpoint_at(dir, 0);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_write(dir, LOG_FILE, second.phy_offset + 88, "S", 1);
    store_dir_read(dir, LOG_FILE, 0, before, (size_t)end);
    struct store *store;
    assert_int_equal(store_open(&dir->options, &store), ERR_CORRUPT);
    store_dir_read(dir, LOG_FILE, 0, after, (size_t)end);
    assert_memory_equal(before, after, (size_t)end);
    store_dir_write(dir, LOG_FILE, second.phy_offset + 88, "s", 1);
    store_dir_open(dir);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), 3);
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
        put_numbered(dir, "orders", i % 2);
    store_dir_close(dir);
    store_dir_delete(dir, "consumequeue/orders/0");
    store_dir_open(dir);
    expect_numbered(dir, "orders", 0, 250);
    store_dir_close(dir);
    char path[256];
    store_dir_file_path(dir, "consumequeue/orders/1/00000000000000002000", path);
    assert_int_equal(truncate(path, 700), 0);
    store_dir_open(dir);
    expect_numbered(dir, "orders", 1, 250);
    assert_true(store_dir_has(dir, "set-aside/orders@1@00000000000000002000"));
}

/* Goal: where a record, an end mark or the end of the log stands, recovery starts there.
 * Method: the block of a closed store over two files is pointed at each of them; what is counted as
 * recovered are the records from there on. */
static void a_checkpoint_that_leads_to_a_record_is_believed(void **state)
{
    struct store_dir *dir = *state;
    struct store_put_result last = { 0 };
    int64_t mark = 0;
    while (store_dir_log_end(dir) < LOG_FILE_BYTES) {
        mark = last.end_phy_offset;
        last = store_dir_put(dir, "orders", 0, "x", "");
    }
    int64_t end = store_dir_log_end(dir);
    store_dir_close(dir);
    const int64_t places[] = { mark, last.phy_offset, end };
    const int64_t records[] = { 1, 1, 0 };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        point_checkpoint_at(dir, places[i]);
        store_dir_write(dir, "abort", 0, "1", 1);
        store_dir_open(dir);
        struct store_state opened;
        store_state(dir->store, &opened);
        assert_int_equal(opened.recovered_records, records[i]);
        assert_int_equal(store_dir_log_end(dir), end);
        store_dir_close(dir);
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
        put_numbered(dir, "orders", 0);
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
        expect_numbered(dir, "orders", 0, count);
        struct store_state opened;
        store_state(dir->store, &opened);
        assert_int_equal(opened.recovered_records, round == 0 ? count : 1);
    }
}

/* Goal: indexing goes on after a crash without entering a record twice.
 * Method: each unique key is found once, after every one of several crashes. */
static void keys_are_not_entered_twice(void **state)
{
    struct store_dir *at = *state;
    struct buf found = BUF_INIT;
    for (int round = 0; round < 4; round++) {
        char properties[32];
        snprintf(properties, sizeof properties, "UNIQ_KEY\001u%d\002", round);
        store_dir_put(at, "orders", 0, "x", properties);
        int64_t last_ms;
        int64_t last_phy_offset;
        store_dir_await_index(at);
        for (int i = 0; i <= round; i++) {
            char key[16];
            snprintf(key, sizeof key, "u%d", i);
            buf_clear(&found);
            assert_int_equal(store_query(at->store, SLICE("orders"), slice_str(key), 10, 0,
                                         INT64_MAX, &found, &last_ms, &last_phy_offset),
                             1);
        }
        struct store_dir *crashed = store_dir_copy(at);
        if (at != *state)
            store_dir_remove(at);
        at = crashed;
        store_dir_open(at);
    }
    store_dir_remove(at);
    buf_fini(&found);
}

/* Goal: a number that cannot be is not believed, and does no harm.
 * Method: bits of the last record's queue offset, which no checksum covers, are turned. */
static void a_damaged_queue_offset_does_no_harm(void **state)
{
    struct store_dir *dir = *state;
    put_numbered(dir, "orders", 0);
    struct store_put_result last = store_dir_put(dir, "orders", 0, "last", "");
    for (int bit = 0; bit < 64; bit++) {
        struct store_dir *crashed = copy_without_checkpoint(dir);
        store_dir_delete(crashed, "consumequeue");
        int64_t at = last.phy_offset + RECORD_QUEUE_OFFSET + 7 - bit / 8;
        uint8_t byte;
        store_dir_read(crashed, LOG_FILE, at, &byte, 1);
        byte ^= (uint8_t)(1 << bit % 8);
        store_dir_write(crashed, LOG_FILE, at, &byte, 1);
        store_dir_open(crashed);
        assert_true(store_queue_max(crashed->store, SLICE("orders"), 0) >= 1);
        store_dir_remove(crashed);
    }
}

/* Goal: a queue that begins later than 0 is filled up as the format wants it.
 * Method: the log's first record is of queue offset 130: the queue's files are removed and rebuilt
 * from a log whose first file is gone. */
static void a_queue_may_begin_late(void **state)
{
    struct store_dir *dir = *state;
    while (store_dir_log_end(dir) < 2 * LOG_FILE_BYTES)
        put_numbered(dir, "orders", 0);
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

/* Nothing was on the disk when the last checkpoint was written. */
static void forget_checkpoint(struct store_dir *dir)
{
    struct checkpoint checkpoint;
    char path[256];
    store_dir_file_path(dir, "checkpoint", path);
    assert_int_equal(checkpoint_read(path, &checkpoint), 0);
    checkpoint.dispatched = checkpoint.durable = checkpoint.flushed = 0;
    assert_int_equal(checkpoint_replace(path, &checkpoint, false), 0);
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
        put_numbered(dir, "orders", 0);
    }
    store_dir_close(dir);
    forget_checkpoint(dir);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_write(dir, LOG_FILE, torn + 92, "T", 1);
    fault_arm_value("disk.boot_id", 'x');
    assert_int_equal(recovered_end(dir), torn);
    expect_numbered(dir, "orders", 0, TORN);
    store_dir_close(dir);
    store_dir_open(dir);
    expect_numbered(dir, "orders", 0, TORN);
    put_numbered(dir, "orders", 0);
    expect_numbered(dir, "orders", 0, TORN + 1);
}

/* Goal: the files of a young store whose lengths a loss of power took are no sign of another
 * setting: they are built again. Method: all queue files there are, two and three, are empty. */
static void files_without_length_are_built_again(void **state)
{
    struct store_dir *dir = *state;
    for (int files = 2; files <= 3; files++) {
        while (store_queue_max(dir->store, SLICE("orders"), 0) < files * QUEUE_FILE_ENTRIES)
            put_numbered(dir, "orders", 0);
        store_dir_close(dir);
        for (int i = 0; i < files; i++) {
            char name[64];
            char path[256];
            snprintf(name, sizeof name, "consumequeue/orders/0/%020d",
                     i * QUEUE_FILE_ENTRIES * ENTRY_BYTES);
            store_dir_file_path(dir, name, path);
            assert_int_equal(truncate(path, 0), 0);
        }
        forget_checkpoint(dir);
        store_dir_write(dir, "abort", 0, "1", 1);
        store_dir_open(dir);
        expect_numbered(dir, "orders", 0, files * QUEUE_FILE_ENTRIES);
    }
}

/* Goal: a queue begins with the log, however many of its files lie below. Method: the first file of
 * the log is gone, and nobody came to remove what led there. */
static void a_queue_begins_with_the_log(void **state)
{
    struct store_dir *dir = *state;
    struct store_queue_entry first;
    while (store_dir_log_end(dir) < LOG_FILE_BYTES + LOG_FILE_BYTES / 2)
        put_numbered(dir, "orders", 0);
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
        put_numbered(dir, "orders", 0);
    }
    store_dir_close(dir);
    point_checkpoint_at(dir, first);
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
            put_numbered(dir, "orders", 0);
        for (int start = 0; start < 2; start++) {
            struct store_dir *killed =
                start == 0 ? copy_without_checkpoint(dir) : store_dir_copy(dir);
            store_dir_open(killed);
            expect_numbered(killed, "orders", 0, counts[round]);
            put_numbered(killed, "orders", 0);
            expect_numbered(killed, "orders", 0, counts[round] + 1);
            store_dir_remove(killed);
        }
        store_delete_topic(dir->store, SLICE("orders"));
    }
}

/* Goal: a file that was being made when the process died does no harm.
 * Method: empty files at the ends of the log, of a queue and of the index, and an empty checkpoint.
 */
static void unfinished_files_are_passed_over(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < QUEUE_FILE_ENTRIES; i++)
        put_numbered(dir, "orders", 0);
    store_dir_close(dir);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_write(dir, "commitlog/00000000000000065536", 0, "", 0);
    store_dir_write(dir, "consumequeue/orders/0/00000000000000002000", 0, "", 0);
    store_dir_write(dir, "index/20301231235959999", 0, "", 0);
    store_dir_delete(dir, "checkpoint");
    store_dir_write(dir, "checkpoint", 0, "", 0);
    store_dir_open(dir);
    expect_numbered(dir, "orders", 0, QUEUE_FILE_ENTRIES);
    put_numbered(dir, "orders", 0);
    expect_numbered(dir, "orders", 0, QUEUE_FILE_ENTRIES + 1);
}

/* Goal: what we cannot read is refused, and left as it is.
 * Method: a RocksDB store; a log file of a wrong length. */
static void foreign_stores_are_refused(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "x", "");
    store_dir_close(dir);
    store_dir_write(dir, "consumequeue/CURRENT", 0, "x", 1);
    assert_int_equal(store_open(&dir->options, &dir->store), ERR_UNSUPPORTED);
    dir->store = NULL;
    store_dir_delete(dir, "consumequeue/CURRENT");
    dir->options.commit_log_file_bytes = 2 * LOG_FILE_BYTES;
    assert_int_equal(store_open(&dir->options, &dir->store), ERR_CORRUPT);
    dir->store = NULL;
    dir->options.commit_log_file_bytes = LOG_FILE_BYTES;
    store_dir_open(dir);
    store_dir_expect(dir, "orders", 0, 0, "x");
}

static void lock_and_wait(const char *path, int ready)
{
    struct flock first_byte = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0 || fcntl(fd, F_SETLK, &first_byte) != 0 || write(ready, "r", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

/* Goal: a directory that another process has is not opened.
 * Method: a child takes the lock as the reference does; once it is gone, the store opens. */
static void a_second_process_is_kept_out(void **state)
{
    struct store_dir *dir = *state;
    store_dir_close(dir);
    char path[256];
    store_dir_file_path(dir, "lock", path);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        lock_and_wait(path, ready[1]);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(store_open(&dir->options, &dir->store), ERR_LOCKED);
    dir->store = NULL;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    close(ready[1]);
    store_dir_open(dir);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_clean_restart_goes_on),
        STORE_TEST(files_have_their_full_length),
        STORE_TEST(a_killed_store_has_everything),
        STORE_TEST(the_end_is_found_in_every_page),
        STORE_TEST(queues_nobody_opened_yet_have_everything),
        STORE_TEST(an_entry_that_turned_is_kept_by_queues_opened_late),
        STORE_TEST(topics_deleted_before_they_are_opened_are_gone),
        STORE_TEST(a_torn_record_is_gone),
        STORE_TEST(what_a_recovery_cuts_off_is_kept),
        STORE_TEST(a_kill_sets_nothing_aside),
        STORE_TEST(a_damaged_last_record_is_gone),
        STORE_TEST(bytes_behind_the_end_are_zeroed),
        STORE_TEST(ghosts_behind_a_queue_are_dropped),
        STORE_TEST(a_torn_entry_goes_with_those_behind_it),
        STORE_TEST(what_was_cut_goes_from_every_file),
        STORE_TEST(files_without_length_are_built_again),
        STORE_TEST(a_queue_begins_with_the_log),
        STORE_TEST(what_is_derived_is_rebuilt),
        STORE_TEST(a_checkpoint_of_the_reference_is_obeyed),
        STORE_TEST(a_checkpoint_that_leads_astray_is_not_believed),
        STORE_TEST(damage_in_the_middle_is_refused),
        STORE_TEST(an_empty_queue_file_before_a_hole_is_built_again),
        STORE_TEST(lost_queue_files_are_noticed),
        STORE_TEST(a_checkpoint_that_leads_to_a_record_is_believed),
        STORE_TEST(the_queues_say_where_a_clean_log_is_taken_up),
        STORE_TEST(keys_are_not_entered_twice),
        STORE_TEST(a_damaged_queue_offset_does_no_harm),
        STORE_TEST(a_queue_may_begin_late),
        STORE_TEST(a_queue_that_follows_on_nothing_begins_late),
        STORE_TEST(a_topic_made_again_has_its_new_messages),
        STORE_TEST(unfinished_files_are_passed_over),
        STORE_TEST(foreign_stores_are_refused),
        STORE_TEST(a_second_process_is_kept_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
