#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/delay_levels.h"

static struct delay_levels levels_of(const char *text)
{
    struct delay_levels levels;
    assert_int_equal(delay_levels_parse(slice_str(text), &levels), 0);
    return levels;
}

/* Goal: the reference's table of levels is understood, level 1 first.
 * Method: parse its default text and look at the ends and at each unit. */
static void the_default_levels_are_read(void **state)
{
    (void)state;
    struct delay_levels levels =
        levels_of("1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h");
    assert_int_equal(levels.count, 18);
    assert_int_equal(levels.ms[1], 1000);
    assert_int_equal(levels.ms[5], 60000);
    assert_int_equal(levels.ms[18], 7200000);
    assert_int_equal(levels_of(" 2d  1s ").ms[1], 172800000);
}

/* Goal: a text that is no table of levels is refused and nothing is changed.
 * Method: one text for each way to be wrong. */
static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",      "  ",  "1",    "s",           "1x",
                                         "1s,5s", "-1s", "1s 5", "99999999999s" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct delay_levels levels = { .count = 7 };
        assert_int_equal(delay_levels_parse(slice_str(wrong[i]), &levels), ERR_INVALID);
        assert_int_equal(levels.count, 7);
    }
    char many[4 * (DELAY_LEVELS_MAX + 1)];
    for (size_t i = 0; i < sizeof many; i += 3)
        memcpy(many + i, "1s ", sizeof many - i < 3 ? sizeof many - i : 3);
    struct delay_levels levels;
    assert_int_equal(delay_levels_parse(slice_of(many, 3 * (DELAY_LEVELS_MAX + 1)), &levels),
                     ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_levels_are_read),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
