#include "wire/bodies.h"
#include "wire/body_consumer_list.h"
#include "wire/body_lists.h"
#include "wire/body_subscription.h"

/* Goal: the flat bodies come back byte for byte. */
static void lists_come_back(void **state)
{
    static const char kv_text[] = "{\"table\":{\"k\":\"v\",\"l\":\"w\"}}";
    static const char topics_text[] = "{\"brokerAddr\":\"ip:1\",\"topicList\":[\"a\",\"b\"]}";
    static const char consumers_text[] = "{\"consumerIdList\":[\"c1\",\"c2\"]}";
    struct kv_table kv;
    struct topic_list topics;
    struct consumer_list consumers;
    struct buf out = BUF_INIT;
    assert_int_equal(kv_table_decode(slice_str(kv_text), *state, &kv), 0);
    kv_table_encode(&kv, &out);
    assert_buf(&out, kv_text);
    assert_int_equal(topic_list_decode(slice_str(topics_text), *state, &topics), 0);
    topic_list_encode(&topics, &out);
    assert_buf(&out, topics_text);
    assert_int_equal(consumer_list_decode(slice_str(consumers_text), *state, &consumers), 0);
    consumer_list_encode(&consumers, &out);
    assert_buf(&out, consumers_text);
    ASSERT_PREFIXES_REFUSED(topics_text, *state, topic_list_decode, &topics);
    ASSERT_PREFIXES_REFUSED(consumers_text, *state, consumer_list_decode, &consumers);
    ASSERT_PREFIXES_REFUSED(kv_text, *state, kv_table_decode, &kv);
}

/* Goal: a client's subscription to be checked is read; without one that is told. */
static void a_client_config_is_read(void **state)
{
    struct client_config config;
    assert_int_equal(client_config_decode(SLICE("{\"clientId\":\"c\",\"group\":\"g\","
                                                "\"subscriptionData\":{\"topic\":\"t\","
                                                "\"expressionType\":\"SQL92\"}}"),
                                          *state, &config),
                     0);
    assert_true(config.has_subscription);
    assert_text(config.subscription.expression_type, "SQL92");
    assert_int_equal(client_config_decode(SLICE("{}"), *state, &config), 0);
    assert_false(config.has_subscription);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(lists_come_back),
                                        BODY_TEST(a_client_config_is_read) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
