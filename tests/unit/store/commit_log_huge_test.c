/* commit_log_huge_test.c - what is stored stays, whatever pages hold it. */
#include <stdlib.h>
#include <string.h>

#include "store/commit_log_internal.h"
#include "store_dir.h"

enum { FILE_BYTES = 8 * HUGE_BYTES, MEMORY = 1 << 30 };

/* A log whose allocator has stopped: the test is the allocator. */
static struct log_file *open_log(struct store_dir *dir, int64_t file_bytes, struct commit_log **log)
{
    char path[256];
    store_dir_file_path(dir, "a_log", path);
    assert_int_equal(commit_log_open(path, file_bytes, false, MEMORY, log), 0);
    assert_int_equal(commit_log_set_end(*log, 0, false), 0);
    log_room_stop(*log);
    return (*log)->files[0];
}

/* Appends `bytes` bytes made from their place. */
static void fill(struct commit_log *log, int64_t bytes)
{
    uint8_t *into;
    int64_t at;
    assert_int_equal(commit_log_reserve(log, bytes, &into, &at), 0);
    for (int64_t i = 0; i < bytes; i++)
        into[i] = (uint8_t)((at + i) * 7 + (at + i) / 4096);
    commit_log_publish(log, at + bytes);
}

static void expect_filled(struct commit_log *log, int64_t bytes)
{
    struct buf got = BUF_INIT;
    assert_int_equal(commit_log_read(log, 0, (size_t)bytes, true, &got), 0);
    for (int64_t i = 0; i < bytes; i++)
        if (got.data[i] != (uint8_t)(i * 7 + i / 4096))
            fail_msg("byte %lld", (long long)i);
    buf_fini(&got);
}

/* Goal: what was stored into huge pages and over their end is there when small ones have taken
 * their place. Method: the head ends in the middle of a huge page; pages are dropped once before
 * and once after they are on the disk, and more is stored in between. */
static void what_is_stored_outlives_its_pages(void **state)
{
    (void)state;
    struct store_dir *dir = store_dir_new();
    struct commit_log *log;
    struct log_file *file = open_log(dir, FILE_BYTES, &log);
    int64_t end = 2 * HUGE_BYTES + 5000;
    (void)log_huge_populate(log, file, 0, HUGE_BYTES + 1);
    fill(log, end);
    (void)log_huge_leave(file, end, FILE_BYTES);
    expect_filled(log, end);
    fill(log, 3000);
    assert_int_equal(disk_sync(file->fd, file->path), 0);
    assert_true(log_huge_leave(file, end + 3000, FILE_BYTES) || file->huge_tries > 0);
    fill(log, HUGE_BYTES);
    expect_filled(log, end + 3000 + HUGE_BYTES);
    commit_log_close(log);
    store_dir_remove(dir);
}

/* Goal: the exchange ends by itself, also when somebody goes on storing. */
static void leaving_is_tried_so_often_only(void **state)
{
    (void)state;
    struct store_dir *dir = store_dir_new();
    struct commit_log *log;
    struct log_file *file = open_log(dir, FILE_BYTES, &log);
    int64_t end = 100;
    int tries = 0;
    (void)log_huge_populate(log, file, 0, HUGE_BYTES);
    fill(log, end);
    for (; !log_huge_leave(file, end, FILE_BYTES); tries++) {
        assert_true(tries < 1000);
        fill(log, 10);
        end += 10;
    }
    assert_int_equal(file->huge_upto, 0);
    expect_filled(log, end);
    commit_log_close(log);
    store_dir_remove(dir);
}

/* Goal: a file that ends in the middle of a huge page is populated below its end only. */
static void a_file_may_end_within_a_huge_page(void **state)
{
    (void)state;
    struct store_dir *dir = store_dir_new();
    struct commit_log *log;
    int64_t file_bytes = HUGE_BYTES + 3 * PAGE_BYTES;
    struct log_file *file = open_log(dir, file_bytes, &log);
    (void)log_huge_populate(log, file, 0, file_bytes);
    assert_true(file->populated <= file_bytes);
    fill(log, file_bytes - 100);
    expect_filled(log, file_bytes - 100);
    assert_true(log_huge_leave(file, file_bytes - 100, file_bytes));
    expect_filled(log, file_bytes - 100);
    commit_log_close(log);
    store_dir_remove(dir);
}

/* Goal: a sync that leaves the page under the end alone leaves no more than the next one covers. */
static void a_quiet_sync_stops_at_a_whole_page(void **state)
{
    (void)state;
    assert_int_equal(commit_log_whole_end(0, 4095), 0);
    assert_int_equal(commit_log_whole_end(100, 4097), 4096);
    assert_int_equal(commit_log_whole_end(5000, 5000), 4096);
    assert_int_equal(commit_log_whole_end(0, 2 * HUGE_BYTES - 1), 2 * HUGE_BYTES - PAGE_BYTES);
    assert_int_equal(commit_log_whole_end(0, 2 * HUGE_BYTES), 2 * HUGE_BYTES);
    assert_int_equal(commit_log_whole_end(0, 3 * HUGE_BYTES - 1), 2 * HUGE_BYTES);
    /* whatever comes next, the second sync covers where the first one began */
    for (int64_t more = 0; more < 4 * HUGE_BYTES; more += 12345) {
        int64_t first = 3 * HUGE_BYTES - 1;
        int64_t left = commit_log_whole_end(0, first);
        assert_true(commit_log_whole_end(left, first + more) > first - PAGE_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_stored_outlives_its_pages),
        cmocka_unit_test(leaving_is_tried_so_often_only),
        cmocka_unit_test(a_file_may_end_within_a_huge_page),
        cmocka_unit_test(a_quiet_sync_stops_at_a_whole_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
