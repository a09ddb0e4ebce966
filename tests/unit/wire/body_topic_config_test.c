#include "wire/bodies.h"
#include "wire/body_topic_config.h"

static const char sample[] =
    "{\"dataVersion\":{\"counter\":7,\"stateVersion\":0,\"timestamp\":1754000000123},"
    "\"topicConfigTable\":{\"shop-orders\":{\"attributes\":{\"message.type\":\"NORMAL\"},"
    "\"order\":false,\"perm\":6,\"readQueueNums\":4,\"topicFilterType\":\"SINGLE_TAG\","
    "\"topicName\":\"shop-orders\",\"topicSysFlag\":0,\"writeQueueNums\":4}}}";

/* Goal: the table is read, and written byte for byte as it came. */
static void the_table_comes_back(void **state)
{
    struct topic_table table;
    struct buf out = BUF_INIT;
    assert_int_equal(topic_table_decode(slice_str(sample), *state, &table), 0);
    assert_int_equal(table.count, 1);
    assert_int_equal(table.version.counter, 7);
    assert_text(table.topics[0].attributes[0].key, "message.type");
    topic_table_encode(&table, &out);
    assert_buf(&out, sample);
}

/* Goal: absent members take the reference's defaults, absent names the key. */
static void absent_members_take_defaults(void **state)
{
    struct topic_table table;
    assert_int_equal(
        topic_table_decode(SLICE("{\"topicConfigTable\":{\"t\":{\"topicFilterType\":\"X\"}}}"),
                           *state, &table),
        0);
    assert_text(table.topics[0].name, "t");
    assert_int_equal(table.topics[0].read_queue_count, 16);
    assert_int_equal(table.topics[0].perm, PERM_READ | PERM_WRITE);
    assert_int_equal(table.topics[0].filter_type, TOPIC_FILTER_SINGLE_TAG);
    assert_int_equal(table.version.counter, 0);
}

/* Goal: a list of topics to create is read; a body without one is refused. */
static void a_list_is_read(void **state)
{
    struct topic_config_list list;
    assert_int_equal(topic_config_list_decode(SLICE("{\"topicConfigList\":[{\"topicName\":\"a\"},"
                                                    "{\"topicName\":\"b\",\"perm\":2}]}"),
                                              *state, &list),
                     0);
    assert_int_equal(list.count, 2);
    assert_text(list.topics[1].name, "b");
    assert_int_equal(list.topics[1].perm, 2);
    assert_int_equal(topic_config_list_decode(SLICE("{}"), *state, &list), ERR_CORRUPT);
}

static void every_prefix_is_refused(void **state)
{
    struct topic_table table;
    ASSERT_PREFIXES_REFUSED(sample, *state, topic_table_decode, &table);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(the_table_comes_back),
                                        BODY_TEST(absent_members_take_defaults),
                                        BODY_TEST(a_list_is_read),
                                        BODY_TEST(every_prefix_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
