#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "broker/guard/limits.h"

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

/* Goal: a group's own threshold counts in place of that of all, until it is taken back; who read
 * within the window is listed with it. */
static void groups_may_have_thresholds(void **state)
{
    (void)state;
    struct limits *limits;
    struct cold_reader reader;
    struct slice group;
    int64_t bytes;
    size_t cursor = 0;
    assert_int_equal(limits_new(&limits), 0);
    assert_int_equal(limits_threshold(limits, SLICE("g"), 7), 7);
    assert_int_equal(limits_set_threshold(limits, SLICE("g"), 0), 0);
    assert_int_equal(limits_set_threshold(limits, SLICE("g"), 5), 0);
    assert_int_equal(limits_threshold(limits, SLICE("g"), 7), 5);
    assert_true(limits_next_threshold(limits, &cursor, &group, &bytes));
    assert_true(slice_eq(group, SLICE("g")) && bytes == 5);
    assert_false(limits_next_threshold(limits, &cursor, &group, &bytes));
    limits_remove_threshold(limits, SLICE("g"));
    limits_remove_threshold(limits, SLICE("g"));
    assert_int_equal(limits_threshold(limits, SLICE("g"), 7), 7);

    limits_read_cold(limits, SLICE("g"), 10, 100 * S);
    limits_read_cold(limits, SLICE("g"), 20, 102 * S);
    cursor = 0;
    assert_true(limits_next_reader(limits, &cursor, 103 * S, &reader));
    assert_true(slice_eq(reader.group, SLICE("g")) && reader.bytes == 30);
    assert_true(reader.first_ns == 100 * S && reader.last_ns == 102 * S);
    assert_false(limits_next_reader(limits, &cursor, 103 * S, &reader));
    cursor = 0;
    assert_false(limits_next_reader(limits, &cursor, 200 * S, &reader));
    limits_free(limits);
}

/* Goal: thresholds are bounded: beyond, no other group gets one. */
static void too_many_thresholds_are_refused(void **state)
{
    (void)state;
    struct limits *limits;
    char name[32];
    assert_int_equal(limits_new(&limits), 0);
    for (int i = 0; i < LIMITS_THRESHOLDS_MAX; i++) {
        snprintf(name, sizeof name, "group-%d", i);
        assert_int_equal(limits_set_threshold(limits, slice_str(name), i), 0);
    }
    assert_int_equal(limits_thresholds_left(limits), 0);
    assert_int_equal(limits_set_threshold(limits, SLICE("one more"), 1), ERR_TOO_BIG);
    assert_int_equal(limits_set_threshold(limits, SLICE("group-0"), 1), 0);
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
        cmocka_unit_test(groups_may_have_thresholds),
        cmocka_unit_test(too_many_thresholds_are_refused),
        cmocka_unit_test(too_many_names_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
