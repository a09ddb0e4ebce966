#include "store/store_dir.h"

#include <stdlib.h>

#define FIRST_LOG_FILE "commitlog/00000000000000000000"
#define SECOND_LOG_FILE "commitlog/00000000000000065536"

static int set_up(void **state)
{
    struct store_dir *dir = store_dir_new();
    dir->options.delete_when = "";
    dir->options.clean_interval_ms = 3600000;
    return store_dir_set_up(state, dir);
}

/* Three files of the log and a bit. */
static void fill(struct store_dir *dir)
{
    for (int i = 0; store_dir_log_end(dir) < 3 * LOG_FILE_BYTES + 1000; i++)
        store_dir_put_big(dir, "orders", 0, i, 500);
}

static int64_t log_min(struct store_dir *dir)
{
    struct store_state state;
    store_state(dir->store, &state);
    return state.min_phy_offset;
}

static bool first_file_is_gone(void *ctx)
{
    return !store_dir_has(ctx, FIRST_LOG_FILE) && log_min(ctx) > 0 &&
           store_queue_min(((struct store_dir *)ctx)->store, SLICE("orders"), 0) > 0;
}

static bool two_files_are_gone(void *ctx)
{
    return !store_dir_has(ctx, SECOND_LOG_FILE) && log_min(ctx) > LOG_FILE_BYTES;
}

/* Goal: files older than their time go, younger ones stay; queues begin where the log does.
 * Method: the first file is made old; afterwards its messages are too small an offset. */
static void old_files_go(void **state)
{
    struct store_dir *dir = *state;
    fill(dir);
    store_dir_close(dir);
    store_dir_age(dir, FIRST_LOG_FILE, 100);
    store_dir_open(dir);
    int64_t max = store_queue_max(dir->store, SLICE("orders"), 0);
    store_clean_now(dir->store);
    store_dir_await(first_file_is_gone, dir);
    assert_int_equal(log_min(dir), LOG_FILE_BYTES);
    assert_true(store_dir_has(dir, SECOND_LOG_FILE));

    int64_t min = store_queue_min(dir->store, SLICE("orders"), 0);
    struct store_queue_entry entry;
    assert_int_equal(store_queue_entry_at(dir->store, SLICE("orders"), 0, min, &entry), 0);
    assert_int_equal(entry.phy_offset, LOG_FILE_BYTES);
    struct store_get_request request = {
        .topic = SLICE("orders"), .max_count = 1, .max_bytes = 1000, .may_block = true
    };
    struct store_get_result result;
    struct buf body = BUF_INIT;
    assert_int_equal(store_get(dir->store, &request, &body, &result), 0);
    assert_int_equal(result.status, GET_OFFSET_TOO_SMALL);
    assert_int_equal(result.next_offset, min);
    assert_int_equal(result.min_offset, min);
    int64_t time_ms;
    assert_int_equal(store_queue_time(dir->store, SLICE("orders"), 0, min - 1, &time_ms), 0);
    assert_int_equal(time_ms, -1);

    store_dir_close(dir);
    store_dir_open(dir);
    assert_int_equal(store_queue_min(dir->store, SLICE("orders"), 0), min);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), max);
    buf_fini(&body);
}

/* Goal: a disk over its limit loses its oldest files whatever their age, but never the last one.
 * Method: limits that any disk is over. */
static void a_full_disk_takes_young_files(void **state)
{
    struct store_dir *dir = *state;
    fill(dir);
    store_dir_close(dir);
    dir->options.disk_clean_forcibly_percent = 0;
    store_dir_open(dir);
    store_clean_now(dir->store);
    store_dir_await(two_files_are_gone, dir);
    int64_t max = store_queue_max(dir->store, SLICE("orders"), 0);
    struct buf bytes = BUF_INIT;
    struct record record;
    assert_true(store_dir_get(dir, "orders", 0, max - 1, &bytes, &record));
    assert_int_equal(store_refuses_puts(dir->store), 0);
    buf_fini(&bytes);
}

static bool puts_are_refused(void *ctx)
{
    const struct store_dir *dir = ctx;
    return store_refuses_puts(dir->store) == ERR_DISK_FULL;
}

/* Goal: over the warning limit puts are refused and gets go on.
 * Method: a limit that any disk is over. */
static void over_the_warning_limit_puts_are_refused(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "before", "");
    store_dir_close(dir);
    dir->options.disk_warning_percent = 0;
    store_dir_open(dir);
    store_clean_now(dir->store);
    store_dir_await(puts_are_refused, dir);
    struct record record = store_dir_record("orders", 0, SLICE("x"), "");
    struct store_put_result result;
    assert_int_equal(store_put(dir->store, &record, 1, dir->now_ms, &result, NULL), ERR_DISK_FULL);
    store_dir_expect(dir, "orders", 0, 0, "before");
    struct store_state now;
    store_state(dir->store, &now);
    assert_true(now.commit_log_disk_percent > 0);
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(old_files_go),
        STORE_TEST(a_full_disk_takes_young_files),
        STORE_TEST(over_the_warning_limit_puts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
