/* Clocks that are wrong, and clocks that are put right again. */
#include "delivery/timer_dir.h"

#include "base/fault.h"

#define DAY_MS (86400 * 1000LL)

static const int64_t jumps_ms[] = { 5000, 3600 * 1000, 8 * DAY_MS, 3650 * DAY_MS };
enum { JUMPS = sizeof jumps_ms / sizeof jumps_ms[0] };

/* Some timers while the clock is `ahead_ms` ahead; then it is right again. */
static void be_ahead(struct timer_dir *dir, int64_t ahead_ms)
{
    timer_dir_settle(dir);
    dir->now_ms += ahead_ms;
    timer_dir_settle(dir);
    timer_dir_send_at(dir, "ahead", dir->now_ms + 1500);
    timer_dir_run_until(dir, dir->now_ms + 4100);
    timer_dir_flush(dir);
    assert_int_equal(timer_dir_count(dir, "ahead", NULL), 1);
    dir->now_ms -= ahead_ms;
}

/* Goal: what is sent after the clock was set back comes at its time, once, also when the broker is
 * killed or stopped meanwhile, and what was delivered by the wrong clock does not come again. */
static void what_is_sent_after_the_clock_was_set_back_comes_in_time(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * JUMPS; i++) {
        struct timer_dir *dir = timer_dir_new(TIMER_DIR_WINDOW_TICKS);
        be_ahead(dir, jumps_ms[i / 2]);
        int64_t start = dir->now_ms;
        timer_dir_send_at(dir, "soon", start + 700);
        timer_dir_send_at(dir, "later", start + 6700);
        timer_dir_send_at(dir, "rolled", start + TIMER_DIR_WINDOW_TICKS * 1000 + 5300);
        timer_dir_run_until(dir, start + 1800);
        timer_dir_flush(dir);
        timer_dir_restart(dir, i % 2 == 0);
        timer_dir_run_until(dir, start + 7000);
        timer_dir_expect_once(dir, "soon", start + 700);
        timer_dir_expect_once(dir, "later", start + 6700);
        timer_dir_run_until(dir, start + 2 * TIMER_DIR_WINDOW_TICKS * 1000);
        timer_dir_expect_once(dir, "rolled", start + TIMER_DIR_WINDOW_TICKS * 1000 + 5300);
        assert_int_equal(timer_dir_count(dir, "ahead", NULL), 1);
        timer_dir_remove(dir);
    }
}

/* Goal: the same when the clock was set back while the broker did not run. */
static void a_clock_set_back_between_two_lives_makes_nothing_late(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * JUMPS; i++) {
        struct timer_dir *dir = timer_dir_new(TIMER_DIR_WINDOW_TICKS);
        be_ahead(dir, jumps_ms[i / 2]);
        int64_t start = dir->now_ms;
        timer_dir_restart(dir, i % 2 == 0);
        timer_dir_send_at(dir, "soon", start + 700);
        timer_dir_send_at(dir, "later", start + 6700);
        timer_dir_run_until(dir, start + 3000);
        timer_dir_restart(dir, true);
        timer_dir_run_until(dir, start + 20000);
        timer_dir_expect_once(dir, "later", start + 6700);
        assert_in_range(timer_dir_count(dir, "soon", NULL), 1, 2); /* no check point since */
        assert_int_equal(timer_dir_count(dir, "ahead", NULL), 1);
        timer_dir_remove(dir);
    }
}

/* Goal: what waits for a time behind that of the wrong clock waits on, cancelled or not, and comes
 * once. Method: it lies in memory, or in the wheel, when the clock is set back. */
static void what_waits_when_the_clock_is_set_back_comes_once(void **state)
{
    struct timer_dir *dir = *state;
    int64_t due_ms = dir->now_ms + 90700;
    timer_dir_send_at(dir, "near", due_ms);
    timer_dir_send_at(dir, "cancelled", due_ms);
    timer_dir_send_at(dir, "far", due_ms + 60000);
    timer_dir_settle(dir);
    timer_dir_cancel(dir, "cancelled", due_ms);
    timer_dir_run_until(dir, due_ms - 1000);
    dir->now_ms -= 30000;
    timer_dir_send_at(dir, "new", due_ms - 20000);
    timer_dir_run_until(dir, due_ms + 70000);
    timer_dir_expect_once(dir, "new", due_ms - 20000);
    timer_dir_expect_once(dir, "near", due_ms);
    timer_dir_expect_once(dir, "far", due_ms + 60000);
    assert_int_equal(timer_dir_count(dir, "cancelled", NULL), 0);
}

