#include "store/store_dir.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"

#define LOG_FILE "commitlog/00000000000000000000"
#define QUEUE_FILE "consumequeue/orders/0/00000000000000000000"

static int set_up(void **state)
{
    return store_dir_set_up(state, store_dir_new());
}

/* Goal: closing and opening changes nothing; the abort mark is there while open only.
 * Method: put, close, open, compare, put on. */
static void a_clean_restart_goes_on(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < 250; i++)
        store_dir_put_numbered(dir, "orders", i % 2);
    int64_t end = store_dir_log_end(dir);
    assert_true(store_dir_has(dir, "abort"));
    store_dir_close(dir);
    assert_false(store_dir_has(dir, "abort"));
    store_dir_open(dir);
    assert_int_equal(store_dir_log_end(dir), end);
    struct store_state opened;
    store_state(dir->store, &opened);
    assert_int_equal(opened.recovered_records, 0);
    store_dir_put_numbered(dir, "orders", 0);
    store_dir_expect_numbered(dir, "orders", 0, 126);
    store_dir_expect_numbered(dir, "orders", 1, 125);
}

/* Goal: a clean exit leaves files of the lengths the reference insists on.
 * Method: every file of the log and of a queue. */
static void files_have_their_full_length(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put_numbered(dir, "orders", 0);
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
            store_dir_put_numbered(dir, i % 5 == 0 ? "rare" : "orders", i % 2);
        struct store_dir *killed = store_dir_copy(dir);
        store_dir_open(killed);
        store_dir_expect_numbered(killed, "orders", 0,
                                  store_queue_max(dir->store, SLICE("orders"), 0));
        store_dir_expect_numbered(killed, "orders", 1,
                                  store_queue_max(dir->store, SLICE("orders"), 1));
        store_dir_expect_numbered(killed, "rare", 0, store_queue_max(dir->store, SLICE("rare"), 0));
        assert_int_equal(store_dir_log_end(killed), store_dir_log_end(dir));
        store_dir_put_numbered(killed, "orders", 1);
        struct store_dir *again = store_dir_copy(killed);
        store_dir_open(again);
        store_dir_expect_numbered(again, "orders", 1,
                                  store_queue_max(killed->store, SLICE("orders"), 1));
        store_dir_remove(again);
        store_dir_remove(killed);
    }
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
        struct store_dir *crashed = store_dir_copy_without_checkpoint(dir);
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
    struct store_dir *crashed = store_dir_copy_without_checkpoint(dir);
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
            struct store_dir *crashed = store_dir_copy_without_checkpoint(dir);
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
    struct store_dir *crashed = store_dir_copy_without_checkpoint(dir);
    store_dir_write(crashed, LOG_FILE, torn.phy_offset + 88, "T", 1);
    assert_int_equal(recovered_end(crashed), torn.phy_offset);
    uint8_t bytes[1024];
    store_dir_read(crashed, LOG_FILE, 0, bytes, (size_t)stale.end_phy_offset);
    for (int64_t i = 0; i < stale.end_phy_offset; i++)
        assert_int_equal(bytes[i], 0);
    store_dir_remove(crashed);
}

/* Goal: queues and index are derived: without them, and without our part of the checkpoint,
 * everything is built again from the log. Method: a store over several files, killed; what is
 * derived is removed. */
static void what_is_derived_is_rebuilt(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < 900; i++)
        store_dir_put_numbered(dir, "orders", i % 3);
    struct store_dir *crashed = store_dir_copy(dir);
    if (store_dir_has(crashed, "consumequeue"))
        store_dir_delete(crashed, "consumequeue");
    if (store_dir_has(crashed, "index"))
        store_dir_delete(crashed, "index");
    if (store_dir_has(crashed, "checkpoint"))
        store_dir_delete(crashed, "checkpoint");
    store_dir_open(crashed);
    for (int q = 0; q < 3; q++)
        store_dir_expect_numbered(crashed, "orders", q, 300);
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
        store_dir_put_numbered(dir, "orders", 0);
    store_dir_close(dir);
    uint8_t stamps[40] = { 0 };
    store_dir_write(dir, "checkpoint", 0, stamps, sizeof stamps);
    static const uint8_t zeros[20 * ENTRY_BYTES];
    store_dir_write(dir, QUEUE_FILE, 30 * ENTRY_BYTES, zeros, sizeof zeros);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_open(dir);
    store_dir_expect_numbered(dir, "orders", 0, 50);
}

