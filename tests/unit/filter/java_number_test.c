#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "filter/java_number.h"

/* Goal: integers have a sign and digits, nothing else, and stay within their width. */
static void integers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_narrow;
        bool is_wide;
        int64_t value;
    } cases[] = {
        { "0", true, true, 0 },
        { "-0", true, true, 0 },
        { "+12", true, true, 12 },
        { "007", true, true, 7 },
        { "2147483647", true, true, INT32_MAX },
        { "-2147483648", true, true, INT32_MIN },
        { "2147483648", false, true, INT64_C(2147483648) },
        { "-9223372036854775808", false, true, INT64_MIN },
        { "9223372036854775808", false, false, 0 },
        { "٣٤", true, true, 34 },
        { "\xd9", false, false, 0 },         /* the first half of such a digit */
        { "\xe0\x99\xa0", false, false, 0 }, /* a digit longer than UTF-8 allows */
        { "", false, false, 0 },
        { "-", false, false, 0 },
        { "+-1", false, false, 0 },
        { " 1", false, false, 0 },
        { "1L", false, false, 0 },
        { "0x1", false, false, 0 },
        { "1.0", false, false, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice text = slice_str(cases[i].text);
        int32_t narrow = 0;
        int64_t wide = 0;
        assert_int_equal(java_to_i32(text, &narrow), cases[i].is_narrow);
        assert_int_equal(java_to_i64(text, &wide), cases[i].is_wide);
        assert_int_equal(wide, cases[i].value);
        assert_int_equal(narrow, cases[i].is_narrow ? cases[i].value : 0);
    }
}

/* Goal: fractions in each form the runtime knows, and none it does not. */
static void fractions_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        { "1", 1 },
        { " -1.5\t", -1.5 },
        { "+.5", 0.5 },
        { "5.", 5 },
        { "1e3", 1000 },
        { "1.5E-1d", 0.15 },
        { "2f", 2 },
        { "0x1.8p1", 3 },
        { "0X.8P0D", 0.5 },
        { "1e400", INFINITY },
        { "-1e400", -INFINITY },
        { "1e-400", 0 },
        { "0e99999999999999999999", 0 },
        { "1e99999999999999999999", INFINITY },
        { "Infinity", INFINITY },
        { "-Infinity", -INFINITY },
        { "4.9e-324", 4.9e-324 },
        { "0.000000000000000000000000000001", 1e-30 },
    };
    double value;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(java_to_double(slice_str(cases[i].text), &value));
        assert_true(memcmp(&value, &cases[i].value, sizeof value) == 0);
    }
    assert_true(java_to_double(SLICE("-NaN"), &value) && isnan(value));

    static const char *const bad[] = { "",    " ",     ".",    "e5", "1e",   "1e+", "1..2", "nan",
                                       "inf", "0x1.8", "0xp1", "1L", "1 2",  "1ff", "--1",  "1_0",
                                       "٣",   "1.5.5", "0x",   "+",  "1e5.", "NaNd" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(java_to_double(slice_str(bad[i]), &value));
}

/* Goal: digits beyond those kept still decide how the last bit is rounded.
 * Method: half way between 1 and the next double, with and without a 1 far behind. */
static void far_digits_count(void **state)
{
    (void)state;
    enum { DIGITS = 2000 };
    static const char half_way[] = "1.00000000000000011102230246251565404236316680908203125";
    char text[DIGITS + 1];
    double value;
    memset(text, '0', DIGITS);
    memcpy(text, half_way, sizeof half_way - 1);
    assert_true(java_to_double(slice_of(text, DIGITS), &value));
    assert_true(value == 1);
    text[DIGITS - 1] = '1';
    assert_true(java_to_double(slice_of(text, DIGITS), &value));
    assert_true(value == nextafter(1, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read),
        cmocka_unit_test(fractions_are_read),
        cmocka_unit_test(far_digits_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
