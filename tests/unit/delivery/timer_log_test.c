#include "delivery/timer_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fault.h"
#include "delivery/timer_check.h"
#include "delivery/timer_log.h"

/* Of timer_dir.c: so many units lie in a file of the log. */
enum { FILE_UNITS = 100, COUNT = 2 * FILE_UNITS + 50, WAIT_MS = 5000 };

/* COUNT timers, taken in; due one each millisecond. */
static int64_t send_many(struct timer_dir *dir)
{
    int64_t first_ms = dir->now_ms + WAIT_MS;
    for (int i = 0; i < COUNT; i++) {
        char body[16];
        snprintf(body, sizeof body, "m%d", i);
        timer_dir_send_at(dir, body, first_ms + i);
    }
    timer_dir_settle(dir);
    return first_ms;
}

static void expect_all(struct timer_dir *dir, int64_t first_ms)
{
    timer_dir_run_until(dir, first_ms + COUNT);
    for (int i = 0; i < COUNT; i++) {
        char body[16];
        int64_t at_ms = 0;
        snprintf(body, sizeof body, "m%d", i);
        assert_int_equal(timer_dir_count(dir, body, &at_ms), 1);
        assert_int_equal(at_ms, first_ms + i);
    }
}

/* Where the check point on the disk says that the log goes on. */
static int64_t saved_pos(const struct timer_dir *dir)
{
    struct timer_check check;
    char path[128];
    snprintf(path, sizeof path, "%s/config/timercheck", dir->below->path);
    assert_int_equal(timer_check_read(path, &check), 0);
    return check.log_pos;
}

/* Goal: a file of the log that a loss of power took, behind the check point, takes no timer along.
 * Method: each of three files in turn loses its length, or its name; each timer comes once, and a
 * restart finds the log whole. */
static void a_lost_file_behind_the_check_point_loses_nothing(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        struct timer_dir *dir = timer_dir_new(3600);
        int64_t first_ms = send_many(dir);
        assert_int_equal(saved_pos(dir), 0);
        assert_int_equal(timer_dir_lose_log_file(dir, round / 2, round % 2 == 1), 0);
        timer_dir_settle(dir);
        timer_dir_restart(dir, true);
        expect_all(dir, first_ms);
        timer_dir_remove(dir);
    }
}

/* Goal: one that was on the disk when the check point was written is no loss of power: the start is
 * refused, and the files stay as they are, for the operator to decide. */
static void a_lost_file_before_the_check_point_is_refused(void **state)
{
    struct timer_dir *dir = *state;
    int64_t first_ms = send_many(dir);
    timer_dir_flush(dir);
    assert_true(saved_pos(dir) > 2 * dir->options.log_file_bytes);
    assert_int_equal(timer_dir_lose_log_file(dir, 1, true), ERR_CORRUPT);
    char path[128];
    snprintf(path, sizeof path, "%s/timerlog/%020lld", dir->below->path,
             (long long)(2 * dir->options.log_file_bytes));
    assert_int_equal(remove(path), 0); /* as the message says */
    assert_int_equal(timer_open(&dir->options, dir->now_ms, &dir->timer), 0);
    expect_all(dir, first_ms);
}

static void wipe(const struct timer_dir *dir, int64_t pos, size_t len)
{
    static const uint8_t zeros[TIMER_UNIT_BYTES];
    int64_t file_bytes = dir->options.log_file_bytes;
    char path[128];
    snprintf(path, sizeof path, "%s/timerlog/%020lld", dir->below->path,
             (long long)(pos / file_bytes * file_bytes));
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0 && len <= sizeof zeros);
    assert_int_equal(pwrite(fd, zeros, len, pos % file_bytes), len);
    close(fd);
}

/* Goal: no timer is lost when the disk lost the filler of a full file and a unit, and the slot
 * leads to one that is not there any more: it is set again from all that is left of its chain.
 * Method: all timers in one slot; the last one's unit, in the second file behind the check point,
 * goes, too. */
static void a_slot_is_set_again_from_all_files(void **state)
{
    struct timer_dir *dir = *state;
    int64_t file_bytes = dir->options.log_file_bytes;
    int64_t due_ms = dir->now_ms + WAIT_MS;
    char body[16];
    for (int i = 0; i <= FILE_UNITS + 50; i++) {
        snprintf(body, sizeof body, "m%d", i);
        timer_dir_send_at(dir, body, due_ms);
        if (i < FILE_UNITS + 49)
            continue;
        timer_dir_run_until(dir, dir->now_ms + 100); /* it is taken in */
        if (i == FILE_UNITS + 49)
            timer_dir_flush(dir);
    }
    int64_t end = file_bytes + 50 * TIMER_UNIT_BYTES;
    assert_int_equal(saved_pos(dir), end);
    wipe(dir, FILE_UNITS * TIMER_UNIT_BYTES, (size_t)(file_bytes % TIMER_UNIT_BYTES)); /* filler */
    wipe(dir, FILE_UNITS / 2 * TIMER_UNIT_BYTES, TIMER_UNIT_BYTES);
    wipe(dir, end, TIMER_UNIT_BYTES);
    timer_dir_restart(dir, true);
    timer_dir_run_until(dir, due_ms + 1000);
    for (int i = 0; i <= FILE_UNITS + 50; i++) {
        snprintf(body, sizeof body, "m%d", i);
        assert_int_equal(timer_dir_count(dir, body, NULL), 1);
    }
}

