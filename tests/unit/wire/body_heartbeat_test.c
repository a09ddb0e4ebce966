#include "wire/bodies.h"
#include "wire/body_heartbeat.h"

static const char sample[] =
    "{\"clientID\":\"10.1.1.5@77#8\",\"consumerDataSet\":[{\"consumeFromWhere\":"
    "\"CONSUME_FROM_LAST_OFFSET\",\"consumeType\":\"CONSUME_PASSIVELY\",\"groupName\":\"g1\","
    "\"messageModel\":\"CLUSTERING\",\"subscriptionDataSet\":[{\"classFilterMode\":false,"
    "\"codeSet\":[112785],\"expressionType\":\"TAG\",\"subString\":\"red\",\"subVersion\":"
    "1754000000000,\"tagsSet\":[\"red\"],\"topic\":\"shop-orders\"}],\"unitMode\":false}],"
    "\"heartbeatFingerprint\":-3,\"producerDataSet\":[{\"groupName\":\"p1\"}],"
    "\"withoutSub\":true}";

/* Goal: a heartbeat is read, and written byte for byte as it came. */
static void a_heartbeat_comes_back(void **state)
{
    struct heartbeat hb;
    struct buf out = BUF_INIT;
    assert_int_equal(heartbeat_decode(slice_str(sample), *state, &hb), 0);
    assert_text(hb.client_id, "10.1.1.5@77#8");
    assert_int_equal(hb.producer_count, 1);
    assert_int_equal(hb.consumer_count, 1);
    assert_int_equal(hb.consumers[0].consume_type, CONSUME_PASSIVELY);
    assert_int_equal(hb.consumers[0].message_model, MESSAGE_MODEL_CLUSTERING);
    assert_int_equal(hb.consumers[0].consume_from, CONSUME_FROM_LAST_OFFSET);
    assert_int_equal(hb.consumers[0].subscriptions[0].codes[0], 112785);
    assert_int_equal(hb.fingerprint, -3);
    assert_true(hb.without_sub);
    heartbeat_encode(&hb, &out);
    assert_buf(&out, sample);
}

/* Goal: what a client leaves out or we do not know does no harm.
 * Method: an empty object, null sets, unknown members and enum names, a group without a name. */
static void unknown_parts_are_ignored(void **state)
{
    struct heartbeat hb;
    assert_int_equal(heartbeat_decode(SLICE("{}"), *state, &hb), 0);
    assert_null(hb.client_id.data);
    assert_int_equal(hb.consumer_count, 0);
    assert_int_equal(heartbeat_decode(SLICE("{\"clientID\":\"c\",\"new\":{0:1},"
                                            "\"producerDataSet\":null,\"consumerDataSet\":"
                                            "[{\"groupName\":\"g\",\"consumeType\":\"X\"},{},7]}"),
                                      *state, &hb),
                     0);
    assert_int_equal(hb.consumer_count, 1);
    assert_int_equal(hb.consumers[0].consume_type, CONSUME_TYPE_NONE);
    assert_int_equal(hb.consumers[0].subscription_count, 0);
}

static void every_prefix_is_refused(void **state)
{
    struct heartbeat hb;
    ASSERT_PREFIXES_REFUSED(sample, *state, heartbeat_decode, &hb);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(a_heartbeat_comes_back),
                                        BODY_TEST(unknown_parts_are_ignored),
                                        BODY_TEST(every_prefix_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
