#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/conf_edit.h"

static void assert_edited(const char *text, const char *changes, const char *expected)
{
    struct buf out = BUF_INIT;
    conf_edit(slice_str(text), slice_str(changes), &out);
    buf_append_u8(&out, 0);
    assert_string_equal((const char *)out.data, expected);
    buf_fini(&out);
}

/* Goal: a key is changed where it stands; comments, order and other lines stay. */
static void changes_in_place(void **state)
{
    (void)state;
    assert_edited("# mine\nb=1\n\na = 2\r\nc:3\n", "a=5", "# mine\nb=1\n\na=5\nc:3\n");
    assert_edited("a=1\nb=2\na=3\n", "a=4", "a=4\nb=2\na=4\n");
    assert_edited("a=1", "a=2", "a=2\n");
}

/* Goal: a key that the text does not have comes at the end, once, with its last value. */
static void adds_what_is_new(void **state)
{
    (void)state;
    assert_edited("b=1", "a=5\nc=6\na=7\n", "b=1\na=7\nc=6\n");
    assert_edited("", "a=5", "a=5\n");
    assert_edited("# a=1\n! a=2\n", "a=3", "# a=1\n! a=2\na=3\n");
    assert_edited("b=1\n", "", "b=1\n");
}

/* Goal: a value over several lines is replaced whole; a comment is never continued. */
static void continued_lines_are_one(void **state)
{
    (void)state;
    assert_edited("a=1 \\\n  2 \\\n  3\nb=1\n", "a=9", "a=9\nb=1\n");
    assert_edited("b=1 \\\n a=2\nc=3\n", "a=9", "b=1 \\\n a=2\nc=3\na=9\n");
    assert_edited("# a \\\na=1\n", "a=2", "# a \\\na=2\n");
    assert_edited("a=1 \\", "a=2", "a=2\n");
}

/* Goal: what was written reads as it was meant. */
static void odd_values_are_escaped(void **state)
{
    (void)state;
    assert_edited("", "a=\\ x\\\\y\\n", "a=\\ x\\\\y\\n\n");
    assert_edited("a\\=b=1\n", "a\\=b=2", "a\\=b=2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_in_place),
        cmocka_unit_test(adds_what_is_new),
        cmocka_unit_test(continued_lines_are_one),
        cmocka_unit_test(odd_values_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
