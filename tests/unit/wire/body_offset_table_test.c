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
    offset_table_encode(&table, false, &out);
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

static void every_prefix_is_refused(void **state)
{
    struct offset_table table;
    ASSERT_PREFIXES_REFUSED(sample, *state, offset_table_decode, &table);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(the_table_comes_back),
                                        BODY_TEST(odd_keys_are_skipped),
                                        BODY_TEST(every_prefix_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
