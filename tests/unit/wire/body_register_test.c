#include "wire/bodies.h"
#include "wire/body_register.h"
#include "wire/compress.h"

static struct register_body a_body(void)
{
    static struct pair attributes[1];
    static struct topic_config topics[2];
    static struct queue_mapping mappings[1];
    attributes[0] = (struct pair){ SLICE("message.type"), SLICE("NORMAL WORDS") };
    topics[0] = topic_config_default(SLICE("shop-orders"));
    topics[0].attributes = attributes;
    topics[0].attribute_count = 1;
    topics[1] = topic_config_default(SLICE("other"));
    topics[1].perm = PERM_READ;
    mappings[0] = (struct queue_mapping){ SLICE("st1"), SLICE("{\"topic\":\"st1\"}") };
    return (
        struct register_body){ .topics = { .version = { 1, 2, 3 }, .topics = topics, .count = 2 },
                               .mappings = mappings,
                               .mapping_count = 1 };
}

/* Goal: both forms carry everything. */
static void both_forms_carry_everything(void **state)
{
    for (int compressed = 0; compressed < 2; compressed++) {
        struct register_body sent = a_body();
        struct register_body got;
        struct buf out = BUF_INIT;
        register_body_encode(&sent, compressed == 1, &out);
        assert_int_equal(register_body_decode(buf_slice(&out), compressed == 1,
                                              REGISTER_MAPPINGS_SINCE, *state, &got),
                         0);
        assert_true(data_version_eq(&got.topics.version, &sent.topics.version));
        assert_int_equal(got.topics.count, 2);
        assert_text(got.topics.topics[0].name, "shop-orders");
        assert_text(got.topics.topics[0].attributes[0].value, "NORMAL WORDS");
        assert_int_equal(got.topics.topics[1].perm, PERM_READ);
        assert_int_equal(got.mapping_count, 1);
        assert_text(got.mappings[0].topic, "st1");
        assert_text(got.mappings[0].json, "{\"topic\":\"st1\"}");
        buf_fini(&out);
    }
}

/* Goal: old peers send less: the bare table, topics without attributes, no mappings, no body. */
static void old_forms_are_read(void **state)
{
    struct register_body got;
    assert_int_equal(
        register_body_decode(SLICE("{\"topicConfigTable\":{\"t\":{}}}"), false, 36, *state, &got),
        0);
    assert_int_equal(got.topics.count, 1);
    assert_int_equal(register_body_decode(SLICE(""), true, 479, *state, &got), 0);
    assert_int_equal(got.topics.count, 0);

    static const char text[] = "\0\0\0\2{}\0\0\0\1\0\0\0\22t 4 3 6 SINGLE_TAG\0\0\0\2[]";
    struct buf packed = BUF_INIT;
    assert_int_equal(compress_append(COMPRESSION_ZLIB, slice_of(text, sizeof text - 1), &packed),
                     0);
    assert_int_equal(register_body_decode(buf_slice(&packed), true, 412, *state, &got), 0);
    assert_int_equal(got.topics.topics[0].write_queue_count, 3);
    assert_int_equal(register_body_decode(buf_slice(&packed), true, 413, *state, &got),
                     ERR_CORRUPT);
    static const char nul_name[] = "\0\0\0\2{}\0\0\0\1\0\0\0\22\0 4 3 6 SINGLE_TAG\0\0\0\2[]";
    buf_clear(&packed);
    assert_int_equal(
        compress_append(COMPRESSION_ZLIB, slice_of(nul_name, sizeof nul_name - 1), &packed), 0);
    assert_int_equal(register_body_decode(buf_slice(&packed), true, 412, *state, &got),
                     ERR_CORRUPT);
    buf_fini(&packed);
}

/* Goal: a compressed body that is cut, before or after packing, is refused. */
static void cut_bodies_are_refused(void **state)
{
    struct register_body sent = a_body();
    struct register_body got;
    struct buf out = BUF_INIT;
    struct buf plain = BUF_INIT;
    register_body_encode(&sent, true, &out);
    assert_int_equal(decompress_append(COMPRESSION_ZLIB, buf_slice(&out), 10000, &plain), 0);
    for (size_t len = 1; len < out.len; len++)
        assert_int_equal(register_body_decode(slice_of(out.data, len), true, 413, *state, &got),
                         ERR_CORRUPT);
    for (size_t len = 0; len < plain.len; len++) {
        buf_clear(&out);
        assert_int_equal(compress_append(COMPRESSION_ZLIB, slice_of(plain.data, len), &out), 0);
        assert_int_equal(register_body_decode(buf_slice(&out), true, 413, *state, &got),
                         ERR_CORRUPT);
    }
    buf_fini(&out);
    buf_fini(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = { BODY_TEST(both_forms_carry_everything),
                                        BODY_TEST(old_forms_are_read),
                                        BODY_TEST(cut_bodies_are_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
