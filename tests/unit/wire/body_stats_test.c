#include "wire/bodies.h"
#include "wire/body_stats.h"

/* Goal: maps whose keys are objects come back byte for byte. */
static void stats_come_back(void **state)
{
    static const char topic_text[] =
        "{\"offsetTable\":{{\"brokerName\":\"bk-a\",\"queueId\":0,\"topic\":\"t\"}:"
        "{\"lastUpdateTimestamp\":9,\"maxOffset\":8,\"minOffset\":7}},\"topicPutTps\":1.5}";
    static const char consume_text[] =
        "{\"consumeTps\":0.0,\"offsetTable\":{{\"brokerName\":\"bk-a\",\"queueId\":1,\"topic\":"
        "\"t\"}:{\"brokerOffset\":4,\"consumerOffset\":3,\"lastTimestamp\":2,\"pullOffset\":1}}}";
    struct topic_stats topic;
    struct consume_stats consume;
    struct buf out = BUF_INIT;
    assert_int_equal(topic_stats_decode(slice_str(topic_text), *state, &topic), 0);
    assert_int_equal(topic.queue_count, 1);
    assert_text(topic.queues[0].queue.broker_name, "bk-a");
    topic_stats_encode(&topic, &out);
    assert_buf(&out, topic_text);
    assert_int_equal(consume_stats_decode(slice_str(consume_text), *state, &consume), 0);
    consume_stats_encode(&consume, &out);
    assert_buf(&out, consume_text);
    ASSERT_PREFIXES_REFUSED(topic_text, *state, topic_stats_decode, &topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(stats_come_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