/* Goal: what was delivered of the tick that had begun does not come once more with the rest. */
static void a_tick_that_had_begun_goes_on_where_it_was(void **state)
{
    struct timer_dir *dir = *state;
    int64_t tick_ms = dir->now_ms + 10000;
    timer_dir_send_at(dir, "first", tick_ms + 200);
    timer_dir_send_at(dir, "second", tick_ms + 800);
    timer_dir_run_until(dir, tick_ms + 500);
    dir->now_ms -= 5000;
    timer_dir_send_at(dir, "new", dir->now_ms + 100);
    timer_dir_run_until(dir, tick_ms + 5000);
    timer_dir_expect_once(dir, "new", tick_ms - 4400);
    assert_int_equal(timer_dir_count(dir, "first", NULL), 1);
    timer_dir_expect_once(dir, "second", tick_ms + 800);
}

/* Goal: what was late by the wrong clock, and refused by the store, is late by the right one, too,
 * or comes at its time; what is sent meanwhile as well. Method: both are taken in ten seconds after
 * they were sent, so that they lie in a tick behind their own; then the clock goes back by five. */
static void what_was_late_comes_in_time(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    timer_dir_settle(dir);
    timer_dir_send_at(dir, "late", start + 500);
    timer_dir_send_at(dir, "not late", start + 8000);
    dir->now_ms += 10000;
    dir->refusals = 2;
    timer_dir_settle(dir);
    dir->now_ms -= 5000;
    timer_dir_send_at(dir, "new", dir->now_ms + 4000);
    timer_dir_settle(dir);
    assert_int_equal(dir->delivered_count, 0);
    dir->now_ms = start + 7000;
    timer_dir_settle(dir);
    assert_int_equal(timer_dir_count(dir, "late", NULL), 0);
    timer_dir_run_until(dir, start + 9900);
    assert_int_equal(timer_dir_count(dir, "late", NULL), 1);
    assert_true(timer_dir_count(dir, "not late", NULL) >= 1);
    timer_dir_expect_once(dir, "new", start + 9000);
    timer_dir_run_until(dir, start + 20000);
    assert_int_equal(timer_dir_count(dir, "late", NULL), 1);
}

/* Goal: weeks without the broker, or a clock that jumps over them, lose nothing: neither what was
 * due meanwhile nor what has its place of the wheel now. Method: the wheel has 14 days. */
static void weeks_are_passed_over_without_a_loss(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct timer_dir *dir = timer_dir_new(TIMER_DIR_WINDOW_TICKS);
        int64_t start = dir->now_ms;
        int64_t weeks_ms = (i / 2 == 0 ? 14 : 42) * DAY_MS;
        timer_dir_send_at(dir, "old", start + 600500);
        timer_dir_send_at(dir, "old too", start + 700500);
        timer_dir_settle(dir);
        timer_dir_flush(dir);
        dir->now_ms += weeks_ms;
        if (i % 2 == 0)
            timer_dir_restart(dir, true);
        timer_dir_send_at(dir, "new", dir->now_ms + 600500);
        timer_dir_settle(dir);
        timer_dir_expect_once(dir, "old", start + weeks_ms);
        timer_dir_expect_once(dir, "old too", start + weeks_ms);
        timer_dir_run_until(dir, dir->now_ms + 700000);
        timer_dir_expect_once(dir, "new", start + weeks_ms + 600500);
        timer_dir_remove(dir);
    }
}

/* Goal: what waits for a time of the clock that was ahead keeps its place in the wheel, which
 * others would have now; both come at their time. Method: the wheel has 14 days. */
static void what_waits_by_the_wrong_clock_keeps_its_place(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    timer_dir_settle(dir);
    dir->now_ms += 42 * DAY_MS;
    timer_dir_send_at(dir, "ahead", dir->now_ms + 600500);
    timer_dir_settle(dir);
    dir->now_ms -= 42 * DAY_MS;
    timer_dir_send_at(dir, "now", start + 600500);
    timer_dir_send_at(dir, "cancelled", start + 600700);
    timer_dir_settle(dir);
    timer_dir_cancel(dir, "cancelled", start + 600700);
    timer_dir_flush(dir);
    timer_dir_restart(dir, true);
    timer_dir_run_until(dir, start + 700000);
    timer_dir_expect_once(dir, "now", start + 600500);
    assert_int_equal(timer_dir_count(dir, "cancelled", NULL), 0);
    assert_int_equal(timer_dir_count(dir, "ahead", NULL), 0);
    dir->now_ms = start + 42 * DAY_MS;
    timer_dir_run_until(dir, dir->now_ms + 700000);
    timer_dir_expect_once(dir, "ahead", start + 42 * DAY_MS + 600500);
}

