#include "wire/bodies.h"
#include "wire/pop_info.h"

static const char whole[] = "118 1754000000000 60000 3 1 bk-a 2 119";

/* Goal: a handle comes back as it was written, with and without the message's offset; what the
 * field puts behind the offset does not count. */
static void handles_come_back(void **state)
{
    (void)state;
    struct receipt_handle handle;
    const char *why;
    struct buf out = BUF_INIT;
    assert_int_equal(receipt_handle_parse(slice_str(whole), &handle, &why), 0);
    assert_int_equal(handle.start_offset, 118);
    assert_int_equal(handle.pop_time_ms, 1754000000000);
    assert_int_equal(handle.invisible_ms, 60000);
    assert_int_equal(handle.revive_queue_id, 3);
    assert_int_equal(handle.origin, POP_OF_RETRY_V1);
    assert_text(handle.broker_name, "bk-a");
    assert_int_equal(handle.queue_id, 2);
    assert_int_equal(handle.queue_offset, 119);
    receipt_handle_text(&handle, &out);
    assert_buf(&out, whole);

    out = BUF_INIT;
    assert_int_equal(receipt_handle_parse(SLICE("1 2 3 4 0 b 6 7 8 anything"), &handle, &why), 0);
    assert_int_equal(handle.queue_offset, 7);
    handle.queue_offset = -1;
    receipt_handle_text(&handle, &out);
    assert_buf(&out, "1 2 3 4 0 b 6");
}

/* Goal: what is no handle is refused, and the part that is wrong is named. */
static void what_is_no_handle_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        { "", "the first part is no queue offset" },
        { "x 2 3 4 0 b", "the first part is no queue offset" },
        { "-1 2 3 4 0 b", "the first part is no queue offset" },
        { "1  3 4 0 b", "the second part is no pop time" },
        { "1 2 99999999999999999999 4 0 b", "the third part is no invisible time" },
        { "1 2 3 4294967296 0 b", "the fourth part is no revive queue id" },
        { "1 2 3 4 3 b", "the fifth part is none of 0, 1 and 2" },
        { "1 2 3 4 00 b", "the fifth part is none of 0, 1 and 2" },
        { "1 2 3 4 0", "the sixth part is no broker name" },
        { "1 2 3 4 0  1", "the sixth part is no broker name" },
        { "1 2 3 4 0 b -1", "the seventh part is no queue id" },
        { "1 2 3 4 0 b 1 y", "the eighth part is no queue offset" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct receipt_handle handle;
        const char *why = NULL;
        assert_int_equal(receipt_handle_parse(slice_str(cases[i].text), &handle, &why),
                         ERR_INVALID);
        assert_string_equal(why, cases[i].why);
    }
}

/* Goal: a handle that is cut anywhere is refused or reads no byte behind its end. */
static void cut_handles_read_nothing_behind(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        struct slice cut = exact_copy((const uint8_t *)whole, len);
        struct receipt_handle handle;
        const char *why;
        int err = receipt_handle_parse(cut, &handle, &why);
        assert_true(err == 0 || err == ERR_INVALID);
        exact_free(cut);
    }
}

/* Goal: items of an answer are joined by ';'. */
static void items_are_joined(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    const int64_t offsets[] = { 5, 7 };
    pop_start_offset_item(&out, POP_OF_TOPIC, 2, 5);
    pop_msg_offsets_item(&out, POP_OF_RETRY_V1, 0, offsets, 2);
    pop_order_count_item(&out, POP_OF_TOPIC, 3, 9, 1);
    pop_queue_count_item(&out, POP_OF_RETRY_V2, 3, 0);
    assert_buf(&out, "0 2 5;1 0 5,7;0 qo3%9 1;2 3 0");
}

/* Goal: a retry topic is named after group and topic, and tells both again. */
static void retry_topics_have_their_names(void **state)
{
    assert_text(pop_topic_name(SLICE("t_1"), SLICE("g"), POP_OF_TOPIC, *state), "t_1");
    assert_text(pop_topic_name(SLICE("t_1"), SLICE("g"), POP_OF_RETRY_V1, *state), "%RETRY%g_t_1");
    assert_text(pop_topic_name(SLICE("t_1"), SLICE("g"), POP_OF_RETRY_V2, *state), "%RETRY%g+t_1");
    assert_int_equal(pop_origin_of(SLICE("t+1")), POP_OF_TOPIC);
    assert_int_equal(pop_origin_of(SLICE("%RETRY%g_t_1")), POP_OF_RETRY_V1);
    assert_int_equal(pop_origin_of(SLICE("%RETRY%g+t_1")), POP_OF_RETRY_V2);
    assert_text(pop_normal_topic(SLICE("%RETRY%g_t_1"), SLICE("g")), "t_1");
    assert_text(pop_normal_topic(SLICE("%RETRY%g+t_1"), SLICE("g")), "t_1");
    assert_text(pop_normal_topic(SLICE("%RETRY%g"), SLICE("g")), "%RETRY%g");
    assert_text(pop_normal_topic(SLICE("t_1"), SLICE("g")), "t_1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handles_come_back),
        cmocka_unit_test(what_is_no_handle_is_refused),
        cmocka_unit_test(cut_handles_read_nothing_behind),
        cmocka_unit_test(items_are_joined),
        BODY_TEST(retry_topics_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
