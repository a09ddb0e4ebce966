#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sort.h"

/* Goal: numbers are ascending, those far apart too; none at all are fine. */
static void numbers_ascend(void **state)
{
    (void)state;
    int64_t numbers[] = { 5, INT64_MIN, 0, INT64_MAX, -1, 5 };
    static const int64_t sorted[] = { INT64_MIN, -1, 0, 5, 5, INT64_MAX };
    sort_i64(numbers, 6);
    assert_memory_equal(numbers, sorted, sizeof sorted);
    sort_i64(NULL, 0);
}

/* Goal: of texts that begin alike the shorter comes first, bytes count without a sign. */
static void texts_ascend(void **state)
{
    (void)state;
    struct slice texts[] = { SLICE("b"), SLICE("ab"), SLICE("\xC3"), SLICE(""), SLICE("a") };
    sort_slices(texts, 5);
    assert_int_equal(texts[0].len, 0);
    assert_true(slice_eq(texts[1], SLICE("a")));
    assert_true(slice_eq(texts[2], SLICE("ab")));
    assert_true(slice_eq(texts[3], SLICE("b")));
    assert_true(slice_eq(texts[4], SLICE("\xC3")));
    sort_slices(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_ascend),
        cmocka_unit_test(texts_ascend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
