#include "wire/exact.h"
#include "base/crc.h"
#include "wire/record.h"

static struct record a_record(void)
{
    return (struct record){
        .queue_id = 3,
        .flag = -5,
        .queue_offset = 120,
        .phy_offset = INT64_C(5) << 30,
        .sys_flag = SYS_FLAG_COMPRESSED | SYS_FLAG_BORN_HOST_V6,
        .born_timestamp = 1754000000000,
        .born_host = { .address = { 10, 1, 1, 5 }, .port = 50123 },
        .store_timestamp = 1754000000001,
        .store_host = { .address = { 10, 1, 1, 7 }, .port = 10911 },
        .reconsume_times = 2,
        .prepared_transaction_offset = 77,
        .body = SLICE("body"),
        .topic = SLICE("shop-orders"),
        .properties = SLICE("KEYS\1o-7\2TAGS\1red\2"),
    };
}

static struct slice encode(const struct record *r)
{
    size_t bytes = record_bytes(r);
    uint8_t *out = malloc(bytes);
    assert_non_null(out);
    record_encode(r, out);
    return slice_of(out, bytes);
}

static void assert_same(const struct record *a, const struct record *b)
{
    assert_int_equal(a->queue_id, b->queue_id);
    assert_int_equal(a->flag, b->flag);
    assert_true(a->queue_offset == b->queue_offset && a->phy_offset == b->phy_offset);
    assert_true(a->born_timestamp == b->born_timestamp);
    assert_true(a->store_timestamp == b->store_timestamp);
    assert_memory_equal(&a->born_host, &b->born_host, sizeof a->born_host);
    assert_memory_equal(&a->store_host, &b->store_host, sizeof a->store_host);
    assert_int_equal(a->reconsume_times, b->reconsume_times);
    assert_true(a->prepared_transaction_offset == b->prepared_transaction_offset);
    assert_true(slice_eq(a->body, b->body) && slice_eq(a->topic, b->topic));
    assert_true(slice_eq(a->properties, b->properties));
}

/* Goal: the bytes are those of the format: places that other programs probe directly.
 * Method: look at them by number, as docs/format/commit-log.md gives them. */
static void fields_stand_where_they_are_drawn(void **state)
{
    (void)state;
    struct record r = a_record();
    struct slice bytes = encode(&r);
    assert_int_equal(bytes.len, 91 + 4 + 11 + 18);
    assert_int_equal(get_be32(bytes.data), bytes.len);
    assert_int_equal(get_be32(bytes.data + 4), 0xDAA320A7u);
    assert_int_equal(get_be32(bytes.data + 8), crc32_update(0, r.body) & 0x7FFFFFFF);
    assert_int_equal(get_be32(bytes.data + 36), SYS_FLAG_COMPRESSED);
    assert_int_equal(bytes.data[48], 10);
    assert_int_equal(get_be32(bytes.data + 52), 50123);
    assert_true(get_be64(bytes.data + 56) == (uint64_t)r.store_timestamp);
    assert_int_equal(get_be32(bytes.data + 84), 4);
    assert_int_equal(bytes.data[92], 11);
    exact_free(bytes);
}

/* Goal: both versions and both address families go through and back.
 * Method: topics of 127 and 128 bytes, each host IPv4 or IPv6. */
static void every_shape_survives(void **state)
{
    (void)state;
    static const uint8_t topic[RECORD_TOPIC_MAX] = { 't' };
    for (int shape = 0; shape < 8; shape++) {
        struct record r = a_record();
        struct record got;
        r.born_host.is_v6 = (shape & 1) != 0;
        r.store_host.is_v6 = (shape & 2) != 0;
        r.topic = slice_of(topic, (shape & 4) != 0 ? 128 : 127);
        struct slice bytes = encode(&r);
        assert_int_equal(record_decode(bytes, RECORD_CHECK_BODY_CRC, &got), 0);
        assert_same(&r, &got);
        assert_int_equal(got.magic, (shape & 4) != 0 ? RECORD_MAGIC_V2 : RECORD_MAGIC_V1);
        assert_true(record_store_timestamp(bytes.data) == r.store_timestamp);
        exact_free(bytes);
    }
}

