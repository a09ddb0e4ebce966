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

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(locks_come_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
