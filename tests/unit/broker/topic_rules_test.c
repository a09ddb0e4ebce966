#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/internal.h"
#include "broker/topic_rules.h"
#include "wire/names.h"

#define DEFAULT_TOPIC SLICE(TOPIC_AUTO_CREATE)

/* A broker with tables only: nothing saves them, nobody is told. */
static int setup(void **state)
{
    static struct broker broker;
    broker = (struct broker){ 0 };
    conf_init(&broker_conf_table, &broker.conf);
    assert_int_equal(loop_new("test", &broker.loop), 0);
    assert_int_equal(topics_open("/nonexistent/topics.json", &broker.topics), 0);
    assert_int_equal(groups_open("/nonexistent/subscriptionGroup.json", &broker.groups), 0);
    broker_make_system_topics(&broker);
    *state = &broker;
    return 0;
}

static int teardown(void **state)
{
    struct broker *broker = *state;
    topics_free(broker->topics);
    groups_free(broker->groups);
    loop_free(broker->loop);
    conf_fini(&broker_conf_table, &broker->conf);
    return 0;
}

static const struct topic_config *send_to(struct broker *broker, const char *topic, int32_t queues)
{
    const char *why;
    return broker_topic_for_send(broker, slice_str(topic), DEFAULT_TOPIC, queues, 0, &why);
}

/* Goal: a send makes its topic as wide as the client asks, at most as wide as the default topic,
 * and without the right to be a pattern for others. */
static void send_creates_the_topic(void **state)
{
    const struct topic_config *topic = send_to(*state, "narrow", 4);
    assert_non_null(topic);
    assert_int_equal(topic->write_queue_count, 4);
    assert_int_equal(topic->perm, PERM_READ | PERM_WRITE);
    assert_int_equal(send_to(*state, "wide", 100)->write_queue_count, 8);
}

/* Goal: with autoCreateTopicEnable off unknown topics stay unknown, but for retry topics. */
static void without_auto_creation_only_retry_topics_come(void **state)
{
    struct broker *broker = *state;
    broker->conf.auto_create_topic_enable = false;
    assert_null(send_to(broker, "unknown", 4));
    assert_int_equal(send_to(broker, "%RETRY%g", 4)->read_queue_count, 1);
}

/* Goal: a topic is no pattern unless it says so. */
static void default_topic_must_be_inheritable(void **state)
{
    const char *why;
    assert_null(
        broker_topic_for_send(*state, SLICE("unknown"), SLICE(TOPIC_BENCHMARK), 4, 0, &why));
}

/* Goal: groups come to be when allowed and named well. */
static void groups_are_created_on_demand(void **state)
{
    struct broker *broker = *state;
    const struct group_config *group = broker_group_ensure(broker, SLICE("g"));
    assert_non_null(group);
    assert_int_equal(group->retry_max_times, 16);
    assert_int_equal(broker_retry_topic_ensure(broker, group, false)->read_queue_count, 1);
    assert_null(broker_group_ensure(broker, SLICE("a b")));
    broker->conf.auto_create_subscription_group = false;
    assert_null(broker_group_ensure(broker, SLICE("h")));
}

/* Goal: every broker has the topics and groups that clients and tools expect. */
static void system_topics_and_groups_are_there(void **state)
{
    struct broker *broker = *state;
    assert_int_equal(topics_get(broker->topics, SLICE("BenchmarkTest"))->read_queue_count, 1024);
    assert_int_equal(topics_get(broker->topics, SLICE("TBW102"))->perm, 7);
    assert_int_equal(topics_get(broker->topics, SLICE("SCHEDULE_TOPIC_XXXX"))->read_queue_count,
                     18);
    assert_non_null(topics_get(broker->topics, SLICE("DefaultCluster_REPLY_TOPIC")));
    assert_non_null(groups_get(broker->groups, SLICE("TOOLS_CONSUMER")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(send_creates_the_topic, setup, teardown),
        cmocka_unit_test_setup_teardown(without_auto_creation_only_retry_topics_come, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(default_topic_must_be_inheritable, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_are_created_on_demand, setup, teardown),
        cmocka_unit_test_setup_teardown(system_topics_and_groups_are_there, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
