#include "wire/bodies.h"
#include "wire/body_lock.h"

/* Goal: all that a client asks for is read, and what it gets is written as the field has it. */
static void what_is_asked_for_is_read_and_answered(void **state)
{
    static const char request_text[] =
        "{\"clientId\":\"c1\",\"consumerGroup\":\"g1\",\"mqSet\":[{\"brokerName\":\"bk-a\","
        "\"queueId\":2,\"topic\":\"t\"}],\"onlyThisBroker\":true}";
    static const char response_text[] =
        "{\"lockOKMQSet\":[{\"brokerName\":\"bk-a\",\"queueId\":2,\"topic\":\"t\"}]}";
    struct lock_request request;
    struct buf out = BUF_INIT;
    assert_int_equal(lock_request_decode(slice_str(request_text), *state, &request), 0);
    assert_text(request.consumer_group, "g1");
    assert_text(request.client_id, "c1");
    assert_int_equal(request.queue_count, 1);
    const struct lock_response response = { request.queues, request.queue_count };
    lock_response_encode(&response, &out);
    assert_buf(&out, response_text);
    ASSERT_PREFIXES_REFUSED(request_text, *state, lock_request_decode, &request);
}

static int decode_many(int count, struct arena *arena, struct lock_request *read)
{
    struct buf text = BUF_INIT;
    buf_printf(&text, "{\"clientId\":\"c\",\"consumerGroup\":\"g\",\"mqSet\":[");
    for (int i = 0; i < count; i++)
        buf_printf(&text, "%s{\"brokerName\":\"b\",\"queueId\":%d,\"topic\":\"t\"}",
                   i == 0 ? "" : ",", i);
    buf_printf(&text, "],\"onlyThisBroker\":false}");
    int err = lock_request_decode(buf_slice(&text), arena, read);
    buf_fini(&text);
    return err;
}

/* Goal: a body with more queues than a client can have is refused, one with as many is not. */
static void queues_are_bounded(void **state)
{
    struct lock_request read;
    assert_int_equal(decode_many(LOCK_QUEUES_MAX, *state, &read), 0);
    assert_int_equal(read.queue_count, LOCK_QUEUES_MAX);
    assert_int_equal(decode_many(2 * LOCK_QUEUES_MAX, *state, &read), ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(what_is_asked_for_is_read_and_answered),
                                        BODY_TEST(queues_are_bounded) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
