#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/conf_parse.h"

/* "line:key=value;" per pair; ends at the key "stop". */
static int note(void *ctx, int line, struct slice key, struct slice value)
{
    buf_printf(ctx, "%d:%.*s=%.*s;", line, SLICE_FMT(key), SLICE_FMT(value));
    return slice_eq(key, SLICE("stop")) ? ERR_EXISTS : 0;
}

static void assert_parsed(struct slice text, int result, const char *expected)
{
    struct buf pairs = BUF_INIT;
    assert_int_equal(conf_parse(text, note, &pairs), result);
    buf_append_u8(&pairs, 0);
    assert_string_equal((const char *)pairs.data, expected);
    buf_fini(&pairs);
}

/* Goal: key and value are told apart as in Java, by the first separator that is not escaped.
 * Method: each separator, blanks around it, one that is escaped, a value or a key of nothing. */
static void keys_end_at_the_first_separator(void **state)
{
    (void)state;
    assert_parsed(SLICE("a=1\nb:2\nc 3\n d \t= 4 \n"), 0, "1:a=1;2:b=2;3:c=3;4:d=4;");
    assert_parsed(SLICE("a==1\nb=:2\nc\\=d=3\ne\\ f\\:g 4"), 0, "1:a==1;2:b=:2;3:c=d=3;4:e f:g=4;");
    assert_parsed(SLICE("a\nb=\n=3\n"), 0, "1:a=;2:b=;3:=3;");
}

/* Goal: a pair over several lines is one, told by the line where it begins; a comment is not
 * continued, and an even number of backslashes is their text.
 * Method: each before another pair, whose line shows what was taken. */
static void lines_are_continued(void **state)
{
    (void)state;
    assert_parsed(SLICE("a=1\\\n  2\\\n\t3\nb=4"), 0, "1:a=123;4:b=4;");
    assert_parsed(SLICE("# a\\\nb=1\n! c\\\r\nd=2\r\n"), 0, "2:b=1;4:d=2;");
    assert_parsed(SLICE("a=1\\\\\nb=2"), 0, "1:a=1\\;2:b=2;");
    assert_parsed(SLICE("a=1\\"), 0, "1:a=1\\;");
}

/* Goal: escapes are Java's, and one that is cut short is its letter.
 * Method: the named ones, code points of one to three bytes, three digits where four belong. */
static void escapes_are_those_of_java(void **state)
{
    (void)state;
    assert_parsed(SLICE("a=\\t\\n\\r\\f\\q"), 0, "1:a=\t\n\r\fq;");
    assert_parsed(SLICE("a=\\u0041\\u00e9\\u20AC"), 0, "1:a=A\xc3\xa9\xe2\x82\xac;");
    assert_parsed(SLICE("a=\\u004"), 0, "1:a=u004;");
}

/* Goal: who has enough ends the reading with a result of his own. */
static void the_callback_ends_the_reading(void **state)
{
    (void)state;
    assert_parsed(SLICE("a=1\nstop\nb=2\n"), ERR_EXISTS, "1:a=1;2:stop=;");
    assert_parsed(SLICE(""), 0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_end_at_the_first_separator),
        cmocka_unit_test(lines_are_continued),
        cmocka_unit_test(escapes_are_those_of_java),
        cmocka_unit_test(the_callback_ends_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
