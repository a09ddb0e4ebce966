#include "wire/exact.h"
#include "wire/header.h"

static int set_up(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int tear_down(void **state)
{
    arena_fini(*state);
    return 0;
}

static int decode(struct arena *arena, const char *text, struct header *header)
{
    return header_decode(SERIALIZE_JSON, slice_str(text), arena, header);
}

/* Goal: a send as clients write it is understood.
 * Method: one with letters, escapes in the properties, keys in the order of a Java client. */
static void a_json_header_is_read(void **state)
{
    struct header h;
    assert_int_equal(
        decode(*state,
               "{\"code\":310,\"extFields\":{\"b\":\"shop\",\"i\":\"KEYS\\u0001o-7\\u0002\"},"
               "\"flag\":2,\"language\":\"GO\",\"opaque\":-9,\"remark\":\"r\","
               "\"serializeTypeCurrentRPC\":\"JSON\",\"version\":317}",
               &h),
        0);
    assert_int_equal(h.code, 310);
    assert_int_equal(h.flag, HEADER_ONEWAY);
    assert_int_equal(h.language, LANGUAGE_GO);
    assert_int_equal(h.opaque, -9);
    assert_int_equal(h.version, 317);
    assert_text(h.remark, "r");
    assert_true(h.has_ext);
    assert_int_equal(h.ext_count, 2);
    assert_text(header_ext(&h, SLICE("b")), "shop");
    assert_text(header_ext(&h, SLICE("i")), "KEYS\1o-7\2");
    assert_null(header_ext(&h, SLICE("x")).data);
}

/* Goal: what peers get wrong but the reference accepts is accepted.
 * Method: bare values in ext fields, unknown language, unknown members, quoted numbers, null,
 * doubles. */
static void lenient_forms_are_read(void **state)
{
    struct header h;
    assert_int_equal(decode(*state,
                            " {\"x\":{\"y\":[1,{}]}, \"code\":\"34\",\"language\":\"KLINGON\","
                            "\"remark\":null,\"extFields\":{\"n\":-1.5e3,\"t\":true,\"z\":null,"
                            "\"d\":\"1\",\"d\":\"2\",\"o\":{\"k\":1}}}\n",
                            &h),
                     0);
    assert_int_equal(h.code, 34);
    assert_int_equal(h.language, LANGUAGE_OTHER);
    assert_null(h.remark.data);
    assert_text(header_ext(&h, SLICE("n")), "-1.5e3");
    assert_text(header_ext(&h, SLICE("t")), "true");
    assert_text(header_ext(&h, SLICE("d")), "2");
    assert_text(header_ext(&h, SLICE("o")), "{\"k\":1}");
    assert_null(header_ext(&h, SLICE("z")).data);

    assert_int_equal(decode(*state, "{}", &h), 0);
    assert_int_equal(h.code, 0);
    assert_false(h.has_ext);
}

/* Goal: text that is no UTF-8 or half a surrogate pair becomes U+FFFD, pairs become one character.
 */
static void damaged_text_is_replaced(void **state)
{
    struct header h;
    assert_int_equal(
        decode(*state, "{\"remark\":\"\\ud83d\\ude00|\\ud83d|\\ude00|\\ud83dx|\\/\"}", &h), 0);
    assert_text(h.remark, "\xF0\x9F\x98\x80|\xEF\xBF\xBD|\xEF\xBF\xBD|\xEF\xBF\xBDx|/");
    assert_int_equal(decode(*state, "{\"remark\":\"a\xFF\xC3\xA9\xE2\x82\"}", &h), 0);
    assert_text(h.remark, "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
}

/* Goal: what is no header is refused, and nothing is written to the result.
 * Method: one text for each way to be wrong. */
static void what_is_no_header_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{",
        "{}x",
        "{\"code\":}",
        "{\"code\":01}",
        "{\"code\":1.}",
        "{\"code\":-}",
        "{\"code\":1,}",
        "{code:1}",
        "{\"code\":tru}",
        "{\"code\":true}",
        "{\"code\":[]}",
        "{\"code\":99999999999}",
        "{\"code\":\"\"}",
        "{\"remark\":\"\\x\"}",
        "{\"remark\":\"\\u12\"}",
        "{\"remark\":\"a}",
        "{\"extFields\":[]}",
        "{\"extFields\":{\"a\":}}",
        "{\"extFields\":{\"a\":1,}}",
        "{\"extFields\":1}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct header h = { .code = 7 };
        if (decode(*state, wrong[i], &h) != ERR_CORRUPT)
            fail_msg("accepted: %s", wrong[i]);
        assert_int_equal(h.code, 7);
    }
}

/* Goal: nesting and the number of ext fields are bounded. */
static void bounds_hold(void **state)
{
    struct header h;
    struct buf text = BUF_INIT;
    buf_printf(&text, "{\"x\":");
    for (int i = 0; i < 100; i++)
        buf_append_u8(&text, '[');
    assert_int_equal(header_decode(SERIALIZE_JSON, buf_slice(&text), *state, &h), ERR_CORRUPT);

    buf_clear(&text);
    buf_printf(&text, "{\"extFields\":{\"a\":1");
    for (int i = 1; i < HEADER_EXT_MAX; i++)
        buf_printf(&text, ",\"a\":1");
    size_t most = text.len;
    buf_printf(&text, "}}");
    assert_int_equal(header_decode(SERIALIZE_JSON, buf_slice(&text), *state, &h), 0);
    text.len = most;
    buf_printf(&text, ",\"a\":1}}");
    assert_int_equal(header_decode(SERIALIZE_JSON, buf_slice(&text), *state, &h), ERR_TOO_BIG);
    buf_fini(&text);
}

/* Goal: answers have the reference's form: sorted keys, text values, no null.
 * Method: encode and compare the text. */
static void a_json_header_is_written(void **state)
{
    const struct ext_field ext[] = { { SLICE("msgId"), SLICE("7F") },
                                     { SLICE("queueOffset"), SLICE("12") } };
    struct header h = { .code = 0,
                        .version = WIRE_VERSION,
                        .opaque = 9,
                        .flag = HEADER_RESPONSE,
                        .language = LANGUAGE_JAVA,
                        .ext = ext,
                        .ext_count = 2 };
    struct slice frame = header_encode(SERIALIZE_JSON, &h, 5, *state);
    assert_text(slice_from(frame, FRAME_PREFIX_BYTES),
                "{\"code\":0,\"extFields\":{\"msgId\":\"7F\",\"queueOffset\":\"12\"},\"flag\":1,"
                "\"language\":\"JAVA\",\"opaque\":9,\"serializeTypeCurrentRPC\":\"JSON\","
                "\"version\":479}");
    assert_int_equal(get_be32(frame.data), frame.len - 4 + 5);

    h.ext_count = 0;
    h.code = INT32_MIN;
    h.remark = SLICE("a\"\n\1");
    frame = header_encode(SERIALIZE_JSON, &h, 0, *state);
    assert_text(slice_from(frame, FRAME_PREFIX_BYTES),
                "{\"code\":-2147483648,\"flag\":1,\"language\":\"JAVA\",\"opaque\":9,"
                "\"remark\":\"a\\\"\\n\\u0001\",\"serializeTypeCurrentRPC\":\"JSON\","
                "\"version\":479}");
    h.has_ext = true;
    frame = header_encode(SERIALIZE_JSON, &h, 0, *state);
    assert_non_null(memmem(frame.data, frame.len, "\"extFields\":{},", 15));
}

/* Goal: the binary form is the one that is drawn.
 * Method: compare with bytes written by hand, and read them back. */
static void the_binary_form_is_as_drawn(void **state)
{
    static const uint8_t bytes[] = { 1, 54,  12,  1, 223, 0, 0, 0, 9, 0,   0, 0, 1, 0, 0,   0,
                                     2, 'n', 'o', 0, 0,   0, 9, 0, 1, 'b', 0, 0, 0, 2, 'x', 'y' };
    const struct ext_field ext[] = { { SLICE("b"), SLICE("xy") } };
    const struct header h = { .code = 310,
                              .version = 479,
                              .opaque = 9,
                              .flag = 1,
                              .language = LANGUAGE_RUST,
                              .remark = SLICE("no"),
                              .ext = ext,
                              .ext_count = 1 };
    struct slice frame = header_encode(SERIALIZE_BINARY, &h, 0, *state);
    struct slice header = slice_from(frame, FRAME_PREFIX_BYTES);
    assert_int_equal(header.len, sizeof bytes);
    assert_memory_equal(header.data, bytes, sizeof bytes);

    struct header again;
    assert_int_equal(header_decode(SERIALIZE_BINARY, header, *state, &again), 0);
    assert_int_equal(again.code, 310);
    assert_int_equal(again.language, LANGUAGE_RUST);
    assert_text(again.remark, "no");
    assert_text(header_ext(&again, SLICE("b")), "xy");
}

/* Goal: text from outside cannot make a header that no frame can carry.
 * Method: an answer with a value that is too long once it is escaped. */
static void a_header_too_long_loses_its_content(void **state)
{
    enum { VALUE_BYTES = 3 << 20 };
    uint8_t *value = arena_alloc(*state, VALUE_BYTES);
    memset(value, 1, VALUE_BYTES);
    const struct ext_field ext[] = { { SLICE("value"), slice_of(value, VALUE_BYTES) } };
    const struct header h = { .opaque = 9, .flag = HEADER_RESPONSE, .ext = ext, .ext_count = 1 };
    struct slice frame = header_encode(SERIALIZE_JSON, &h, 0, *state);
    struct header got;
    assert_int_equal(
        header_decode(SERIALIZE_JSON, slice_from(frame, FRAME_PREFIX_BYTES), *state, &got), 0);
    assert_int_equal(got.code, 1);
    assert_int_equal(got.opaque, 9);
    assert_int_equal(got.ext_count, 0);
    assert_true(header_encode(SERIALIZE_BINARY, &h, 0, *state).len > VALUE_BYTES);
}

/* Goal: a header that ends early is refused and never read past its end.
 * Method: every prefix of a valid one in both forms, each in a block of its size. */
static void every_prefix_is_refused(void **state)
{
    const struct ext_field ext[] = { { SLICE("b"), SLICE("x\1") },
                                     { SLICE("\xC3\xA9"), SLICE("") } };
    const struct header h = {
        .code = 310, .remark = SLICE("n\xE2\x82\xAC"), .ext = ext, .ext_count = 2
    };
    for (int type = SERIALIZE_JSON; type <= SERIALIZE_BINARY; type++) {
        struct slice frame = header_encode((enum serialize_type)type, &h, 0, *state);
        struct slice header = slice_from(frame, FRAME_PREFIX_BYTES);
        for (size_t len = 0; len < header.len; len++) {
            struct slice cut = exact_copy(header.data, len);
            struct header got;
            assert_int_equal(header_decode((enum serialize_type)type, cut, *state, &got),
                             ERR_CORRUPT);
            exact_free(cut);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_json_header_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lenient_forms_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_text_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_header_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_json_header_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_binary_form_is_as_drawn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_header_too_long_loses_its_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_prefix_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
