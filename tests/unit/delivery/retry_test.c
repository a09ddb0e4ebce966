#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "delivery/delivery.h"
#include "delivery/property_is.h"

/* Goal: the level asked for counts; without one, each retry waits a level longer, from 3 on.
 * Method: decisions for the first and a later retry. */
static void the_level_grows_with_the_retries(void **state)
{
    (void)state;
    assert_int_equal(retry_decide(0, 16, 5).delay_level, 5);
    assert_int_equal(retry_decide(0, 16, 0).delay_level, 3);
    assert_int_equal(retry_decide(4, 16, 0).delay_level, 7);
    assert_int_equal(retry_decide(4, 16, 0).place, RETRY_LATER);
    assert_int_equal(retry_decide(INT32_MAX - 1, INT32_MAX, 0).delay_level, DELAY_LEVELS_MAX);
    assert_int_equal(retry_decide(INT32_MIN, 16, 0).delay_level, 1);
}

/* Goal: a message is dead when its retries are used up or the consumer gives it up.
 * Method: the limit from both sides, and a negative level. */
static void a_message_dies_at_the_limit_or_on_request(void **state)
{
    (void)state;
    assert_int_equal(retry_decide(15, 16, 0).place, RETRY_LATER);
    assert_int_equal(retry_decide(16, 16, 0).place, RETRY_DEAD);
    assert_int_equal(retry_decide(16, 16, 5).place, RETRY_DEAD);
    assert_int_equal(retry_decide(0, 16, -1).place, RETRY_DEAD);
    assert_int_equal(retry_decide(0, 0, 0).place, RETRY_DEAD);
}

/* Goal: a client that is new enough to say how often a message may come again is obeyed.
 * Method: versions around 3.4.9; one that says nothing. */
static void a_new_client_limits_the_retries(void **state)
{
    (void)state;
    struct group_config group = group_config_default(SLICE("g"));
    group.retry_max_times = 16;
    assert_int_equal(retry_times_max(&group, 121, 3), 3);
    assert_int_equal(retry_times_max(&group, 121, 0), 0);
    assert_int_equal(retry_times_max(&group, 121, -1), 16);
    assert_int_equal(retry_times_max(&group, 120, 3), 16);
}

/* Goal: the first retry keeps where the message came from; later ones do not overwrite it.
 * Method: prepare a message twice. */
static void the_origin_is_kept_through_all_retries(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct record r = { .topic = SLICE("orders"),
                        .queue_id = 7,
                        .properties = SLICE("TAGS\001a\002") };
    assert_int_equal(retry_prepare(&r, SLICE("%RETRY%g"), 0, 3, SLICE("AA01"), &arena), 0);
    assert_true(slice_eq(r.topic, SLICE("%RETRY%g")));
    assert_int_equal(r.queue_id, 0);
    assert_int_equal(r.reconsume_times, 1);
    assert_int_equal(retry_prepare(&r, SLICE("%DLQ%g"), 0, 0, SLICE("BB02"), &arena), 0);
    assert_true(slice_eq(r.topic, SLICE("%DLQ%g")));
    assert_int_equal(r.reconsume_times, 2);
    r.reconsume_times = INT32_MAX;
    assert_int_equal(retry_prepare(&r, SLICE("%DLQ%g"), 0, 0, SLICE("BB02"), &arena), 0);
    assert_int_equal(r.reconsume_times, INT32_MAX);
    assert_true(property_is(&r, "RETRY_TOPIC", "orders"));
    assert_true(property_is(&r, "ORIGIN_MESSAGE_ID", "AA01"));
    assert_true(property_is(&r, "WAIT", "false"));
    assert_true(property_is(&r, "DELAY", "0"));
    assert_true(property_is(&r, "TAGS", "a"));
    arena_fini(&arena);
}

/* Goal: properties that would not fit a record are told, and the message stays as it was.
 * Method: a message whose properties are almost as long as allowed. */
static void too_many_properties_are_refused(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    static char text[RECORD_PROPERTIES_MAX];
    memset(text, 'x', sizeof text);
    text[1] = 1;
    text[sizeof text - 1] = 2;
    struct record r = { .topic = SLICE("orders"), .properties = slice_of(text, sizeof text) };
    assert_int_equal(retry_prepare(&r, SLICE("%RETRY%g"), 0, 3, SLICE("AA01"), &arena),
                     ERR_TOO_BIG);
    assert_true(slice_eq(r.topic, SLICE("orders")));
    assert_int_equal(r.reconsume_times, 0);
    assert_int_equal(r.properties.len, sizeof text);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_level_grows_with_the_retries),
        cmocka_unit_test(a_message_dies_at_the_limit_or_on_request),
        cmocka_unit_test(a_new_client_limits_the_retries),
        cmocka_unit_test(the_origin_is_kept_through_all_retries),
        cmocka_unit_test(too_many_properties_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
