#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "store/commit_log.h"

enum { FILE_BYTES = 16 << 20, CHUNK_BYTES = 5000, CHUNKS = 16000 };

static const char *const dir = "commitlog";

/* Never zero, and not the same in two chunks that follow each other. */
static int byte_of(int chunk)
{
    return 1 + chunk % 251;
}

static void append(struct commit_log *log, int chunk, int64_t *phy_offset)
{
    uint8_t *into;
    assert_int_equal(commit_log_reserve(log, CHUNK_BYTES, &into, phy_offset), 0);
    memset(into, byte_of(chunk), CHUNK_BYTES);
    commit_log_publish(log, *phy_offset + CHUNK_BYTES);
}

static bool holds(struct commit_log *log, int chunk, int64_t phy_offset)
{
    uint8_t bytes[CHUNK_BYTES];
    size_t got = 0;
    assert_int_equal(commit_log_read_window(log, phy_offset, bytes, sizeof bytes, &got), 0);
    assert_int_equal(got, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        if (bytes[i] != byte_of(chunk))
            return false;
    return true;
}

/* An appender that does nothing else, through several files: all of it is there afterwards. Faults
 * are armed before. */
static void append_and_read_all(void)
{
    struct commit_log *log;
    static int64_t phy_offsets[CHUNKS];
    assert_int_equal(commit_log_open(dir, FILE_BYTES, false, INT64_C(8) << 30, &log), 0);
    assert_int_equal(commit_log_set_end(log, 0, false), 0);
    for (int i = 0; i < CHUNKS; i++)
        append(log, i, &phy_offsets[i]);
    for (int i = 0; i < CHUNKS; i++)
        assert_true(holds(log, i, phy_offsets[i]));
    fault_disarm_all();
    commit_log_close(log);
}

/* Goal: the zeros that are written ahead of the head never lie over what was stored, whoever writes
 * them. Method: allocator and appender fall asleep each time when they are about to write. */
static void zeros_ahead_stay_ahead(void **state)
{
    (void)state;
    fault_arm_pause("disk.fill", 0, CHUNKS, 1);
    append_and_read_all();
}

/* Goal: where zeros cannot be written messages can. Method: it fails, from the third time on. */
static void without_zeros_all_is_stored(void **state)
{
    (void)state;
    fault_arm("disk.fill", 2, CHUNKS, ERR_IO);
    append_and_read_all();
}

/* Goal: where the disk has no room for blocks ahead, an append takes those it needs. Method: the
 * log gets none when it is opened, nor its allocator, nor the first append when it asks for more.
 */
static void blocks_ahead_are_no_condition(void **state)
{
    (void)state;
    fault_arm("disk.allocate", 0, 3, ERR_DISK_FULL);
    append_and_read_all();
}

/* Goal: no loss of power brings back a file behind the end, once something may follow that end.
 * Method: the log is ended in the first of its two files, and the directory cannot be synced. */
static void files_behind_the_end_are_gone_for_good(void **state)
{
    (void)state;
    struct commit_log *log;
    int64_t phy_offset;
    assert_int_equal(commit_log_open(dir, FILE_BYTES, false, INT64_C(8) << 30, &log), 0);
    assert_int_equal(commit_log_set_end(log, 0, false), 0);
    for (int i = 0; i <= FILE_BYTES / CHUNK_BYTES; i++)
        append(log, i, &phy_offset);
    assert_int_equal(phy_offset, FILE_BYTES);
    commit_log_close(log);
    assert_int_equal(commit_log_open(dir, FILE_BYTES, false, INT64_C(8) << 30, &log), 0);
    fault_arm("disk.sync_dirs", 0, 1, ERR_IO);
    assert_int_equal(commit_log_set_end(log, 2 * CHUNK_BYTES, true), ERR_IO);
    fault_disarm_all();
    commit_log_close(log);
}

static int enter(void **state)
{
    static char root[32];
    strcpy(root, "/tmp/ramjet-log-XXXXXX");
    *state = root;
    return mkdtemp(root) == NULL || chdir(root) != 0;
}

static int leave(void **state)
{
    char path[DISK_PATH_MAX];
    for (int64_t start = 0; start <= (int64_t)CHUNKS * CHUNK_BYTES + FILE_BYTES;
         start += FILE_BYTES) {
        disk_numbered_path(path, dir, start);
        unlink(path);
    }
    return rmdir(dir) != 0 || chdir("/") != 0 || rmdir(*state) != 0;
}

#define LOG_TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(zeros_ahead_stay_ahead),
        LOG_TEST(without_zeros_all_is_stored),
        LOG_TEST(blocks_ahead_are_no_condition),
        LOG_TEST(files_behind_the_end_are_gone_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
