#include "wire/bodies.h"
#include "wire/body_pop_log.h"

static const char checkpoint_text[] =
    "{\"bm\":2,\"bn\":\"bk-a\",\"c\":\"g1\",\"d\":[0,1,5],\"it\":60000,\"n\":3,"
    "\"pt\":1754000000000,\"q\":1,\"ro\":0,\"rp\":\"2\",\"so\":118,\"t\":\"orders\"}";

/* Goal: a checkpoint comes back as it was written. */
static void checkpoints_come_back(void **state)
{
    struct pop_checkpoint c;
    struct buf out = BUF_INIT;
    assert_int_equal(pop_checkpoint_decode(slice_str(checkpoint_text), *state, &c), 0);
    assert_text(c.topic, "orders");
    assert_text(c.group, "g1");
    assert_int_equal(c.acked_bits, 2);
    assert_int_equal(c.count, 3);
    assert_int_equal(c.distances[2], 5);
    assert_int_equal(c.put_again_times, 2);
    pop_checkpoint_encode(&c, &out);
    assert_buf(&out, checkpoint_text);
    ASSERT_PREFIXES_REFUSED(checkpoint_text, *state, pop_checkpoint_decode, &c);
}

/* Goal: what the reference adds, leaves out and once named otherwise is understood. */
static void what_the_reference_writes_is_understood(void **state)
{
    struct pop_checkpoint c;
    static const char added[] = "{\"bm\":-1,\"bn\":\"b\",\"c\":\"g\",\"d\":[0],\"it\":1,\"n\":1,"
                                "\"pt\":5,\"q\":0,\"reviveTime\":6,\"ro\":9,\"so\":3,\"t\":\"t\"}";
    assert_int_equal(pop_checkpoint_decode(slice_str(added), *state, &c), 0);
    assert_int_equal(c.acked_bits, UINT32_MAX);
    static const char old[] =
        "{\"cId\":\"g\",\"it\":1,\"n\":2,\"pt\":5,\"q\":0,\"so\":3,\"t\":\"t\"}";
    assert_int_equal(pop_checkpoint_decode(slice_str(old), *state, &c), 0);
    assert_text(c.group, "g");
    assert_int_equal(c.distances[1], 1);
    struct pop_log_ack ack;
    static const char long_names[] =
        "{\"ackOffset\":4,\"startOffset\":3,\"consumerGroup\":\"g\",\"topic\":\"t\","
        "\"queueId\":2,\"popTime\":5}";
    assert_int_equal(pop_log_ack_decode(slice_str(long_names), false, *state, &ack), 0);
    assert_int_equal(ack.queue_offsets[0], 4);
    assert_int_equal(ack.queue_id, 2);
}

/* Goal: a checkpoint that names no messages that can be is refused. */
static void impossible_checkpoints_are_refused(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"c\":\"g\",\"n\":1,\"pt\":5,\"q\":0,\"so\":3}",
        "{\"c\":\"g\",\"n\":33,\"pt\":5,\"q\":0,\"so\":3,\"t\":\"t\"}",
        "{\"c\":\"g\",\"n\":-1,\"pt\":5,\"q\":0,\"so\":3,\"t\":\"t\"}",
        "{\"c\":\"g\",\"n\":2,\"d\":[0],\"pt\":5,\"q\":0,\"so\":3,\"t\":\"t\"}",
        "{\"c\":\"g\",\"n\":1,\"d\":[-1],\"pt\":5,\"q\":0,\"so\":3,\"t\":\"t\"}",
        "{\"c\":\"g\",\"n\":1,\"pt\":5,\"q\":0,\"so\":9223372036854775807,\"t\":\"t\"}",
        "{\"c\":\"g\",\"n\":1,\"pt\":5,\"q\":-1,\"so\":3,\"t\":\"t\"}",
    };
    struct pop_checkpoint c;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(pop_checkpoint_decode(slice_str(texts[i]), *state, &c), ERR_CORRUPT);
}

/* Goal: acks of one message and of several come back as they were written. */
static void acks_come_back(void **state)
{
    static const char one[] =
        "{\"ao\":119,\"bn\":\"bk-a\",\"c\":\"g1\",\"pt\":5,\"q\":1,\"so\":118,"
        "\"t\":\"orders\"}";
    static const char several[] =
        "{\"ao\":-1,\"aol\":[118,120],\"bn\":\"bk-a\",\"c\":\"g1\",\"pt\":5,"
        "\"q\":1,\"so\":118,\"t\":\"orders\"}";
    struct pop_log_ack ack;
    struct buf out = BUF_INIT;
    assert_int_equal(pop_log_ack_decode(slice_str(one), false, *state, &ack), 0);
    assert_int_equal(ack.count, 1);
    pop_log_ack_encode(&ack, &out);
    assert_buf(&out, one);
    out = BUF_INIT;
    assert_int_equal(pop_log_ack_decode(slice_str(several), true, *state, &ack), 0);
    assert_int_equal(ack.count, 2);
    assert_int_equal(ack.queue_offsets[1], 120);
    pop_log_ack_encode(&ack, &out);
    assert_buf(&out, several);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BODY_TEST(checkpoints_come_back),
        BODY_TEST(what_the_reference_writes_is_understood),
        BODY_TEST(impossible_checkpoints_are_refused),
        BODY_TEST(acks_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
