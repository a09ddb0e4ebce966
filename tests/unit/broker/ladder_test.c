#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/guard/ladder.h"

#define MS INT64_C(1000000)
#define LIMIT (100 * MS)

/* Measures every 50 ms for so long; gives the rung then. */
static enum rung measure_for(struct ladder *l, int64_t *now_ns, int64_t ms, int64_t delay_ns)
{
    for (int64_t end_ns = *now_ns + ms * MS; *now_ns < end_ns; *now_ns += 50 * MS)
        ladder_measure(l, delay_ns, LIMIT, *now_ns);
    return l->rung;
}

/* Goal: the ladder is climbed rung by rung while the delay stays above the limit, not for a moment
 * of it, and ends at its top. */
static void it_is_climbed_rung_by_rung(void **state)
{
    (void)state;
    struct ladder l = { RUNG_NONE, 0, 0 };
    int64_t now_ns = 5 * MS;
    assert_int_equal(measure_for(&l, &now_ns, 450, LIMIT + 1), RUNG_NONE);
    assert_true(ladder_is_moving(&l));
    assert_int_equal(measure_for(&l, &now_ns, 50, LIMIT), RUNG_NONE); /* a moment of peace */
    assert_false(ladder_is_moving(&l));
    assert_int_equal(measure_for(&l, &now_ns, 550, LIMIT + 1), RUNG_TRACE);
    assert_int_equal(measure_for(&l, &now_ns, 500, LIMIT + 1), RUNG_INDEX);
    assert_int_equal(measure_for(&l, &now_ns, 500, LIMIT + 1), RUNG_STATISTICS);
    assert_int_equal(measure_for(&l, &now_ns, 500, LIMIT + 1), RUNG_COLD_READS);
    assert_int_equal(measure_for(&l, &now_ns, 500, LIMIT + 1), RUNG_TIMER_CATCH_UP);
    assert_int_equal(measure_for(&l, &now_ns, 500, LIMIT + 1), RUNG_LOW_PRIORITY);
    assert_int_equal(measure_for(&l, &now_ns, 5000, LIMIT + 1), RUNG_LOW_PRIORITY);
}

/* Goal: it is left by itself, slower than it was climbed; between half the limit and the limit
 * nothing moves. */
static void it_is_left_by_itself(void **state)
{
    (void)state;
    struct ladder l = { RUNG_LOW_PRIORITY, 0, 0 };
    int64_t now_ns = 5 * MS;
    assert_int_equal(measure_for(&l, &now_ns, 9000, LIMIT / 2 + 1), RUNG_LOW_PRIORITY);
    assert_int_equal(measure_for(&l, &now_ns, 1050, LIMIT / 2), RUNG_TIMER_CATCH_UP);
    assert_int_equal(measure_for(&l, &now_ns, 1000, 0), RUNG_COLD_READS);
    assert_int_equal(measure_for(&l, &now_ns, 2000, 0), RUNG_INDEX);
    assert_int_equal(measure_for(&l, &now_ns, 2000, 0), RUNG_NONE);
    assert_int_equal(measure_for(&l, &now_ns, 2000, 0), RUNG_NONE);
    assert_false(ladder_is_moving(&l));
}

/* Goal: a limit of 0 turns it off, from wherever it is. */
static void a_limit_of_0_leaves_it_at_once(void **state)
{
    (void)state;
    struct ladder l = { RUNG_COLD_READS, 0, 0 };
    assert_true(ladder_measure(&l, 1000 * MS, 0, 7 * MS));
    assert_int_equal(l.rung, RUNG_NONE);
    assert_false(ladder_measure(&l, 1000 * MS, 0, 8000 * MS));
    assert_false(ladder_is_moving(&l));
}

/* Goal: a second's worth at once, then no more than the rate, however it is asked for.
 * Method: 100 a second, asked for each ms over 10 s after a rest. */
static void a_rate_is_kept(void **state)
{
    (void)state;
    struct rate_limit limit = { 0 };
    int taken = 0, at_once = 0;
    while (rate_limit_take(&limit, 100, 3600 * 1000 * MS))
        at_once++;
    assert_int_equal(at_once, 100);
    for (int ms = 1; ms <= 10000; ms++)
        taken += rate_limit_take(&limit, 100, (3600 * 1000 + ms) * MS);
    assert_int_equal(taken, 1000);
    assert_true(rate_limit_take(&limit, 0, 3600 * 1000 * MS));
}

/* Goal: every rung has a name of its own. */
static void rungs_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < RUNG_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(rung_name((enum rung)i), rung_name((enum rung)j));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_climbed_rung_by_rung),
        cmocka_unit_test(it_is_left_by_itself),
        cmocka_unit_test(a_limit_of_0_leaves_it_at_once),
        cmocka_unit_test(a_rate_is_kept),
        cmocka_unit_test(rungs_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
