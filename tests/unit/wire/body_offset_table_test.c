#include "wire/bodies.h"
#include "wire/body_offset_table.h"

static const char sample[] =
    "{\"dataVersion\":{\"counter\":0,\"stateVersion\":0,\"timestamp\":0},\"offsetTable\":"
    "{\"shop-orders@g1\":{0:120,1:118},\"%RETRY%g1@g1\":{0:3}}}";

/* Goal: offsets come back byte for byte, with bare queue ids. */
static void the_table_comes_back(void **state)
{
    struct offset_table table;
    struct buf out = BUF_INIT;
    assert_int_equal(offset_table_decode(slice_str(sample), *state, &table), 0);
    assert_int_equal(table.count, 3);
    assert_text(table.offsets[2].topic, "%RETRY%g1");
    assert_text(table.offsets[2].group, "g1");
    assert_int_equal(table.offsets[1].queue_offset, 118);
    struct json_out j = json_out_to(&out, JSON_DIALECT);
    json_object_begin(&j);
    offset_table_begin(&table.version, &j);
    offset_table_add(&table.offsets[0], 2, &j);
    offset_table_add(&table.offsets[2], 1, &j);
    offset_table_end(&j);
    json_object_end(&j);
    assert_buf(&out, sample);
}

/* Goal: keys that name no queue are skipped, the rest is kept. */
static void odd_keys_are_skipped(void **state)
{
    struct offset_table table;
    assert_int_equal(offset_table_decode(SLICE("{\"offsetTable\":{\"none\":{0:1},\"t@g\":"
                                               "{\"x\":1,\"2\":7,\"3\":\"8\"}}}"),
                                         *state, &table),
                     0);
    assert_int_equal(table.count, 1);
    assert_int_equal(table.offsets[0].queue_id, 2);
    assert_int_equal(offset_table_decode(SLICE("{}"), *state, &table), 0);
    assert_int_equal(table.count, 0);
}

/* Goal: the table of light groups is read beside the other, and written as the reference has it. */
static void light_groups_have_a_table(void **state)
{
    static const char both[] =
        "{\"dataVersion\":{\"counter\":0,\"stateVersion\":0,\"timestamp\":0},\"offsetTable\":"
        "{\"t@g\":{0:1}},\"lmqOffsetTable\":{\"%LMQ%a@%LMQ%g\":7}}";
    struct offset_table table;
    struct buf out = BUF_INIT;
    struct json_out j = json_out_to(&out, JSON_DIALECT);
    assert_int_equal(offset_table_decode(SLICE("{\"lmqOffsetTable\":{\"none\":1,\"t@g\":\"x\"}}"),
                                         *state, &table),
                     0);
    assert_int_equal(table.count, 0);
    assert_int_equal(offset_table_decode(slice_str(both), *state, &table), 0);
    assert_int_equal(table.count, 2);
    assert_text(table.offsets[1].topic, "%LMQ%a");
    assert_text(table.offsets[1].group, "%LMQ%g");
    assert_int_equal(table.offsets[1].queue_offset, 7);
    json_object_begin(&j);
    offset_table_begin(&table.version, &j);
    offset_table_add(&table.offsets[0], 1, &j);
    offset_table_light_begin(&j);
    offset_table_light_add(&table.offsets[1], &j);
    offset_table_end(&j);
    json_object_end(&j);
    assert_buf(&out, both);
}

static void every_prefix_is_refused(void **state)
{
    struct offset_table table;
    ASSERT_PREFIXES_REFUSED(sample, *state, offset_table_decode, &table);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(the_table_comes_back),
                                        BODY_TEST(odd_keys_are_skipped),
                                        BODY_TEST(light_groups_have_a_table),
                                        BODY_TEST(every_prefix_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
