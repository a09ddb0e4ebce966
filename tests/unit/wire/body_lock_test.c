#include "wire/bodies.h"
#include "wire/body_lock.h"

/* Goal: what a client asks for and gets comes back as it was written. */
static void locks_come_back(void **state)
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
    assert_true(request.only_this_broker);
    lock_request_encode(&request, &out);
    assert_buf(&out, request_text);
    const struct lock_response response = { request.queues, request.queue_count };
    lock_response_encode(&response, &out);
    assert_buf(&out, response_text);
    ASSERT_PREFIXES_REFUSED(request_text, *state, lock_request_decode, &request);
}

/* Goal: a body with more queues than a client can have is refused, one with as many is not. */
static void queues_are_bounded(void **state)
{
    struct message_queue *queues = calloc(LOCK_QUEUES_MAX * 2, sizeof *queues);
    for (int i = 0; i < LOCK_QUEUES_MAX * 2; i++)
        queues[i] = (struct message_queue){ SLICE("t"), SLICE("b"), i };
    struct lock_request request = { SLICE("g"), SLICE("c"), false, queues, LOCK_QUEUES_MAX };
    struct lock_request read;
    struct buf out = BUF_INIT;
    lock_request_encode(&request, &out);
    assert_int_equal(lock_request_decode(buf_slice(&out), *state, &read), 0);
    assert_int_equal(read.queue_count, LOCK_QUEUES_MAX);
    buf_clear(&out);
    request.queue_count *= 2;
    lock_request_encode(&request, &out);
    assert_int_equal(lock_request_decode(buf_slice(&out), *state, &read), ERR_CORRUPT);
    buf_fini(&out);
    free(queues);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(locks_come_back), BODY_TEST(queues_are_bounded) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
