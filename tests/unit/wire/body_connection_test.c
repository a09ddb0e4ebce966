#include "wire/bodies.h"
#include "wire/body_connection.h"

/* Goal: who is online is written as the reference writes it, for consumers and producers. */
static void connections_are_written(void **state)
{
    (void)state;
    static const char consumer_text[] =
        "{\"connectionSet\":[{\"clientAddr\":\"1.2.3.4:5\",\"clientId\":\"c\",\"language\":\"GO\","
        "\"version\":317}],\"consumeFromWhere\":\"CONSUME_FROM_FIRST_OFFSET\",\"consumeType\":"
        "\"CONSUME_ACTIVELY\",\"messageModel\":\"BROADCASTING\",\"subscriptionTable\":{\"t\":"
        "{\"classFilterMode\":false,\"codeSet\":[],\"expressionType\":\"TAG\",\"subString\":\"*\","
        "\"subVersion\":1,\"tagsSet\":[],\"topic\":\"t\"}}}";
    static const char producer_text[] =
        "{\"connectionSet\":[{\"clientAddr\":\"1.2.3.4:5\",\"clientId\":\"c\",\"language\":"
        "\"JAVA\",\"version\":479}]}";
    const struct client_connection go = { SLICE("c"), SLICE("1.2.3.4:5"), LANGUAGE_GO, 317, 0 };
    const struct client_connection java = { SLICE("c"), SLICE("1.2.3.4:5"), LANGUAGE_JAVA, 479, 0 };
    const struct subscription sub = { .topic = SLICE("t"),
                                      .sub_string = SLICE("*"),
                                      .sub_version = 1,
                                      .expression_type = SLICE("TAG") };
    const struct consumer_connection consumer = {
        .clients = &go,
        .client_count = 1,
        .subscriptions = &sub,
        .subscription_count = 1,
        .consume_type = CONSUME_ACTIVELY,
        .message_model = MESSAGE_MODEL_BROADCASTING,
        .consume_from = CONSUME_FROM_FIRST_OFFSET,
    };
    const struct producer_connection producer = { .clients = &java, .client_count = 1 };
    struct buf out = BUF_INIT;
    consumer_connection_encode(&consumer, &out);
    assert_buf(&out, consumer_text);
    producer_connection_encode(&producer, &out);
    assert_buf(&out, producer_text);
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
    const struct CMUnitTest tests[] = { BODY_TEST(connections_are_written),
                                        BODY_TEST(answers_for_tools_are_written) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
