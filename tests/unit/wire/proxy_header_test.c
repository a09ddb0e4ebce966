#include "wire/exact.h"
#include "wire/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static int decode(struct slice bytes, struct proxy_header *header, size_t *need)
{
    struct slice in = exact_copy(bytes.data, bytes.len);
    int err = proxy_header_decode(in, header, need);
    exact_free(in);
    return err;
}

static const struct slice good_headers[] = {
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.1 40112 10911\r\n"),
    SLICE("PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n"),
    SLICE("PROXY UNKNOWN\r\n"),
    SLICE("PROXY UNKNOWN whatever stands here\r\n"),
    SLICE(SIGNATURE "\x20\x00\x00\x00"),
    SLICE(SIGNATURE "\x20\x11\x00\x03"
                    "abc"),
    SLICE(SIGNATURE "\x21\x00\x00\x00"),
    SLICE(SIGNATURE "\x21\x11\x00\x0C\xC0\x00\x02\x07\xC6\x33\x64\x01\x9C\xB0\x2A\x9F"),
    SLICE(SIGNATURE
          "\x21\x11\x00\x10\xC0\x00\x02\x07\xC6\x33\x64\x01\x9C\xB0\x2A\x9F\x04\x00\x01z"),
};
enum { GOOD_COUNT = sizeof good_headers / sizeof good_headers[0] };

/* Goal: a header is decoded when its last byte is there, with whatever follows, and not before.
 * Method: every prefix of good ones, in a block of its exact size. */
static void a_header_may_come_in_any_pieces(void **state)
{
    (void)state;
    struct proxy_header header;
    size_t need;
    for (int i = 0; i < GOOD_COUNT; i++) {
        struct slice good = good_headers[i];
        for (size_t len = 1; len < good.len; len++) {
            assert_int_equal(decode(slice_of(good.data, len), &header, &need), ERR_INCOMPLETE);
            assert_true(need > len && need <= good.len);
        }
        assert_int_equal(decode(good, &header, &need), 0);
        assert_int_equal(header.bytes, good.len);
    }
}

static void the_source_is_what_the_header_says(void **state)
{
    (void)state;
    const uint8_t v4[] = { 192, 0, 2, 7 };
    const uint8_t v6[] = { 0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7 };
    const enum proxy_source sources[GOOD_COUNT] = {
        PROXY_SOURCE_IPV4,    PROXY_SOURCE_IPV6,    PROXY_SOURCE_UNKNOWN,
        PROXY_SOURCE_UNKNOWN, PROXY_SOURCE_UNKNOWN, PROXY_SOURCE_UNKNOWN,
        PROXY_SOURCE_UNKNOWN, PROXY_SOURCE_IPV4,    PROXY_SOURCE_IPV4,
    };
    for (int i = 0; i < GOOD_COUNT; i++) {
        struct proxy_header header;
        size_t need;
        assert_int_equal(decode(good_headers[i], &header, &need), 0);
        assert_int_equal(header.source, sources[i]);
        if (header.source == PROXY_SOURCE_IPV4) {
            assert_memory_equal(header.address, v4, sizeof v4);
            assert_int_equal(header.port, 40112);
        } else if (header.source == PROXY_SOURCE_IPV6) {
            assert_memory_equal(header.address, v6, sizeof v6);
            assert_int_equal(header.port, 1);
        }
    }
}

static void what_is_no_header_is_refused(void **state)
{
    (void)state;
    const struct slice bad[] = {
        SLICE("POST / HTTP/1.1\r\n"),
        SLICE("PROXY \r\n"),
        SLICE("PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
        SLICE("PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n"),
        SLICE("PROXY TCP4 ::1 ::1 1 1\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 1 more\r\n"),
        SLICE("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n"),
        SLICE("\r\n\r\n\0\r\nQUIZ\n"),
        SLICE(SIGNATURE "\x11\x11\x00\x0C"), /* version 1 */
        SLICE(SIGNATURE "\x22\x11\x00\x0C"), /* a command that is none */
        SLICE(SIGNATURE "\x21\x41\x00\x0C"), /* a family that is none */
        SLICE(SIGNATURE "\x21\x13\x00\x0C"), /* a protocol that is none */
        SLICE(SIGNATURE "\x21\x11\x00\x0B"), /* too short for its family */
        SLICE(SIGNATURE "\x21\x21\x00\x23"),
        SLICE(SIGNATURE "\x21\x31\x00\xD7"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct proxy_header header;
        size_t need;
        assert_int_equal(decode(bad[i], &header, &need), ERR_CORRUPT);
    }
}

/* Goal: nobody makes us wait for more than the bounds. */
static void an_endless_header_is_refused(void **state)
{
    (void)state;
    uint8_t line[107];
    struct proxy_header header;
    size_t need;
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY ", 6);
    assert_int_equal(decode(slice_of(line, 106), &header, &need), ERR_INCOMPLETE);
    assert_int_equal(decode(slice_of(line, 107), &header, &need), ERR_TOO_BIG);
    assert_int_equal(decode(SLICE(SIGNATURE "\x21\x11\xFF\xFF"), &header, &need), ERR_TOO_BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_may_come_in_any_pieces),
        cmocka_unit_test(the_source_is_what_the_header_says),
        cmocka_unit_test(what_is_no_header_is_refused),
        cmocka_unit_test(an_endless_header_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
