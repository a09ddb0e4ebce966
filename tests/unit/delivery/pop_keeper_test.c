#include "delivery/pop_dir.h"

#include "base/fault.h"
#include "delivery/pop_internal.h"

enum { INVISIBLE_MS = 5000, SET_BACK_MS = 20000 };

static int set_up(void **state)
{
    *state = pop_dir_new();
    return 0;
}

static int tear_down(void **state)
{
    fault_disarm_all();
    pop_dir_remove(*state);
    return 0;
}

/* COUNT messages, popped at once. */
enum { COUNT = 3 };
static struct popped pop_some(struct pop_dir *dir, int64_t queue_offsets[COUNT])
{
    struct popped popped;
    pop_dir_send(dir, COUNT);
    pop_dir_run_until(dir, dir->now_ms);
    assert_int_equal(pop_dir_pop(dir, COUNT, INVISIBLE_MS, &popped, queue_offsets), COUNT);
    return popped;
}

/* Goal: what is not acknowledged is put again, once, when its time is over and not before. */
static void the_rest_comes_again_in_time(void **state)
{
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    struct popped popped = pop_some(dir, offsets);
    int64_t due_ms = popped.key.pop_time_ms + INVISIBLE_MS;
    pop_dir_ack(dir, &popped, offsets[1]);
    pop_dir_run_until(dir, due_ms - 1);
    assert_int_equal(pop_dir_retried(dir), 0);
    pop_dir_run_until(dir, due_ms + 3000);
    assert_int_equal(pop_dir_retried(dir), COUNT - 1);
    pop_dir_restart(dir, dir->now_ms + 1);
    pop_dir_run_until(dir, dir->now_ms + 2 * INVISIBLE_MS);
    assert_int_equal(pop_dir_retried(dir), COUNT - 1);
}

/* Goal: a restart forgets neither checkpoint nor ack, also one that comes before its checkpoint. */
static void a_restart_forgets_nothing(void **state)
{
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    struct popped popped = pop_some(dir, offsets);
    pop_dir_ack(dir, &popped, offsets[0]);
    pop_dir_restart(dir, dir->now_ms + 1000);
    pop_dir_run_until(dir, dir->now_ms);
    assert_true(keeper_may_come(dir->keeper, &popped));
    pop_dir_ack(dir, &popped, offsets[2]);
    pop_dir_run_until(dir, popped.key.pop_time_ms + 3 * INVISIBLE_MS);
    assert_int_equal(pop_dir_retried(dir), 1);
    store_dir_expect(dir->files, POP_DIR_RETRY_TOPIC, 0, 0, "m");
}

/* Goal: a queue that cannot be read when it is opened is no queue that went: what was popped of it
 * is put again later. Method: nobody has opened it in this process when the checkpoint is due. */
static void a_read_error_drops_nothing(void **state)
{
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    struct popped popped = pop_some(dir, offsets);
    int64_t due_ms = popped.key.pop_time_ms + INVISIBLE_MS;
    pop_dir_restart(dir, dir->now_ms + 1);
    pop_dir_run_until(dir, due_ms - 1);
    assert_non_null(pop_find(dir->keeper->table, &popped.key));
    fault_arm("disk.read", 0, INT64_MAX, ERR_IO);
    pop_dir_run_until(dir, due_ms + 1000);
    assert_non_null(pop_find(dir->keeper->table, &popped.key));
    fault_disarm_all();
    assert_int_equal(pop_dir_retried(dir), 0);
    pop_dir_run_until(dir, due_ms + 30000);
    assert_int_equal(pop_dir_retried(dir), COUNT);
}

static void expect_all_again(struct pop_dir *dir, const struct popped *popped)
{
    pop_dir_run_until(dir, popped->key.pop_time_ms + 2 * INVISIBLE_MS);
    assert_int_equal(pop_dir_retried(dir), COUNT);
}

/* Goal: a checkpoint that was written before the clock was set back and the broker started again is
 * not taken for one that is finished. */
static void a_clock_set_back_across_a_restart_drops_nothing(void **state)
{
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    struct popped popped = pop_some(dir, offsets);
    pop_dir_restart(dir, dir->now_ms - SET_BACK_MS);
    pop_dir_run_until(dir, dir->now_ms);
    assert_true(keeper_may_come(dir->keeper, &popped));
    expect_all_again(dir, &popped);
}

