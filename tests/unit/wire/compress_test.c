#include "wire/exact.h"
#include "wire/compress.h"

enum { BODY_BYTES = 200000 };
static const enum compression types[] = { COMPRESSION_ZLIB_OLD, COMPRESSION_LZ4, COMPRESSION_ZSTD,
                                          COMPRESSION_ZLIB };
enum { TYPES = sizeof types / sizeof types[0] };

static void fill(struct buf *body)
{
    uint32_t x = 1;
    for (int i = 0; i < BODY_BYTES; i++) {
        x = x * 1664525 + 1013904223;
        buf_append_u8(body, (uint8_t)("abcdefgh"[x >> 29]));
    }
}

/* Goal: each codec gives back what it was given, up to exactly the bound, and appends. */
static void bodies_come_back(void **state)
{
    (void)state;
    struct buf body = BUF_INIT;
    fill(&body);
    for (int i = 0; i < TYPES; i++) {
        struct buf packed = BUF_INIT;
        struct buf out = BUF_INIT;
        buf_append_u8(&out, 'x');
        assert_int_equal(compress_append(types[i], buf_slice(&body), &packed), 0);
        assert_true(packed.len < body.len);
        assert_int_equal(decompress_append(types[i], buf_slice(&packed), BODY_BYTES, &out), 0);
        assert_true(slice_eq(slice_from(buf_slice(&out), 1), buf_slice(&body)));
        buf_clear(&out);
        assert_int_equal(decompress_append(types[i], buf_slice(&packed), BODY_BYTES - 1, &out),
                         ERR_TOO_BIG);
        assert_int_equal(out.len, 0);
        buf_fini(&packed);
        buf_fini(&out);
    }
    buf_fini(&body);
}

/* Goal: a stream that is cut off, followed by something, or of another kind is refused.
 * Method: every prefix of a packed body in each codec, in blocks of their size; one byte more. */
static void other_streams_are_refused(void **state)
{
    (void)state;
    struct slice body = SLICE("shop-orders shop-orders shop-orders shop-orders");
    for (int i = 0; i < TYPES; i++) {
        struct buf packed = BUF_INIT;
        struct buf out = BUF_INIT;
        assert_int_equal(compress_append(types[i], body, &packed), 0);
        for (size_t len = 0; len < packed.len; len++) {
            struct slice cut = exact_copy(packed.data, len);
            assert_int_equal(decompress_append(types[i], cut, 1000, &out), ERR_CORRUPT);
            assert_int_equal(out.len, 0);
            exact_free(cut);
        }
        buf_append_u8(&packed, 0);
        assert_int_equal(decompress_append(types[i], buf_slice(&packed), 1000, &out), ERR_CORRUPT);
        assert_int_equal(decompress_append(types[i], body, 1000, &out), ERR_CORRUPT);
        buf_fini(&packed);
        buf_fini(&out);
    }
}

/* Goal: type bits without a codec are told. */
static void unknown_types_are_told(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    assert_int_equal(compress_append((enum compression)0x400, SLICE("x"), &out), ERR_UNSUPPORTED);
    assert_int_equal(decompress_append((enum compression)0x700, SLICE("x"), 9, &out),
                     ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_come_back),
        cmocka_unit_test(other_streams_are_refused),
        cmocka_unit_test(unknown_types_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
