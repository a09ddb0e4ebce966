#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Goal: the zeros that are written ahead of the head never lie over what was stored.
 * Method: an appender that does nothing else, through several files, and an allocator that falls
 * asleep each time when it is about to write; all of it is there afterwards. */
static void zeros_ahead_stay_ahead(void **state)
{
    (void)state;
    struct commit_log *log;
    static int64_t phy_offsets[CHUNKS];
    fault_arm_pause("disk.fill", 0, CHUNKS, 5);
    assert_int_equal(commit_log_open(dir, FILE_BYTES, false, INT64_C(8) << 30, &log), 0);
    assert_int_equal(commit_log_set_end(log, 0, false), 0);
    for (int i = 0; i < CHUNKS; i++)
        append(log, i, &phy_offsets[i]);
    for (int i = 0; i < CHUNKS; i++)
        assert_true(holds(log, i, phy_offsets[i]));
    fault_disarm_all();
    commit_log_close(log);
}

static int enter(void **state)
{
    static char root[] = "/tmp/ramjet-log-XXXXXX";
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(zeros_ahead_stay_ahead, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