/* Goal: a clock that was far ahead and is set back delays what was popped by no more than its
 * invisible time, once more after a change of that; and what came again does not come once more
 * when the clock gets there, in this life or another. */
static void a_clock_that_was_ahead_delays_nothing_for_long(void **state)
{
    static const int64_t ahead_ms[] = { 20000, 3600 * 1000 };
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pop_dir *dir = pop_dir_new();
        int64_t offsets[COUNT];
        int64_t end;
        struct popped changed;
        pop_dir_run_until(dir, dir->now_ms + 100);
        dir->now_ms += ahead_ms[i / 2];
        struct popped popped = pop_some(dir, offsets);
        dir->now_ms -= ahead_ms[i / 2];
        pop_dir_run_until(dir, dir->now_ms + 100);
        assert_int_equal(
            pop_change(dir->keeper, &popped, offsets[1], INVISIBLE_MS, dir->now_ms, &changed, &end),
            0);
        pop_dir_run_until(dir, dir->now_ms + INVISIBLE_MS - 200);
        assert_int_equal(pop_dir_retried(dir), 0);
        pop_dir_run_until(dir, dir->now_ms + 400);
        assert_int_equal(pop_dir_retried(dir), COUNT);
        if (i % 2 == 1)
            pop_dir_restart(dir, dir->now_ms + 1);
        pop_dir_run_until(dir, popped.key.pop_time_ms + 3 * INVISIBLE_MS);
        assert_int_equal(pop_dir_retried(dir), COUNT);
        pop_dir_remove(dir);
    }
}

/* Goal: the same when the clock was set back first, and messages were stored until the restart. */
static void a_clock_set_back_before_a_restart_drops_nothing(void **state)
{
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    struct popped popped = pop_some(dir, offsets);
    dir->now_ms -= SET_BACK_MS;
    pop_dir_send(dir, COUNT);
    pop_dir_restart(dir, dir->now_ms + 1000);
    expect_all_again(dir, &popped);
}

/* Goal: the same when the process is killed before anything was saved of the pop; of one that was
 * given another time, too. */
static void a_clock_set_back_before_a_kill_drops_nothing(void **state)
{
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    int64_t end;
    struct popped changed;
    struct popped popped = pop_some(dir, offsets);
    dir->now_ms += 10;
    assert_int_equal(
        pop_change(dir->keeper, &popped, offsets[1], INVISIBLE_MS, dir->now_ms, &changed, &end), 0);
    dir->now_ms -= SET_BACK_MS;
    pop_dir_send(dir, COUNT);
    pop_dir_kill(dir, dir->now_ms + 1000);
    pop_dir_run_until(dir, dir->now_ms);
    assert_true(keeper_may_come(dir->keeper, &changed));
    expect_all_again(dir, &popped);
}

/* Goal: the same when its time was so short that its checkpoint stands in the revive log already.
 */
static void a_short_pop_before_a_kill_is_not_dropped(void **state)
{
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    struct popped popped;
    pop_dir_send(dir, COUNT);
    pop_dir_run_until(dir, dir->now_ms);
    assert_int_equal(pop_dir_pop(dir, COUNT, 500, &popped, offsets), COUNT);
    dir->now_ms -= SET_BACK_MS;
    pop_dir_send(dir, COUNT);
    pop_dir_kill(dir, dir->now_ms + 1000);
    expect_all_again(dir, &popped);
}

/* Goal: the same when it is started once more before the clock gets there: the table of offsets
 * that is saved meanwhile has the log's end behind the pop. */
static void a_start_after_such_a_kill_drops_nothing(void **state)
{
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    struct popped popped;
    pop_dir_send(dir, COUNT);
    pop_dir_run_until(dir, dir->now_ms);
    assert_int_equal(pop_dir_pop(dir, COUNT, 500, &popped, offsets), COUNT);
    dir->now_ms -= SET_BACK_MS;
    pop_dir_send(dir, COUNT);
    pop_dir_kill(dir, dir->now_ms + 1000);
    pop_dir_run_until(dir, dir->now_ms + 100);
    pop_dir_restart(dir, dir->now_ms + 1000);
    expect_all_again(dir, &popped);
}

/* Goal: what is popped while the clock is behind an earlier process's comes again once, also when
 * the clock jumps and the keeper is faster than the timer, which brings the checkpoint. */
