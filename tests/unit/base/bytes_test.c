#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"

/* Goal: integers are big-endian in both directions.
 * Method: append each width, compare with bytes written by hand, read them back. */
static void integers_are_big_endian(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT;
    buf_append_u8(&buf, 0x01);
    buf_append_be32(&buf, 0x02030405);
    buf_append_be32(&buf, 0x06070809);
    buf_append_be64(&buf, 0xFFFFFFFFFFFFFFFE);
    static const uint8_t expected[] = { 1,    2,    3,    4,    5,    6,    7,    8,   9,
                                        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE };
    assert_int_equal(buf.len, sizeof expected);
    assert_memory_equal(buf.data, expected, sizeof expected);
    struct reader reader = reader_of(buf_slice(&buf));
    assert_int_equal(read_u8(&reader), 1);
    assert_int_equal(read_i16(&reader), 0x0203);
    assert_int_equal(read_i16(&reader), 0x0405);
    assert_int_equal(read_i32(&reader), 0x06070809);
    assert_true(read_i64(&reader) == -2);
    assert_false(reader.failed);
    assert_int_equal(reader.rest.len, 0);
    buf_fini(&buf);
}

/* Goal: a reader never passes the end, takes no negative length, and fails for good.
 * Method: read past the end, then something that would still fit. */
static void a_reader_fails_once_and_for_all(void **state)
{
    (void)state;
    struct reader reader = reader_of(SLICE("abc"));
    assert_int_equal(read_i32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(read_u8(&reader), 0);
    assert_int_equal(read_bytes(&reader, 1).len, 0);

    reader = reader_of(SLICE("abc"));
    assert_int_equal(read_bytes(&reader, -1).len, 0);
    assert_true(reader.failed);
    reader = reader_of(SLICE("abc"));
    assert_int_equal(read_bytes(&reader, INT64_MAX).len, 0);
    assert_true(reader.failed);
}

/* Goal: a buffer grows without losing what it holds and keeps its memory when cleared.
 * Method: ten thousand formatted numbers; clear; the next byte lies where the first did. */
static void a_buffer_grows(void **state)
{
    (void)state;
    struct buf buf = BUF_INIT;
    for (int i = 0; i < 10000; i++)
        buf_printf(&buf, "%04d", i);
    assert_int_equal(buf.len, 40000);
    assert_memory_equal(buf.data + 4 * 1234, "1234", 4);
    uint8_t *data = buf.data;
    buf_clear(&buf);
    buf_append_slice(&buf, SLICE("x"));
    buf_append(&buf, NULL, 0);
    assert_ptr_equal(buf.data, data);
    assert_int_equal(buf.len, 1);
    buf_fini(&buf);
    assert_null(buf.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(a_reader_fails_once_and_for_all),
        cmocka_unit_test(a_buffer_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
