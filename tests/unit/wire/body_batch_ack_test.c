#include "wire/bodies.h"
#include "wire/body_batch_ack.h"

static const char text[] =
    "{\"acks\":[{\"b\":\"BQE=\",\"c\":\"g1\",\"it\":60000,\"pt\":7,\"q\":2,\"r\":\"1\",\"rq\":3,"
    "\"so\":118,\"t\":\"orders\"}],\"brokerName\":\"bk-a\"}";

/* Goal: all that a request says is read, and its bits in the field's order. */
static void requests_are_read(void **state)
{
    struct batch_ack_request request;
    assert_int_equal(batch_ack_request_decode(slice_str(text), *state, &request), 0);
    assert_text(request.broker_name, "bk-a");
    assert_int_equal(request.count, 1);
    const struct batch_ack *ack = &request.acks[0];
    assert_int_equal(ack->origin, POP_OF_RETRY_V1);
    assert_text(ack->group, "g1");
    assert_text(ack->topic, "orders");
    assert_int_equal(ack->start_offset, 118);
    assert_int_equal(ack->queue_id, 2);
    assert_int_equal(ack->revive_queue_id, 3);
    assert_int_equal(ack->pop_time_ms, 7);
    assert_int_equal(ack->invisible_ms, 60000);
    assert_int_equal(batch_ack_next_bit(ack->bits, 0), 0);
    assert_int_equal(batch_ack_next_bit(ack->bits, 1), 2);
    assert_int_equal(batch_ack_next_bit(ack->bits, 3), 8);
    assert_int_equal(batch_ack_next_bit(ack->bits, 9), -1);
    ASSERT_PREFIXES_REFUSED(text, *state, batch_ack_request_decode, &request);
}

/* Goal: entries with wrong bits or origin are told from right ones, a body without entries has
 * none. */
static void wrong_entries_are_told(void **state)
{
    struct batch_ack_request request;
    assert_int_equal(batch_ack_request_decode(SLICE("{}"), *state, &request), 0);
    assert_int_equal(request.count, 0);
    assert_int_equal(batch_ack_request_decode(
                         SLICE("{\"acks\":[1,{\"b\":\"*\",\"r\":\"3\"},{\"consumerGroup\":\"g\","
                               "\"bitSet\":\"AQ==\",\"retry\":\"0\"}]}"),
                         *state, &request),
                     0);
    assert_int_equal(request.count, 2);
    assert_int_equal(batch_ack_next_bit(request.acks[0].bits, 0), -1);
    assert_false(request.acks[0].has_origin);
    assert_true(request.acks[1].has_origin);
    assert_text(request.acks[1].group, "g");
    assert_int_equal(batch_ack_next_bit(request.acks[1].bits, 0), 0);
}

/* The one ack of `text`, so many times. */
static int decode_many(int count, struct arena *arena, struct batch_ack_request *read)
{
    const char *begin = strchr(text, '[') + 1;
    const char *end = strchr(text, ']');
    struct buf many = BUF_INIT;
    buf_append(&many, text, (size_t)(begin - text));
    for (int i = 0; i < count; i++)
        buf_printf(&many, "%s%.*s", i == 0 ? "" : ",", (int)(end - begin), begin);
    buf_append_slice(&many, slice_str(end));
    int err = batch_ack_request_decode(buf_slice(&many), arena, read);
    buf_fini(&many);
    return err;
}

/* Goal: a body with more acks than any batch has is refused, one with as many is not. */
static void acks_are_bounded(void **state)
{
    struct batch_ack_request read;
    assert_int_equal(decode_many(BATCH_ACKS_MAX, *state, &read), 0);
    assert_int_equal(read.count, BATCH_ACKS_MAX);
    assert_int_equal(decode_many(2 * BATCH_ACKS_MAX, *state, &read), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BODY_TEST(requests_are_read),
        BODY_TEST(wrong_entries_are_told),
        BODY_TEST(acks_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
