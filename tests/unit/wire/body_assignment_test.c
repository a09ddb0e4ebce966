#include "wire/bodies.h"
#include "wire/body_assignment.h"

/* Goal: a question is read; an answer has a mode for each queue, or nothing at all. */
static void assignments_are_told(void **state)
{
    static const char text[] =
        "{\"clientId\":\"c1\",\"consumerGroup\":\"g1\",\"messageModel\":\"CLUSTERING\","
        "\"strategyName\":\"AVG\",\"topic\":\"t\"}";
    struct assignment_request request;
    struct buf out = BUF_INIT;
    assert_int_equal(assignment_request_decode(slice_str(text), *state, &request), 0);
    assert_text(request.client_id, "c1");
    assert_text(request.strategy_name, "AVG");
    assert_int_equal(request.message_model, MESSAGE_MODEL_CLUSTERING);
    ASSERT_PREFIXES_REFUSED(text, *state, assignment_request_decode, &request);

    struct message_queue queue = { SLICE("t"), SLICE("bk-a"), -1 };
    assignment_response_encode(&queue, 1, false, REQUEST_MODE_POP, &out);
    assert_buf(&out, "{\"messageQueueAssignments\":[{\"messageQueue\":{\"brokerName\":\"bk-a\","
                     "\"queueId\":-1,\"topic\":\"t\"},\"mode\":\"POP\"}]}");
    out = BUF_INIT;
    assignment_response_encode(NULL, 0, false, REQUEST_MODE_PULL, &out);
    assert_buf(&out, "{\"messageQueueAssignments\":[]}");
    out = BUF_INIT;
    assignment_response_encode(NULL, 0, true, REQUEST_MODE_PULL, &out);
    assert_buf(&out, "{}");
}

/* Goal: the table comes back as it was written; a setting without a mode pulls. */
static void the_table_comes_back(void **state)
{
    static const char text[] =
        "{\"messageRequestModeMap\":{\"a\":{\"g1\":{\"consumerGroup\":\"g1\",\"mode\":\"POP\","
        "\"popShareQueueNum\":2,\"topic\":\"a\"},\"g2\":{\"consumerGroup\":\"g2\",\"mode\":"
        "\"PULL\","
        "\"popShareQueueNum\":0,\"topic\":\"a\"}},\"b\":{\"g1\":{\"consumerGroup\":\"g1\","
        "\"mode\":\"POP\",\"popShareQueueNum\":-1,\"topic\":\"b\"}}}}";
    struct request_mode_table table;
    struct request_mode_setting setting;
    struct buf out = BUF_INIT;
    assert_int_equal(request_mode_table_decode(slice_str(text), *state, &table), 0);
    assert_int_equal(table.count, 3);
    request_mode_table_encode(&table, &out);
    assert_buf(&out, text);
    ASSERT_PREFIXES_REFUSED(text, *state, request_mode_table_decode, &table);
    assert_int_equal(request_mode_setting_decode(SLICE("{\"topic\":\"t\"}"), *state, &setting), 0);
    assert_int_equal(setting.mode, REQUEST_MODE_PULL);
    assert_int_equal(request_mode_setting_decode(SLICE("{\"mode\":\"PUSH\"}"), *state, &setting),
                     0);
    assert_int_equal(setting.mode, REQUEST_MODE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BODY_TEST(assignments_are_told),
        BODY_TEST(the_table_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