static void a_jump_puts_nothing_again_twice(void **state)
{
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    struct popped popped = pop_some(dir, offsets);
    for (int i = 0; i < COUNT; i++)
        pop_dir_ack(dir, &popped, offsets[i]);
    pop_dir_restart(dir, dir->now_ms - SET_BACK_MS);
    pop_dir_run_until(dir, dir->now_ms + 100);
    pop_some(dir, offsets);
    pop_dir_run_until(dir, dir->now_ms + 1000);
    dir->now_ms += 10 * SET_BACK_MS;
    pop_keeper_run(dir->keeper, dir->now_ms);
    assert_int_equal(pop_dir_retried(dir), COUNT);
    pop_dir_run_until(dir, dir->now_ms + 2 * INVISIBLE_MS);
    assert_int_equal(pop_dir_retried(dir), COUNT);
}

/* Goal: what was acknowledged does not come again when the clock jumps by weeks, also when the ack
 * is one that the timer rolls and its checkpoint is not. */
static void a_jump_forgets_no_ack_that_was_rolled(void **state)
{
    enum { BEHIND_THE_WINDOW_MS = 3601 * 1000 };
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    struct popped popped;
    pop_dir_send(dir, COUNT);
    pop_dir_run_until(dir, dir->now_ms);
    assert_int_equal(pop_dir_pop(dir, COUNT, BEHIND_THE_WINDOW_MS, &popped, offsets), COUNT);
    for (int i = 0; i < COUNT; i++)
        pop_dir_ack(dir, &popped, offsets[i]);
    pop_dir_run_until(dir, dir->now_ms + 500);
    pop_dir_restart(dir, dir->now_ms + 42 * 86400 * 1000LL);
    pop_dir_run_until(dir, dir->now_ms + 5000);
    assert_int_equal(pop_dir_retried(dir), 0);
}

/* Goal: after the clock was set back, what was popped before can be acknowledged, also by the next
 * process; a time that no clock had is one of the future. */
static void a_clock_set_back_makes_no_handle_of_the_future(void **state)
{
    enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };
    struct pop_dir *dir = *state;
    int64_t offsets[COUNT];
    const struct popped popped = pop_some(dir, offsets);
    int64_t pop_ms = popped.key.pop_time_ms;
    assert_true(pop_is_of_the_future(dir->keeper, pop_ms + HOUR_MS, false, dir->now_ms));
    assert_false(pop_is_of_the_future(dir->keeper, pop_ms + MINUTE_MS, true, dir->now_ms));
    assert_true(pop_is_of_the_future(dir->keeper, pop_ms + MINUTE_MS + 1, true, dir->now_ms));
    dir->now_ms -= HOUR_MS;
    assert_false(pop_is_of_the_future(dir->keeper, pop_ms, false, dir->now_ms));
    assert_true(pop_is_of_the_future(dir->keeper, pop_ms + HOUR_MS, false, dir->now_ms));
    pop_dir_restart(dir, dir->now_ms);
    pop_dir_run_until(dir, dir->now_ms + 100);
    assert_false(pop_is_of_the_future(dir->keeper, pop_ms, false, dir->now_ms));
    assert_true(pop_is_of_the_future(dir->keeper, pop_ms + HOUR_MS, false, dir->now_ms));
}

#define KEEPER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEEPER_TEST(the_rest_comes_again_in_time),
        KEEPER_TEST(a_restart_forgets_nothing),
        KEEPER_TEST(a_read_error_drops_nothing),
        cmocka_unit_test(a_clock_that_was_ahead_delays_nothing_for_long),
        KEEPER_TEST(a_clock_set_back_across_a_restart_drops_nothing),
        KEEPER_TEST(a_clock_set_back_before_a_restart_drops_nothing),
        KEEPER_TEST(a_clock_set_back_before_a_kill_drops_nothing),
        KEEPER_TEST(a_short_pop_before_a_kill_is_not_dropped),
        KEEPER_TEST(a_start_after_such_a_kill_drops_nothing),
        KEEPER_TEST(a_jump_puts_nothing_again_twice),
        KEEPER_TEST(a_jump_forgets_no_ack_that_was_rolled),
        KEEPER_TEST(a_clock_set_back_makes_no_handle_of_the_future),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
