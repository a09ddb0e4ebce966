#include "wire/exact.h"
#include "wire/json.h"

static void assert_reads_as(const char *text, const char *standard)
{
    json_t *json = json_read(slice_str(text));
    if (json == NULL)
        fail_msg("refused: %s", text);
    char *got = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(got, standard);
    free(got);
    json_decref(json);
}

/* Goal: what FastJSON writes is read: bare integer keys, objects as keys, single quotes, trailing
 * commas; and broken text is repaired. */
static void the_dialect_is_read(void **state)
{
    (void)state;
    assert_reads_as("{0:\"a\",-1:{2:3}}", "{\"0\":\"a\",\"-1\":{\"2\":3}}");
    assert_reads_as("{{\"queueId\":0,\"t\":{1:2}}:{\"x\":1}}",
                    "{\"{\\\"queueId\\\":0,\\\"t\\\":{\\\"1\\\":2}}\":{\"x\":1}}");
    assert_reads_as(" { 'a' : 'it\\'s \"' , \"b\" : [ 1 , true , null , ] , } ",
                    "{\"a\":\"it's \\\"\",\"b\":[1,true,null]}");
    assert_reads_as("[\"\\ud83d\",\"\xFF\",\"\1\"]",
                    "[\"\xEF\xBF\xBD\",\"\xEF\xBF\xBD\",\"\\u0001\"]");
    assert_reads_as("-1.5e3", "-1500.0");
    assert_reads_as("{}", "{}");
}

/* Goal: what is neither is refused. */
static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",      "{",         "}",    "{}{}",    "{a:1}",       "{\"a\"}",
        "[1 2]", "[,]",       "tru",  "01",      "{1.5:1}",     "\"a",
        "'a\"",  "[\"\\x\"]", "{{}}", "{[1]:2}", "\"\\u0000\"", "123456789012345678901234567890"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (json_read(slice_str(wrong[i])) != NULL)
            fail_msg("accepted: %s", wrong[i]);
}

/* Goal: a text cannot ask for more than its bounds: depth, also of keys, and number of values. */
static void bounds_hold(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        buf_clear(&text);
        for (int i = 0; i < depth; i++)
            buf_append_u8(&text, '[');
        for (int i = 0; i < depth; i++)
            buf_append_u8(&text, ']');
        json_t *json = json_read(buf_slice(&text));
        assert_true((json != NULL) == (depth == JSON_DEPTH_MAX));
        json_decref(json);
    }
    buf_clear(&text);
    for (int i = 0; i < 100000; i++)
        buf_append_u8(&text, '{');
    assert_null(json_read(buf_slice(&text)));

    buf_clear(&text);
    buf_append_u8(&text, '[');
    for (int i = 0; i < JSON_VALUES_MAX; i++)
        buf_append_slice(&text, SLICE("0,"));
    buf_append_u8(&text, ']');
    assert_null(json_read(buf_slice(&text)));
    buf_fini(&text);
    json_t *four = json_read_most(SLICE("[1,{\"a\":2}]"), 5);
    assert_non_null(four);
    json_decref(four);
    assert_null(json_read_most(SLICE("[1,{\"a\":2}]"), 4));
}

/* Goal: a cut text is refused and never read past its end. */
static void every_prefix_is_refused(void **state)
{
    (void)state;
    struct slice text = SLICE("{0:[1,\"\\u0041\xC3\xA9\",'x'],{\"q\":0}:true}");
    for (size_t len = 0; len < text.len; len++) {
        struct slice cut = exact_copy(text.data, len);
        assert_null(json_read(cut));
        exact_free(cut);
    }
}

/* Goal: members are found leniently and wrong ones take the fallback. */
static void members_are_lenient(void **state)
{
    (void)state;
    json_t *json = json_read(SLICE("{\"i\":5,\"q\":\"-6\",\"s\":\"x\",\"b\":true,\"t\":\"true\","
                                   "\"big\":4294967296}"));
    assert_int_equal(json_get_i64(json, "i", 1), 5);
    assert_int_equal(json_get_i64(json, "q", 1), -6);
    assert_int_equal(json_get_i64(json, "s", 1), 1);
    assert_int_equal(json_get_i64(json, "none", 1), 1);
    assert_int_equal(json_get_i32(json, "big", 1), 1);
    assert_true(json_get_bool(json, "b", false));
    assert_true(json_get_bool(json, "t", false));
    assert_true(json_get_bool(json, "i", true));
    assert_text(json_get_str(json, "s"), "x");
    assert_null(json_get_str(json, "i").data);
    assert_null(json_get_str(NULL, "i").data);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dialect_is_read), cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(bounds_hold),         cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(members_are_lenient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
