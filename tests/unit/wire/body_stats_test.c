#include "wire/bodies.h"
#include "wire/body_stats.h"

/* Goal: maps whose keys are objects are written as the reference writes them. */
static void stats_are_written(void **state)
{
    (void)state;
    static const char topic_text[] =
        "{\"offsetTable\":{{\"brokerName\":\"bk-a\",\"queueId\":0,\"topic\":\"t\"}:"
        "{\"lastUpdateTimestamp\":9,\"maxOffset\":8,\"minOffset\":7}},\"topicPutTps\":1.5}";
    static const char consume_text[] =
        "{\"consumeTps\":0.0,\"offsetTable\":{{\"brokerName\":\"bk-a\",\"queueId\":1,\"topic\":"
        "\"t\"}:{\"brokerOffset\":4,\"consumerOffset\":3,\"lastTimestamp\":2,\"pullOffset\":1}}}";
    const struct topic_queue_stats topic_queue = { { SLICE("t"), SLICE("bk-a"), 0 }, 7, 8, 9 };
    const struct topic_stats topic = { &topic_queue, 1, 1.5 };
    struct consume_queue_stats consume_queue = {
        .queue = { SLICE("t"), SLICE("bk-a"), 1 },
        .broker_offset = 4,
        .consumer_offset = 3,
        .pull_offset = 1,
        .last_timestamp = 2,
    };
    const struct consume_stats consume = { .queues = &consume_queue, .queue_count = 1 };
    struct buf out = BUF_INIT;
    topic_stats_encode(&topic, &out);
    assert_buf(&out, topic_text);
    consume_stats_encode(&consume, &out);
    assert_buf(&out, consume_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(stats_are_written) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
