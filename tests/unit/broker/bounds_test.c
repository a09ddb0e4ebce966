#include "broker/bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define GIB (INT64_C(1) << 30)

static struct bound rows[BOUNDS_MAX];

static int rows_of_defaults(void)
{
    struct broker_conf conf;
    conf_init(&broker_conf_table, &conf);
    int count = broker_bounds(&conf, rows);
    conf_fini(&broker_conf_table, &conf);
    return count;
}

static void each_row_says_what_and_how_much(void **state)
{
    (void)state;
    int count = rows_of_defaults();
    for (int i = 0; i < count; i++) {
        assert_non_null(rows[i].what);
        assert_true(rows[i].most > 0);
        assert_true(rows[i].bytes_each > 0);
        assert_true(rows[i].most < INT64_MAX / BOUNDS_MAX / rows[i].bytes_each);
    }
}

/* Goal: the sums that docs/architecture.md tells are those of the rows with default settings. */
static void the_sums_are_those_of_the_page(void **state)
{
    (void)state;
    int count = rows_of_defaults();
    int64_t broker = bounds_sum(rows, count, false);
    int64_t connection = bounds_sum(rows, count, true);
    assert_true(broker > 3 * GIB / 2 && broker <= 2 * GIB);
    assert_true(connection > 90 << 20 && connection <= 160 << 20); /* less in a small memory */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_says_what_and_how_much),
        cmocka_unit_test(the_sums_are_those_of_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