/* Goal: a broker that was killed before its first check point knows after a jump what waits. */
static void a_kill_before_the_first_check_point_and_a_jump_lose_nothing(void **state)
{
    struct timer_dir *dir = *state;
    int64_t start = dir->now_ms;
    timer_dir_send_at(dir, "a", start + 600500);
    timer_dir_settle(dir);
    timer_dir_restart(dir, true);
    timer_dir_send_at(dir, "b", start + 600500);
    timer_dir_restart(dir, true);
    dir->now_ms += 42 * DAY_MS;
    timer_dir_restart(dir, true);
    timer_dir_run_until(dir, dir->now_ms + 10000);
    assert_int_equal(timer_dir_count(dir, "a", NULL), 1);
    assert_int_equal(timer_dir_count(dir, "b", NULL), 1);
}

/* Goal: a clock that jumps for no longer than a turn of work takes loses nothing and brings nothing
 * early: neither what was sent by it nor what is sent afterwards. */
static void a_clock_set_back_within_a_turn_is_noticed(void **state)
{
    (void)state;
    for (int i = 0; jumps_ms[i] <= 8 * DAY_MS; i++) {
        struct timer_dir *dir = timer_dir_new(2 * DAY_MS / 1000);
        int64_t ahead_ms = dir->now_ms + jumps_ms[i];
        int64_t back_ms = dir->now_ms + jumps_ms[i] / 2;
        timer_dir_settle(dir);
        dir->now_ms = ahead_ms;
        timer_work_begin(dir->timer, dir->now_ms, true);
        timer_work(dir->timer);
        timer_dir_send_at(dir, "ahead", ahead_ms + 1500);
        dir->now_ms = back_ms;
        timer_work_end(dir->timer, dir->now_ms, true);
        timer_dir_send_at(dir, "new", back_ms + 1700);
        timer_dir_run_until(dir, back_ms + 2000);
        timer_dir_expect_once(dir, "new", back_ms + 1700);
        assert_int_equal(timer_dir_count(dir, "ahead", NULL), 0);
        dir->now_ms = ahead_ms;
        timer_dir_run_until(dir, ahead_ms + 3000);
        timer_dir_expect_once(dir, "ahead", ahead_ms + 1500);
        timer_dir_remove(dir);
    }
}

static void work_once(struct timer_dir *dir)
{
    timer_work_begin(dir->timer, dir->now_ms, true);
    timer_work(dir->timer);
    timer_work_end(dir->timer, dir->now_ms, true);
}

/* Goal: a timer that lies in a later tick than its own is not said to be delivered, also when the
 * process that put it there was killed. Method: one that was rolled before the clock jumped by
 * weeks lies a week behind the new time; a crowd in between makes the turns of work short. */
static void what_lies_behind_its_tick_is_not_delivered(void **state)
{
    enum { CROWD = 1500, DUE_MS = (TIMER_DIR_WINDOW_TICKS + 5) * 1000 };
    struct timer_dir *dir = *state;
    int64_t due_ms = dir->now_ms + DUE_MS;
    timer_dir_send_at(dir, "rolled", due_ms);
    timer_dir_run_until(dir, dir->now_ms + 60000);
    for (int i = 0; i < CROWD; i++)
        timer_dir_send_at(dir, "crowd", due_ms + 10000);
    timer_dir_run_until(dir, dir->now_ms + 5000);
    dir->now_ms += 42 * DAY_MS;
    work_once(dir);
    timer_run(dir->timer, dir->now_ms, 1); /* it is rolled */
    work_once(dir);
    assert_true(timer_delivered_to(dir->timer, dir->now_ms) < due_ms);
    timer_dir_flush(dir);
    timer_dir_restart(dir, true);
    assert_int_equal(timer_delivered_to(dir->timer, dir->now_ms), 0);
    work_once(dir);
    assert_int_equal(timer_dir_count(dir, "rolled", NULL), 0);
    assert_true(timer_delivered_to(dir->timer, dir->now_ms) < due_ms);
    timer_dir_run_until(dir, dir->now_ms + 5000);
    assert_int_equal(timer_dir_count(dir, "rolled", NULL), 1);
    assert_int_equal(timer_delivered_to(dir->timer, dir->now_ms), dir->now_ms);
}

#define CLOCK_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, timer_dir_set_up, timer_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_after_the_clock_was_set_back_comes_in_time),
        cmocka_unit_test(a_clock_set_back_between_two_lives_makes_nothing_late),
        CLOCK_TEST(what_waits_when_the_clock_is_set_back_comes_once),
        CLOCK_TEST(a_tick_that_had_begun_goes_on_where_it_was),
        CLOCK_TEST(what_was_late_comes_in_time),
        cmocka_unit_test(weeks_are_passed_over_without_a_loss),
        CLOCK_TEST(what_waits_by_the_wrong_clock_keeps_its_place),
        CLOCK_TEST(a_kill_before_the_first_check_point_and_a_jump_lose_nothing),
        cmocka_unit_test(a_clock_set_back_within_a_turn_is_noticed),
        CLOCK_TEST(what_lies_behind_its_tick_is_not_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
