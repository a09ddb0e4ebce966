#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "broker/limits.h"

#define S INT64_C(1000000000)

/* Goal: names have buckets of their own, and so have topics and groups of one name. */
static void each_name_has_its_own_rate(void **state)
{
    (void)state;
    struct limits *limits;
    assert_int_equal(limits_new(&limits), 0);
    assert_true(limits_take(limits, LIMIT_TOPIC, SLICE("a"), 1, S));
    assert_false(limits_take(limits, LIMIT_TOPIC, SLICE("a"), 1, S));
    assert_true(limits_take(limits, LIMIT_TOPIC, SLICE("b"), 1, S));
    assert_true(limits_take(limits, LIMIT_GROUP, SLICE("a"), 1, S));
    assert_true(limits_take(limits, LIMIT_TOPIC, SLICE("a"), 0, S)); /* no limit */
    assert_true(limits_take(limits, LIMIT_TOPIC, SLICE("a"), 1, 3 * S));
    limits_free(limits);
}

/* Goal: what was read leaves the window second by second, of one group and of all together. */
static void the_window_slides(void **state)
{
    (void)state;
    struct limits *limits;
    assert_int_equal(limits_new(&limits), 0);
    assert_int_equal(limits_cold_bytes(limits, SLICE("g"), 100 * S), 0);
    for (int s = 0; s < LIMITS_WINDOW_S; s++)
        limits_read_cold(limits, SLICE("g"), 1 << s, (100 + s) * S);
    limits_read_cold(limits, SLICE("h"), 1000, 104 * S);
    assert_int_equal(limits_cold_bytes(limits, SLICE("g"), 104 * S), 31);
    assert_int_equal(limits_cold_bytes(limits, slice_of(NULL, 0), 104 * S), 1031);
    assert_int_equal(limits_cold_bytes(limits, SLICE("g"), 105 * S), 30);
    assert_int_equal(limits_cold_bytes(limits, SLICE("g"), 106 * S + S / 2), 28);
    limits_read_cold(limits, SLICE("g"), 100, 107 * S);
    assert_int_equal(limits_cold_bytes(limits, SLICE("g"), 107 * S), 124);
    assert_int_equal(limits_cold_bytes(limits, SLICE("g"), 200 * S), 0);
    limits_free(limits);
}

/* Goal: names are bounded: beyond, all begin anew. */
static void too_many_names_begin_anew(void **state)
{
    (void)state;
    struct limits *limits;
    char name[32];
    assert_int_equal(limits_new(&limits), 0);
    assert_true(limits_take(limits, LIMIT_TOPIC, SLICE("first"), 1, S));
    for (int i = 0; i < 65536; i++) {
        snprintf(name, sizeof name, "topic-%d", i);
        assert_true(limits_take(limits, LIMIT_TOPIC, slice_str(name), 1, S));
    }
    assert_true(limits_take(limits, LIMIT_TOPIC, SLICE("first"), 1, S));
    limits_free(limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_has_its_own_rate),
        cmocka_unit_test(the_window_slides),
        cmocka_unit_test(too_many_names_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
