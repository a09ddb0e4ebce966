#include "wire/exact.h"
#include "wire/frame.h"

static size_t make_frame(uint8_t *out, size_t header_bytes, size_t body_bytes)
{
    frame_put_prefix(out, SERIALIZE_BINARY, header_bytes, body_bytes);
    memset(out + FRAME_PREFIX_BYTES, 'h', header_bytes);
    memset(out + FRAME_PREFIX_BYTES + header_bytes, 'b', body_bytes);
    return FRAME_PREFIX_BYTES + header_bytes + body_bytes;
}

static int parse(const void *data, size_t len, size_t *need)
{
    struct slice in = exact_copy(data, len);
    struct frame frame;
    int err = frame_parse(in, &frame, need);
    exact_free(in);
    return err;
}

/* Goal: a frame comes apart into type, header and body.
 * Method: the bytes of the protocol's drawing, with more behind them. */
static void a_frame_comes_apart(void **state)
{
    (void)state;
    const uint8_t bytes[] = { 0, 0, 0, 9, 0, 0, 0, 2, '{', '}', 'a', 'b', 'c', 'x' };
    struct frame frame;
    size_t need;
    assert_int_equal(frame_parse(slice_of(bytes, sizeof bytes), &frame, &need), 0);
    assert_int_equal(frame.type, SERIALIZE_JSON);
    assert_text(frame.header, "{}");
    assert_text(frame.body, "abc");
    assert_int_equal(frame.bytes, 13);
}

/* Goal: a frame that is not there yet says how much is missing.
 * Method: every prefix of a frame, each in a block of its size. */
static void every_prefix_is_incomplete(void **state)
{
    (void)state;
    uint8_t bytes[64];
    size_t whole = make_frame(bytes, 20, 10);
    for (size_t len = 0; len < whole; len++) {
        size_t need = 0;
        assert_int_equal(parse(bytes, len, &need), ERR_INCOMPLETE);
        assert_int_equal(need, len < 4 ? 4 : len < 8 ? 8 : whole);
    }
}

/* Goal: lengths that contradict each other, unknown types and frames over the limit are refused as
 * soon as they can be seen. Method: one prefix for each. */
static void bad_lengths_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t total;
        uint32_t type_and_length;
        int err;
    } cases[] = {
        { 3, 0, ERR_CORRUPT },
        { 0, 0, ERR_CORRUPT },
        { 0x80000000u, 1, ERR_CORRUPT },
        { 16777213, 1, ERR_TOO_BIG },
        { 10, 0, ERR_CORRUPT },
        { 10, 7, ERR_CORRUPT },
        { 10, 2u << 24 | 1, ERR_CORRUPT },
        { 0x7FFFFFFF, 1, ERR_TOO_BIG },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[8];
        size_t need;
        put_be32(bytes, cases[i].total);
        put_be32(bytes + 4, cases[i].type_and_length);
        assert_int_equal(parse(bytes, sizeof bytes, &need), cases[i].err);
    }
    uint8_t length[4];
    size_t need;
    put_be32(length, 16777213);
    assert_int_equal(parse(length, sizeof length, &need), ERR_TOO_BIG);
    put_be32(length, 16777212);
    assert_int_equal(parse(length, sizeof length, &need), ERR_INCOMPLETE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_comes_apart),
        cmocka_unit_test(every_prefix_is_incomplete),
        cmocka_unit_test(bad_lengths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
