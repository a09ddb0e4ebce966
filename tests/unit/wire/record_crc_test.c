#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc.h"
#include "wire/record_crc.h"

enum { ROOM = 70000 };

/* A stamped record with a tail; its length. */
static size_t make(uint8_t *out, size_t body_bytes, const char *properties, bool is_v6)
{
    static uint8_t body[60000];
    for (size_t i = 0; i < body_bytes; i++)
        body[i] = (uint8_t)(i * 7 + 1);
    struct record record = { .queue_id = 3,
                             .born_host = { .is_v6 = is_v6, .port = 1 },
                             .store_host = { .port = 10911 },
                             .body = slice_of(body, body_bytes),
                             .topic = SLICE("orders"),
                             .properties = slice_str(properties) };
    size_t bytes = record_bytes(&record);
    uint32_t body_crc = record_encode(&record, out);
    bytes = record_crc_append(out, bytes, &record, body_crc);
    record_stamp(out, 7, 123456789, 1700000000000);
    record_crc_stamp(out);
    return bytes;
}

/* Goal: the value is the reference's: over all bytes before the tail, digits least significant
 * first, whatever the length. Method: short and long records, both ways of summing. */
static void the_tail_is_the_references(void **state)
{
    (void)state;
    static uint8_t bytes[ROOM];
    static const size_t bodies[] = { 0, 1, 100, 3900, 3980, 4000, 5000, 16383, 16384, 60000 };
    for (size_t i = 0; i < 2 * sizeof bodies / sizeof bodies[0]; i++) {
        size_t len = make(bytes, bodies[i / 2], "TAGS\001red\002", i % 2 == 1);
        const uint8_t *tail = bytes + len - RECORD_CRC_BYTES;
        uint32_t crc = crc31(slice_of(bytes, len - RECORD_CRC_BYTES));
        assert_memory_equal(tail, "__CRC32#\001", 9);
        for (int digit = 0; digit < 10; digit++, crc /= 10)
            assert_int_equal(tail[9 + digit], '0' + crc % 10);
        assert_int_equal(tail[19], 2);
        struct record record;
        assert_int_equal(record_decode(slice_of(bytes, len), RECORD_CHECK_ALL, &record), 0);
        assert_int_equal(record.total_bytes, len);
    }
}

/* Goal: a single flipped bit anywhere in a record is noticed, in the tail as well.
 * Method: every bit of a record, one after the other; the sign of the body's own CRC too. */
static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    static uint8_t bytes[ROOM];
    size_t len = make(bytes, 40, "TAGS\001red\002KEYS\001k\002", false);
    for (size_t bit = 0; bit < len * 8; bit++) {
        struct record record;
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_not_equal(record_decode(slice_of(bytes, len), RECORD_CHECK_ALL, &record), 0);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

/* Goal: what is taken off leaves the record as it was without. Method: with and without properties,
 * and with properties that do not end in their mark, which then stays. */
static void the_tail_comes_off_again(void **state)
{
    (void)state;
    static uint8_t bytes[ROOM];
    static const char *const given[] = { "", "TAGS\001red\002", "TAGS\001red" };
    static const char *const left[] = { "", "TAGS\001red\002", "TAGS\001red\002" };
    for (size_t i = 0; i < 3; i++) {
        struct record record;
        size_t len = make(bytes, 10, given[i], false);
        assert_int_equal(record_decode(slice_of(bytes, len), RECORD_CHECK_ALL, &record), 0);
        len = record_crc_strip(bytes, len, &record);
        assert_true(slice_eq(record.properties, slice_str(left[i])));
        assert_int_equal(record_decode(slice_of(bytes, len), RECORD_CHECK_ALL, &record), 0);
        assert_true(slice_eq(record.properties, slice_str(left[i])));
        assert_int_equal(record_crc_check(slice_of(bytes, len)), RECORD_CRC_NONE);
    }
}

/* Goal: properties that leave no room stay without a tail. */
static void without_room_there_is_none(void **state)
{
    (void)state;
    static uint8_t bytes[ROOM];
    char *properties = malloc(RECORD_PROPERTIES_MAX + 1);
    memset(properties, 'x', RECORD_PROPERTIES_MAX - 10);
    properties[RECORD_PROPERTIES_MAX - 10] = 0;
    size_t len = make(bytes, 10, properties, false);
    assert_int_equal(record_crc_check(slice_of(bytes, len)), RECORD_CRC_NONE);
    free(properties);
}

/* Goal: a client cannot make a record look damaged. */
static void a_forged_tail_is_dropped(void **state)
{
    (void)state;
    struct slice text = SLICE("TAGS\001red\002__CRC32#\0011234567890\002");
    assert_true(slice_eq(record_crc_without_forged(text), SLICE("TAGS\001red\002")));
    struct slice near = SLICE("TAGS\001red\002__CRC31#\0011234567890\002");
    assert_true(slice_eq(record_crc_without_forged(near), SLICE("TAGS\001red\002")));
    struct slice plain = SLICE("TAGS\001a value that is longer than the tail\002");
    assert_true(slice_eq(record_crc_without_forged(plain), plain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tail_is_the_references),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(the_tail_comes_off_again),
        cmocka_unit_test(without_room_there_is_none),
        cmocka_unit_test(a_forged_tail_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
