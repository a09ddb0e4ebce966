#include "wire/exact.h"
#include "wire/names.h"

static struct slice run_of(char c, size_t len)
{
    static char text[512];
    memset(text, c, len);
    return slice_of(text, len);
}

/* Goal: the alphabet and the lengths of names are the field's. */
static void names_have_their_rules(void **state)
{
    (void)state;
    assert_null(topic_name_fault(SLICE("%a|Z_0-9")));
    assert_non_null(topic_name_fault(SLICE("")));
    assert_non_null(topic_name_fault(SLICE("a b")));
    assert_non_null(topic_name_fault(SLICE("a@b")));
    assert_non_null(topic_name_fault(SLICE("\xC3\xA9")));
    assert_null(topic_name_fault(run_of('t', TOPIC_NAME_MAX)));
    assert_non_null(topic_name_fault(run_of('t', TOPIC_NAME_MAX + 1)));
    assert_null(group_name_fault(run_of('g', GROUP_NAME_MAX)));
    assert_non_null(group_name_fault(run_of('g', GROUP_NAME_MAX + 1)));
    assert_non_null(group_name_fault(SLICE("")));
}

/* Goal: topics derived from groups may be longer, are told apart and lead back. */
static void derived_topics_lead_back(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct slice group = run_of('g', 200);
    struct slice retry = retry_topic_of(group, &arena);
    struct slice dlq = dlq_topic_of(SLICE("g1"), &arena);
    assert_null(topic_name_fault(retry));
    assert_true(topic_is_retry(retry) && !topic_is_dlq(retry));
    assert_true(slice_eq(group_of_retry_topic(retry), group));
    assert_text(dlq, "%DLQ%g1");
    assert_true(topic_is_dlq(dlq));
    assert_text(group_of_retry_topic(dlq), "g1");
    assert_text(group_of_retry_topic(SLICE("plain")), "plain");
    assert_non_null(topic_name_fault(retry_topic_of(run_of('g', 300), &arena)));
    arena_fini(&arena);
}

/* Goal: what the field keeps for itself is known, and what of it clients may send to. */
static void reserved_names_are_known(void **state)
{
    (void)state;
    assert_true(topic_is_system(SLICE("TBW102"), SLICE("")));
    assert_true(topic_is_system(SLICE("rmq_sys_x"), SLICE("")));
    assert_true(topic_is_system(SLICE("c1_REPLY_TOPIC"), SLICE("c1")));
    assert_false(topic_is_system(SLICE("c2_REPLY_TOPIC"), SLICE("c1")));
    assert_false(topic_is_system(SLICE("_REPLY_TOPIC"), SLICE("")));
    assert_true(topic_is_not_sendable(SLICE("SCHEDULE_TOPIC_XXXX")));
    assert_true(topic_is_not_sendable(SLICE("rmq_sys_wheel_timer")));
    assert_false(topic_is_not_sendable(SLICE("TBW102")));
    assert_false(topic_is_not_sendable(SLICE("RMQ_SYS_TRACE_TOPIC")));
    assert_true(group_is_system(SLICE("CID_RMQ_SYS_TRANS")));
    assert_true(group_is_system(SLICE("TOOLS_CONSUMER")));
    assert_false(group_is_system(SLICE("g1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_their_rules),
        cmocka_unit_test(derived_topics_lead_back),
        cmocka_unit_test(reserved_names_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