static void append(struct timer_log *log, int count)
{
    const struct timer_unit unit = { .prev_pos = -1, .magic = 1, .write_ms = 1, .bytes = 1 };
    int64_t pos;
    for (int i = 0; i < count; i++)
        assert_int_equal(timer_log_append(log, &unit, &pos), 0);
}

static void sync_all(struct timer_log *log)
{
    struct timer_log_unsynced unsynced = { .fds = { -1, -1 } };
    timer_log_take_unsynced(log, &unsynced);
    assert_int_equal(timer_log_sync(&unsynced), 0);
}

/* Goal: the filler of a file is brought to the disk, also when all of its units were before. */
static void a_filler_is_synced(void **state)
{
    struct timer_dir *dir = *state;
    struct timer_log_unsynced unsynced = { .fds = { -1, -1 } };
    struct timer_log *log;
    char path[128];
    snprintf(path, sizeof path, "%s/timerlog", dir->below->path);
    assert_int_equal(timer_log_open(path, dir->options.log_file_bytes, 0, &log), 0);
    append(log, FILE_UNITS);
    sync_all(log);
    append(log, 1);
    timer_log_take_unsynced(log, &unsynced);
    assert_true(unsynced.fds[0] >= 0);
    assert_true(unsynced.fds[1] >= 0);
    assert_int_equal(timer_log_sync(&unsynced), 0);
    timer_log_close(log);
}

/* Goal: files of another layout are refused, not removed. */
static void another_length_is_refused(void **state)
{
    struct timer_dir *dir = *state;
    int64_t first_ms = send_many(dir);
    int64_t file_bytes = dir->options.log_file_bytes;
    dir->options.log_file_bytes = 2 * file_bytes;
    assert_int_equal(timer_dir_reopen(dir), ERR_CORRUPT);
    dir->options.log_file_bytes = file_bytes;
    assert_int_equal(timer_dir_reopen(dir), 0);
    expect_all(dir, first_ms);
}

/* Goal: a check point says of no unit that it is on the disk, whose file could not be brought
 * there. Method: what a killed process wrote is synced by the recovery, where that fails, once. */
static void a_recovery_syncs_what_a_killed_process_wrote(void **state)
{
    struct timer_dir *dir = *state;
    send_many(dir);
    timer_dir_restart(dir, true);
    fault_arm("timer.sync", 0, 1, ERR_IO);
    timer_dir_settle(dir);
    fault_disarm_all();
    timer_dir_flush(dir);
    assert_int_equal(saved_pos(dir), 0);
    timer_dir_restart(dir, true);
    timer_dir_settle(dir);
    timer_dir_flush(dir);
    assert_true(saved_pos(dir) > 2 * dir->options.log_file_bytes);
}

/* Goal: no unit is appended on top of others that a second loss of power could bring back. Method:
 * the log ends in its first file; that what lies behind is wiped there, and the files behind it
 * removed, cannot be brought to the disk, once: no check point says anything then. */
static void a_recovery_syncs_what_it_wiped_and_removed(void **state)
{
    static const char *const points[] = { "timer.sync", "timer.sync_name" };
    struct timer_dir *dir = *state;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        send_many(dir);
        timer_dir_lose_power(dir, FILE_UNITS / 2 * TIMER_UNIT_BYTES);
        fault_arm(points[i], 0, 1, ERR_IO);
        timer_dir_settle(dir);
        fault_disarm_all();
        timer_dir_flush(dir);
        assert_int_equal(saved_pos(dir), 0);
        timer_dir_restart(dir, true);
        timer_dir_settle(dir);
    }
    timer_dir_flush(dir);
    assert_true(saved_pos(dir) > 2 * dir->options.log_file_bytes);
}

#define TIMER_LOG_TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, timer_dir_set_up, timer_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_file_behind_the_check_point_loses_nothing),
        TIMER_LOG_TEST(a_lost_file_before_the_check_point_is_refused),
        TIMER_LOG_TEST(a_slot_is_set_again_from_all_files),
        TIMER_LOG_TEST(a_filler_is_synced),
        TIMER_LOG_TEST(another_length_is_refused),
        TIMER_LOG_TEST(a_recovery_syncs_what_a_killed_process_wrote),
        TIMER_LOG_TEST(a_recovery_syncs_what_it_wiped_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
