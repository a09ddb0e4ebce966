#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/figures/traffic.h"

enum { SECOND_NS = 1000000000 };

static double rate(const struct traffic *t, int seconds, int64_t now_s)
{
    return traffic_rate(t, TRAFFIC_PUT, seconds, now_s * SECOND_NS);
}

/* Goal: a rate is the count of the last whole seconds, shared among them; the second at hand is
 * left out, being unfinished. Method: ten messages in each of two seconds. */
static void a_rate_covers_the_last_whole_seconds(void **state)
{
    (void)state;
    static struct traffic t;
    traffic_count(&t, TRAFFIC_PUT, 4, (int64_t)100 * SECOND_NS);
    traffic_count(&t, TRAFFIC_PUT, 6, (int64_t)100 * SECOND_NS + 5);
    traffic_count(&t, TRAFFIC_PUT, 10, (int64_t)101 * SECOND_NS);
    assert_int_equal(t.totals[TRAFFIC_PUT], 20);
    assert_float_equal(rate(&t, 10, 101), 1.0, 1e-9);
    assert_float_equal(rate(&t, 10, 102), 2.0, 1e-9);
    assert_float_equal(rate(&t, 1, 102), 10.0, 1e-9);
    assert_float_equal(rate(&t, 10, 111), 1.0, 1e-9);
    assert_float_equal(traffic_rate(&t, TRAFFIC_FOUND, 10, (int64_t)102 * SECOND_NS), 0.0, 1e-9);
}

/* Goal: what is older than the slots reach does not come back.
 * Method: count, let a round of all slots pass in silence, then count in the same slot. */
static void old_seconds_are_forgotten(void **state)
{
    (void)state;
    static struct traffic t;
    traffic_count(&t, TRAFFIC_PUT, 10, (int64_t)100 * SECOND_NS);
    assert_float_equal(rate(&t, 60, 100 + TRAFFIC_SECONDS), 0.0, 1e-9);
    traffic_count(&t, TRAFFIC_PUT, 1, (int64_t)(100 + TRAFFIC_SECONDS) * SECOND_NS);
    assert_float_equal(rate(&t, 1, 101 + TRAFFIC_SECONDS), 1.0, 1e-9);
}

/* Goal: the totals of this morning and of the one before are kept, also over days without any
 * traffic. */
static void mornings_are_remembered(void **state)
{
    (void)state;
    static struct traffic t;
    traffic_init(&t, 50, (int64_t)100 * SECOND_NS);
    traffic_count(&t, TRAFFIC_PUT, 7, (int64_t)149 * SECOND_NS);
    assert_int_equal(t.today[TRAFFIC_PUT], 0);
    traffic_count(&t, TRAFFIC_PUT, 2, (int64_t)150 * SECOND_NS);
    assert_int_equal(t.today[TRAFFIC_PUT], 7);
    assert_int_equal(t.yesterday[TRAFFIC_PUT], 0);
    traffic_advance(&t, (int64_t)(150 + 86400) * SECOND_NS);
    assert_int_equal(t.today[TRAFFIC_PUT], 9);
    assert_int_equal(t.yesterday[TRAFFIC_PUT], 7);
    traffic_advance(&t, (int64_t)(150 + 3 * 86400) * SECOND_NS);
    assert_int_equal(t.yesterday[TRAFFIC_PUT], 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_covers_the_last_whole_seconds),
        cmocka_unit_test(old_seconds_are_forgotten),
        cmocka_unit_test(mornings_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
