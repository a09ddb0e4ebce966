#include "wire/exact.h"

#include <stdio.h>

#include "wire/multi_dispatch.h"

#define BOTH(names, offsets)                                                                       \
    SLICE("INNER_MULTI_DISPATCH\001" names "\002INNER_MULTI_QUEUE_OFFSET\001" offsets "\002")

/* Goal: each list of names is taken or refused as it should be. */
static void names_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *names;
        int count; /* -1: refused */
    } rows[] = {
        { "", 0 },          { "  ", 0 },
        { "%LMQ%a", 1 },    { "%LMQ%a,%LMQ%b", 2 },
        { "%LMQ%a,,", 1 },  { "a", -1 },
        { "%LMQ%", -1 },    { "%LMQ%a,,%LMQ%b", -1 },
        { ",%LMQ%a", -1 },  { "%LMQ%a,%LMQ%a", -1 },
        { "%LMQ%a/b", -1 }, { "%LMQ%own", -1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int count;
        const char *fault =
            multi_dispatch_fault(SLICE("%LMQ%own"), slice_str(rows[i].names), &count);
        assert_int_equal(fault == NULL ? count : -1, rows[i].count);
    }
}

/* Goal: a name too long and a name too many are refused. */
static void names_are_bounded(void **state)
{
    (void)state;
    struct buf names = BUF_INIT;
    int count;
    buf_append_slice(&names, SLICE("%LMQ%"));
    while (names.len < 255)
        buf_append_u8(&names, 'x');
    assert_null(multi_dispatch_fault(SLICE("t"), buf_slice(&names), &count));
    buf_append_u8(&names, 'x');
    assert_non_null(multi_dispatch_fault(SLICE("t"), buf_slice(&names), &count));
    buf_clear(&names);
    for (int i = 0; i < MULTI_DISPATCH_MAX + 1; i++) {
        char name[32];
        assert_true(i < MULTI_DISPATCH_MAX ||
                    multi_dispatch_fault(SLICE("t"), buf_slice(&names), &count) == NULL);
        snprintf(name, sizeof name, "%%LMQ%%%d,", i);
        buf_append_slice(&names, slice_str(name));
    }
    assert_non_null(multi_dispatch_fault(SLICE("t"), buf_slice(&names), &count));
    buf_fini(&names);
}

/* Goal: what a record says is walked in order; what is no place is left out. */
static void places_are_walked(void **state)
{
    (void)state;
    struct multi_dispatch list;
    struct slice name;
    int64_t queue_offset;
    struct slice properties = BOTH("%LMQ%a,plain,%LMQ%b,%LMQ%c,%LMQ%d", "7,,x,-1,9");
    assert_true(multi_dispatch_of(SLICE("orders"), properties, &list));
    assert_true(multi_dispatch_next(&list, &name, &queue_offset));
    assert_text(name, "%LMQ%a");
    assert_int_equal(queue_offset, 7);
    assert_true(multi_dispatch_next(&list, &name, &queue_offset));
    assert_text(name, "%LMQ%d");
    assert_int_equal(queue_offset, 9);
    assert_false(multi_dispatch_next(&list, &name, &queue_offset));
    assert_int_equal(multi_dispatch_offset(SLICE("orders"), properties, SLICE("%LMQ%d")), 9);
    assert_int_equal(multi_dispatch_offset(SLICE("orders"), properties, SLICE("%LMQ%b")), -1);
}

/* Goal: by the reference's rules some records stand in no light queue. */
static void some_records_have_none(void **state)
{
    (void)state;
    struct multi_dispatch list;
    assert_false(multi_dispatch_of(SLICE("t"), BOTH("%LMQ%a,%LMQ%b", "1"), &list));
    assert_false(multi_dispatch_of(SLICE("t"), BOTH("%LMQ%a", "1,2"), &list));
    assert_false(multi_dispatch_of(SLICE("t"), SLICE("INNER_MULTI_DISPATCH\001%LMQ%a\002"), &list));
    assert_false(multi_dispatch_of(SLICE("%RETRY%g"), BOTH("%LMQ%a", "1"), &list));
    assert_false(multi_dispatch_of(SLICE("rmq_sys_x"), BOTH("%LMQ%a", "1"), &list));
    assert_false(multi_dispatch_of(SLICE("SCHEDULE_TOPIC_XXXX"), BOTH("%LMQ%a", "1"), &list));
    assert_true(multi_dispatch_of(SLICE("%DLQ%g"), BOTH("%LMQ%a", "1"), &list));
    assert_false(topic_goes_to_light_queues(SLICE("%DLQ%g")));
    assert_false(topic_goes_to_light_queues(SLICE("RMQ_SYS_TRANS_HALF_TOPIC")));
    assert_true(topic_goes_to_light_queues(SLICE("orders")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(places_are_walked),
        cmocka_unit_test(some_records_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
