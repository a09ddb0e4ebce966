#include "wire/bodies.h"
#include "wire/body_connection.h"

/* Goal: who is online comes back byte for byte, for consumers and producers. */
static void connections_come_back(void **state)
{
    static const char consumer_text[] =
        "{\"connectionSet\":[{\"clientAddr\":\"1.2.3.4:5\",\"clientId\":\"c\",\"language\":\"GO\","
        "\"version\":317}],\"consumeFromWhere\":\"CONSUME_FROM_FIRST_OFFSET\",\"consumeType\":"
        "\"CONSUME_ACTIVELY\",\"messageModel\":\"BROADCASTING\",\"subscriptionTable\":{\"t\":"
        "{\"classFilterMode\":false,\"codeSet\":[],\"expressionType\":\"TAG\",\"subString\":\"*\","
        "\"subVersion\":1,\"tagsSet\":[],\"topic\":\"t\"}}}";
    static const char producer_text[] =
        "{\"connectionSet\":[{\"clientAddr\":\"1.2.3.4:5\",\"clientId\":\"c\",\"language\":"
        "\"JAVA\",\"version\":479}]}";
    struct consumer_connection consumer;
    struct producer_connection producer;
    struct buf out = BUF_INIT;
    assert_int_equal(consumer_connection_decode(slice_str(consumer_text), *state, &consumer), 0);
    consumer_connection_encode(&consumer, &out);
    assert_buf(&out, consumer_text);
    assert_int_equal(producer_connection_decode(slice_str(producer_text), *state, &producer), 0);
    producer_connection_encode(&producer, &out);
    assert_buf(&out, producer_text);
    ASSERT_PREFIXES_REFUSED(consumer_text, *state, consumer_connection_decode, &consumer);
}

/* Goal: the table of all producers, and one group's subscription, as the reference writes them. */
static void answers_for_tools_are_written(void **state)
{
    (void)state;
    struct client_connection client = { SLICE("c"), SLICE("1.2.3.4:5"), LANGUAGE_GO, 317, 9 };
    struct producer_group group = { SLICE("p"), &client, 1 };
    struct producer_table table = { &group, 1 };
    struct group_subscription answer = { .group = SLICE("g") };
    struct subscription sub = { .topic = SLICE("t"),
                                .sub_string = SLICE("*"),
                                .expression_type = SLICE("TAG") };
    struct buf out = BUF_INIT;
    producer_table_encode(&table, &out);
    assert_buf(&out, "{\"data\":{\"p\":[{\"clientId\":\"c\",\"language\":\"GO\","
                     "\"lastUpdateTimestamp\":9,\"remoteIP\":\"/1.2.3.4:5\",\"version\":317}]}}");
    group_subscription_encode(&answer, &out);
    assert_buf(&out, "{\"group\":\"g\"}");
    answer.topic = SLICE("t");
    answer.subscription = &sub;
    group_subscription_encode(&answer, &out);
    assert_buf(&out, "{\"group\":\"g\",\"subscriptionData\":{\"classFilterMode\":false,"
                     "\"codeSet\":[],\"expressionType\":\"TAG\",\"subString\":\"*\","
                     "\"subVersion\":0,\"tagsSet\":[],\"topic\":\"t\"},\"topic\":\"t\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(connections_come_back),
                                        BODY_TEST(answers_for_tools_are_written) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
