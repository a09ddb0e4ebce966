#include "wire/bodies.h"
#include "wire/body_group_config.h"

static const char sample[] =
    "{\"dataVersion\":{\"counter\":1,\"stateVersion\":0,\"timestamp\":2},"
    "\"forbiddenTable\":{\"g1\":{\"a\":1,\"b\":2},\"g2\":{\"a\":1}},"
    "\"subscriptionGroupTable\":{\"g1\":{\"attributes\":{},\"brokerId\":0,"
    "\"consumeBroadcastEnable\":true,\"consumeEnable\":false,\"consumeFromMinEnable\":true,"
    "\"consumeMessageOrderly\":false,\"consumeTimeoutMinute\":15,\"groupName\":\"g1\","
    "\"groupRetryPolicy\":{\"exponentialRetryPolicy\":{\"initial\":5000},\"type\":\"EXPONENTIAL\"},"
    "\"groupSysFlag\":0,\"notifyConsumerIdsChangedEnable\":true,\"retryMaxTimes\":3,"
    "\"retryQueueNums\":1,\"whichBrokerWhenConsumeSlowly\":1}}}";

/* Goal: the table comes back byte for byte, with what we do not interpret. */
static void the_table_comes_back(void **state)
{
    struct group_table table;
    struct buf out = BUF_INIT;
    assert_int_equal(group_table_decode(slice_str(sample), *state, &table), 0);
    assert_int_equal(table.count, 1);
    assert_false(table.groups[0].consume_enable);
    assert_int_equal(table.groups[0].retry_max_times, 3);
    assert_int_equal(table.forbidden_count, 3);
    assert_text(table.forbidden[1].topic, "b");
    struct json_out j = json_out_to(&out, JSON_DIALECT);
    json_object_begin(&j);
    group_table_begin(&table, &j);
    group_table_add(&table.groups[0], &j);
    group_table_end(&j);
    json_object_end(&j);
    assert_buf(&out, sample);
}

/* Goal: absent members take the reference's defaults, the retry policy too. */
static void absent_members_take_defaults(void **state)
{
    struct group_config config;
    struct buf out = BUF_INIT;
    struct buf defaults = BUF_INIT;
    struct group_config fresh = group_config_default(SLICE("g"));
    assert_int_equal(
        group_config_decode(SLICE("{\"groupName\":\"g\",\"subscriptionDataSet\":null}"), *state,
                            &config),
        0);
    group_config_encode(&config, &out);
    group_config_encode(&fresh, &defaults);
    assert_true(slice_eq(buf_slice(&out), buf_slice(&defaults)));
    assert_non_null(
        memmem(out.data, out.len, "\"groupRetryPolicy\":{\"type\":\"CUSTOMIZED\"}", 40));
    buf_fini(&out);
    buf_fini(&defaults);
}

static void every_prefix_is_refused(void **state)
{
    struct group_table table;
    ASSERT_PREFIXES_REFUSED(sample, *state, group_table_decode, &table);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(the_table_comes_back),
                                        BODY_TEST(absent_members_take_defaults),
                                        BODY_TEST(every_prefix_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