static void expect_unharmed_by_checkpoint_at(struct store_dir *closed, int64_t phy_offset,
                                             bool was_clean, int64_t end)
{
    struct store_dir *astray = store_dir_copy(closed);
    store_dir_point_checkpoint_at(astray, phy_offset);
    if (!was_clean)
        store_dir_write(astray, "abort", 0, "1", 1);
    store_dir_open(astray);
    assert_int_equal(store_dir_log_end(astray), end);
    store_dir_expect_numbered(astray, "orders", 0, 2);
    store_dir_expect_numbered(astray, "other", 0, 1);
    store_dir_remove(astray);
}

/* Goal: a position where no record begins is not believed: nothing is cut off there.
 * Method: the block of a closed store is pointed all over a record, which has runs of zeros in its
 * head, and behind the log's files; the store is opened as after a crash and as after a clean stop.
 */
static void a_checkpoint_that_leads_astray_is_not_believed(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put_numbered(dir, "orders", 0);
    struct store_put_result middle = store_dir_put(dir, "other", 0, "other-0-0", "");
    store_dir_put_numbered(dir, "orders", 0);
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
    store_dir_put_numbered(dir, "orders", 0);
    struct store_put_result second = store_dir_put(dir, "orders", 0, "second", "");
    store_dir_put_numbered(dir, "orders", 0);
    int64_t end = store_dir_log_end(dir);
    store_dir_close(dir);
    uint8_t before[1024];
    uint8_t after[1024];
    store_dir_point_checkpoint_at(dir, 0);
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
        store_dir_point_checkpoint_at(dir, places[i]);
        store_dir_write(dir, "abort", 0, "1", 1);
        store_dir_open(dir);
        struct store_state opened;
        store_state(dir->store, &opened);
        assert_int_equal(opened.recovered_records, records[i]);
        assert_int_equal(store_dir_log_end(dir), end);
        store_dir_close(dir);
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
    store_dir_put_numbered(dir, "orders", 0);
    struct store_put_result last = store_dir_put(dir, "orders", 0, "last", "");
    for (int bit = 0; bit < 64; bit++) {
        struct store_dir *crashed = store_dir_copy_without_checkpoint(dir);
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

/* Goal: a file that was being made when the process died does no harm.
 * Method: empty files at the ends of the log, of a queue and of the index, and an empty checkpoint.
 */
static void unfinished_files_are_passed_over(void **state)
{
    struct store_dir *dir = *state;
    for (int i = 0; i < QUEUE_FILE_ENTRIES; i++)
        store_dir_put_numbered(dir, "orders", 0);
    store_dir_close(dir);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_write(dir, "commitlog/00000000000000065536", 0, "", 0);
    store_dir_write(dir, "consumequeue/orders/0/00000000000000002000", 0, "", 0);
    store_dir_write(dir, "index/20301231235959999", 0, "", 0);
    store_dir_delete(dir, "checkpoint");
    store_dir_write(dir, "checkpoint", 0, "", 0);
    store_dir_open(dir);
    store_dir_expect_numbered(dir, "orders", 0, QUEUE_FILE_ENTRIES);
    store_dir_put_numbered(dir, "orders", 0);
    store_dir_expect_numbered(dir, "orders", 0, QUEUE_FILE_ENTRIES + 1);
}

/* Goal: what we cannot read is refused, and left as it is.
 * Method: a RocksDB store; delay levels that are none; a log file of a wrong length. */
static void foreign_stores_are_refused(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "x", "");
    store_dir_close(dir);
    store_dir_write(dir, "consumequeue/CURRENT", 0, "x", 1);
    assert_int_equal(store_open(&dir->options, &dir->store), ERR_UNSUPPORTED);
    dir->store = NULL;
    store_dir_delete(dir, "consumequeue/CURRENT");
    dir->options.message_delay_level = "1s 5";
    assert_int_equal(store_open(&dir->options, &dir->store), ERR_INVALID);
    dir->options.message_delay_level = "1s 5s";
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
        STORE_TEST(a_torn_record_is_gone),
        STORE_TEST(what_a_recovery_cuts_off_is_kept),
        STORE_TEST(a_kill_sets_nothing_aside),
        STORE_TEST(a_damaged_last_record_is_gone),
        STORE_TEST(bytes_behind_the_end_are_zeroed),
        STORE_TEST(what_is_derived_is_rebuilt),
        STORE_TEST(a_checkpoint_of_the_reference_is_obeyed),
        STORE_TEST(a_checkpoint_that_leads_astray_is_not_believed),
        STORE_TEST(damage_in_the_middle_is_refused),
        STORE_TEST(a_checkpoint_that_leads_to_a_record_is_believed),
        STORE_TEST(keys_are_not_entered_twice),
        STORE_TEST(a_damaged_queue_offset_does_no_harm),
        STORE_TEST(unfinished_files_are_passed_over),
        STORE_TEST(foreign_stores_are_refused),
        STORE_TEST(a_second_process_is_kept_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