/* Goal: what the append lock stamps lands in its places, for either kind of born host. */
static void a_stamp_changes_three_fields(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct record r = a_record();
        struct record got;
        r.born_host.is_v6 = v6 == 1;
        struct slice bytes = encode(&r);
        record_stamp((uint8_t *)(uintptr_t)bytes.data, 8, 9, 10);
        assert_int_equal(record_decode(bytes, RECORD_CHECK_BODY_CRC, &got), 0);
        r.queue_offset = 8;
        r.phy_offset = 9;
        r.store_timestamp = 10;
        assert_same(&r, &got);
        exact_free(bytes);
    }
}

/* Goal: a record that ends early is told from a damaged one, and never read past its end. */
static void every_prefix_is_incomplete(void **state)
{
    (void)state;
    struct record r = a_record();
    struct slice bytes = encode(&r);
    for (size_t len = 0; len < bytes.len; len++) {
        struct slice cut = exact_copy(bytes.data, len);
        struct record got;
        assert_int_equal(record_decode(cut, RECORD_CHECK_BODY_CRC, &got), ERR_INCOMPLETE);
        exact_free(cut);
    }
    exact_free(bytes);
}

/* Goal: damage in any length, the magic or the body is seen.
 * Method: overwrite one field at a time. */
static void damage_is_seen(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
    } damages[] = { { 0, 0 },
                    { 0, 90 },
                    { 0, 123 },
                    { 0, 0x80000000u },
                    { 4, 0 },
                    { 4, 0xDAA320ABu },
                    { 8, 1 },
                    { 84, 5 },
                    { 84, 0xFFFFFFFFu },
                    { 84, 0x7FFFFFFF },
                    { 92, 0xFF000000u },
                    { 88, 0 } };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct record r = a_record();
        struct record got;
        struct slice bytes = encode(&r);
        put_be32((uint8_t *)(uintptr_t)bytes.data + damages[i].at, damages[i].value);
        if (record_decode(bytes, RECORD_CHECK_BODY_CRC, &got) != ERR_CORRUPT)
            fail_msg("damage %zu was not seen", i);
        exact_free(bytes);
    }
}

/* Goal: the body's CRC is looked at when asked for, and an empty body has none. */
static void the_crc_is_checked_on_demand(void **state)
{
    (void)state;
    struct record r = a_record();
    struct record got;
    struct slice bytes = encode(&r);
    put_be32((uint8_t *)(uintptr_t)bytes.data + RECORD_BODY_CRC, 1);
    assert_int_equal(record_decode(bytes, RECORD_CHECK_LENGTHS, &got), 0);
    assert_int_equal(record_decode(bytes, RECORD_CHECK_BODY_CRC, &got), ERR_CORRUPT);
    exact_free(bytes);
    r.body = SLICE("");
    bytes = encode(&r);
    assert_int_equal(get_be32(bytes.data + RECORD_BODY_CRC), 0);
    assert_int_equal(record_decode(bytes, RECORD_CHECK_BODY_CRC, &got), 0);
    exact_free(bytes);
}

/* Goal: the end mark of a file is recognised, whatever is behind its eight bytes; zeros are
 * nothing. */
static void a_blank_is_the_end_mark(void **state)
{
    (void)state;
    uint8_t mark[RECORD_BLANK_BYTES];
    uint8_t zeros[128] = { 0 };
    struct record got;
    record_put_blank(mark, 4096);
    assert_int_equal(record_decode(slice_of(mark, sizeof mark), RECORD_CHECK_LENGTHS, &got),
                     ERR_NOT_FOUND);
    assert_int_equal(got.total_bytes, 4096);
    put_be32(mark, 7);
    assert_int_equal(record_decode(slice_of(mark, sizeof mark), RECORD_CHECK_LENGTHS, &got),
                     ERR_CORRUPT);
    assert_int_equal(record_decode(slice_of(zeros, sizeof zeros), RECORD_CHECK_LENGTHS, &got),
                     ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_stand_where_they_are_drawn),
        cmocka_unit_test(every_shape_survives),
        cmocka_unit_test(a_stamp_changes_three_fields),
        cmocka_unit_test(every_prefix_is_incomplete),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(the_crc_is_checked_on_demand),
        cmocka_unit_test(a_blank_is_the_end_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
