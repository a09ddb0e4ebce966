#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/slice.h"

/* Goal: numbers at the edges of their range are read, everything else is refused and leaves the
 * value. Method: a table of texts. */
static void only_whole_numbers_in_range_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_number;
        int64_t value;
    } rows[] = {
        { "0", true, 0 },
        { "-1", true, -1 },
        { "007", true, 7 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 },
        { "99999999999999999999999", false, 0 },
        { "", false, 0 },
        { "-", false, 0 },
        { "--1", false, 0 },
        { "1 ", false, 0 },
        { "1.0", false, 0 },
        { "0x10", false, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = 42;
        assert_int_equal(slice_to_i64(slice_str(rows[i].text), &value), rows[i].is_number);
        assert_true(value == (rows[i].is_number ? rows[i].value : 42));
    }
    int32_t narrow = 42;
    assert_true(slice_to_i32(SLICE("-2147483648"), &narrow));
    assert_int_equal(narrow, INT32_MIN);
    assert_false(slice_to_i32(SLICE("2147483648"), &narrow));
    assert_int_equal(narrow, INT32_MIN);
}

/* Goal: comparing and cutting accept empty slices, with and without a pointer.
 * Method: the edges of each function. */
static void slices_are_compared_and_cut(void **state)
{
    (void)state;
    struct slice none = slice_of(NULL, 0);
    assert_true(slice_eq(none, SLICE("")));
    assert_true(slice_eq(SLICE("ab"), slice_str("ab")));
    assert_false(slice_eq(SLICE("ab"), SLICE("abc")));
    assert_true(slice_starts_with(SLICE("abc"), SLICE("ab")));
    assert_true(slice_starts_with(SLICE("abc"), none));
    assert_false(slice_starts_with(SLICE("ab"), SLICE("abc")));
    assert_true(slice_eq(slice_from(SLICE("abc"), 1), SLICE("bc")));
    assert_int_equal(slice_from(SLICE("abc"), 3).len, 0);
    assert_int_equal(slice_from(SLICE("abc"), 4).len, 0);
    assert_int_equal(slice_str(NULL).len, 0);
    assert_true(slice_eq(slice_trim(SLICE("\t a b\1 ")), SLICE("a b")));
    assert_int_equal(slice_trim(SLICE("  ")).len, 0);
}

/* Goal: a text falls into the pieces between its marks; behind the last one nothing is left.
 * Method: pieces with and without bytes; the same as a list of names. */
static void pieces_are_cut_off_in_order(void **state)
{
    (void)state;
    struct slice rest = SLICE("a;;bc");
    assert_true(slice_eq(slice_cut(&rest, ';'), SLICE("a")));
    assert_int_equal(slice_cut(&rest, ';').len, 0);
    assert_true(slice_eq(rest, SLICE("bc")));
    assert_true(slice_eq(slice_cut(&rest, ';'), SLICE("bc")));
    assert_int_equal(rest.len, 0);
    assert_int_equal(slice_cut(&rest, ';').len, 0);
    assert_true(slice_lists(SLICE("a;;bc"), ';', SLICE("bc")));
    assert_true(slice_lists(SLICE("a;;bc"), ';', SLICE("")));
    assert_false(slice_lists(SLICE("a;bc"), ';', SLICE("b")));
    assert_false(slice_lists(SLICE(""), ';', SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_whole_numbers_in_range_are_read),
        cmocka_unit_test(slices_are_compared_and_cut),
        cmocka_unit_test(pieces_are_cut_off_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
