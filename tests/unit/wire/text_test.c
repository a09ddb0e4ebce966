#include "wire/exact.h"
#include "wire/text.h"

static int scan(struct slice in, uint8_t quote, struct json_text *text)
{
    const uint8_t *at = in.data;
    return json_text_scan(&at, in.data + in.len, quote, text);
}

/* Goal: a string ends at its quote wherever it stands in a word of eight bytes, and nothing behind
 * the input is read. Method: plain text of every length up to two words, with and without the
 * quote. */
static void the_end_is_found_at_every_place(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 20; len++) {
        char bytes[32];
        struct json_text text;
        memset(bytes, 'a', sizeof bytes);
        bytes[len] = '"';
        struct slice with = exact_copy(bytes, len + 1);
        struct slice without = exact_copy(bytes, len);
        assert_int_equal(scan(with, '"', &text), 0);
        assert_int_equal(text.raw.len, len);
        assert_int_equal(scan(without, '"', &text), ERR_CORRUPT);
        exact_free(with);
        exact_free(without);
    }
}

/* Goal: plain text ends at the first byte that is none, in every part of a word.
 * Method: text of every length up to three words of sixteen bytes, with each such byte at each of
 * its places, another behind it, and without any. */
static void plain_text_ends_at_the_first_that_is_none(void **state)
{
    (void)state;
    static const uint8_t specials[] = { '"', '\\', 0, 0x1F, 0x80, 0xFF };
    for (size_t len = 0; len <= 48; len++) {
        uint8_t bytes[48];
        memset(bytes, 0x7F, sizeof bytes);
        struct slice text = exact_copy((const char *)bytes, len);
        assert_int_equal(json_text_plain_end(text.data, text.data + len, '"') - text.data, len);
        exact_free(text);
        for (size_t at = 0; at < len; at++)
            for (size_t i = 0; i < sizeof specials; i++) {
                memset(bytes, ' ', sizeof bytes);
                bytes[len - 1] = '"';
                bytes[at] = specials[i];
                text = exact_copy((const char *)bytes, len);
                assert_int_equal(json_text_plain_end(text.data, text.data + len, '"') - text.data,
                                 at);
                exact_free(text);
            }
    }
}

/* Goal: what needs a look is noticed: escapes, control characters, bytes that are no text. */
static void what_is_special_is_noticed(void **state)
{
    (void)state;
    struct json_text text;
    assert_int_equal(scan(SLICE("abcdefgh\\n\""), '"', &text), 0);
    assert_true(text.is_escaped && !text.is_damaged && !text.has_control);
    assert_int_equal(scan(SLICE("abc\1\""), '"', &text), 0);
    assert_true(text.has_control && !text.is_escaped);
    assert_int_equal(scan(SLICE("\xC3\xA9\""), '"', &text), 0);
    assert_false(text.is_damaged);
    assert_int_equal(scan(SLICE("\xC3\""), '"', &text), 0);
    assert_true(text.is_damaged);
    assert_int_equal(scan(SLICE("\\'\""), '"', &text), ERR_CORRUPT);
    assert_int_equal(scan(SLICE("\\'\"'"), '\'', &text), 0);
    assert_int_equal(scan(SLICE("\\u00G0\""), '"', &text), ERR_CORRUPT);
}

/* Goal: text written by the writer is read the same; ASCII only when asked for. */
static void escapes_come_back(void **state)
{
    (void)state;
    struct slice meant = SLICE("\"\\/\b\f\n\r\t\1\x1F\x7F \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    for (int style = JSON_ESCAPE_MINIMAL; style <= JSON_ESCAPE_NON_ASCII; style++) {
        uint8_t escaped[256];
        uint8_t back[256];
        struct json_text text;
        uint8_t *end = json_text_escape(meant, (enum json_escape_style)style, escaped);
        assert_int_equal(end - escaped,
                         json_text_escaped_bytes(meant, (enum json_escape_style)style));
        *end++ = '"';
        assert_int_equal(scan(slice_of(escaped, (size_t)(end - escaped)), '"', &text), 0);
        assert_true(json_text_bound(&text) >= meant.len);
        assert_true(slice_eq(slice_of(back, json_text_unescape(&text, back)), meant));
    }
    uint8_t ascii[16];
    uint8_t *end = json_text_escape(SLICE("\xF0\x9F\x98\x80"), JSON_ESCAPE_NON_ASCII, ascii);
    assert_text(slice_of(ascii, (size_t)(end - ascii)), "\\uD83D\\uDE00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_is_found_at_every_place),
        cmocka_unit_test(plain_text_ends_at_the_first_that_is_none),
        cmocka_unit_test(what_is_special_is_noticed),
        cmocka_unit_test(escapes_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
