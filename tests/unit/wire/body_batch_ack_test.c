#include "wire/bodies.h"
#include "wire/body_batch_ack.h"

static const char text[] =
    "{\"acks\":[{\"b\":\"BQE=\",\"c\":\"g1\",\"it\":60000,\"pt\":7,\"q\":2,\"r\":\"1\",\"rq\":3,"
    "\"so\":118,\"t\":\"orders\"}],\"brokerName\":\"bk-a\"}";

/* Goal: a request comes back as it was written, and its bits are read in the field's order. */
static void requests_come_back(void **state)
{
    struct batch_ack_request request;
    struct buf out = BUF_INIT;
    assert_int_equal(batch_ack_request_decode(slice_str(text), *state, &request), 0);
    assert_text(request.broker_name, "bk-a");
    assert_int_equal(request.count, 1);
    const struct batch_ack *ack = &request.acks[0];
    assert_int_equal(ack->origin, POP_OF_RETRY_V1);
    assert_int_equal(ack->revive_queue_id, 3);
    assert_int_equal(batch_ack_next_bit(ack->bits, 0), 0);
    assert_int_equal(batch_ack_next_bit(ack->bits, 1), 2);
    assert_int_equal(batch_ack_next_bit(ack->bits, 3), 8);
    assert_int_equal(batch_ack_next_bit(ack->bits, 9), -1);
    batch_ack_request_encode(&request, &out);
    assert_buf(&out, text);
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

/* Goal: a body with more acks than any batch has is refused, one with as many is not. */
static void acks_are_bounded(void **state)
{
    struct batch_ack_request one;
    struct batch_ack_request read;
    struct buf out = BUF_INIT;
    assert_int_equal(batch_ack_request_decode(slice_str(text), *state, &one), 0);
    struct batch_ack *acks = calloc(BATCH_ACKS_MAX * 2, sizeof *acks);
    for (int i = 0; i < BATCH_ACKS_MAX * 2; i++)
        acks[i] = one.acks[0];
    struct batch_ack_request many = { one.broker_name, acks, BATCH_ACKS_MAX };
    batch_ack_request_encode(&many, &out);
    assert_int_equal(batch_ack_request_decode(buf_slice(&out), *state, &read), 0);
    assert_int_equal(read.count, BATCH_ACKS_MAX);
    buf_clear(&out);
    many.count *= 2;
    batch_ack_request_encode(&many, &out);
    assert_int_equal(batch_ack_request_decode(buf_slice(&out), *state, &read), ERR_CORRUPT);
    buf_fini(&out);
    free(acks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BODY_TEST(requests_come_back),
        BODY_TEST(wrong_entries_are_told),
        BODY_TEST(acks_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
