#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/page_source.h"

enum { STEP_PAGES = 512, ZEROS_STEPS = PAGE_SOURCE_ZEROS_LOOK / STEP_PAGES };

/* Steps of a window, each made as it says, until it has looked at what it does. */
static void run(struct page_source *source, int64_t zeros_ns, int64_t faults_ns, int64_t at)
{
    for (int i = 0; i < ZEROS_STEPS + 1; i++) {
        bool zeros = page_source_is_zeros(source, at);
        page_source_note(source, zeros, STEP_PAGES, STEP_PAGES * (zeros ? zeros_ns : faults_ns),
                         at);
    }
}

/* Goal: while zeros are cheap nobody looks at faults. */
static void cheap_zeros_are_written(void **state)
{
    (void)state;
    struct page_source source = { .pages = 0 };
    for (int64_t at = 0; at < 4 * (int64_t)PAGE_SOURCE_STAYS; at += PAGE_SOURCE_STAYS) {
        run(&source, 1800, 1, at);
        assert_int_equal(source.state, PAGE_SOURCE_ZEROS);
    }
}

/* Goal: where faults are cheaper than dear zeros the log has faults, for a while. */
static void dear_zeros_give_way_to_cheaper_faults(void **state)
{
    (void)state;
    struct page_source source = { .pages = 0 };
    run(&source, 9000, 4000, 0);
    assert_int_equal(source.state, PAGE_SOURCE_FAULTS);
    assert_false(page_source_is_zeros(&source, PAGE_SOURCE_STAYS - 1));
    assert_true(page_source_is_zeros(&source, PAGE_SOURCE_STAYS));
}

/* Goal: where every page is dear zeros stay; faults are looked at again only when what is known of
 * them is old. */
static void zeros_stay_where_faults_are_dearer(void **state)
{
    (void)state;
    struct page_source source = { .pages = 0 };
    run(&source, 9000, 12000, 0);
    assert_true(page_source_is_zeros(&source, 1));
    run(&source, 9000, 12000, 1);
    run(&source, 9000, 12000, PAGE_SOURCE_STAYS - 1);
    assert_true(page_source_is_zeros(&source, PAGE_SOURCE_STAYS - 1));
    run(&source, 13000, 12000, PAGE_SOURCE_STAYS - 1); /* dearer than faults were */
    assert_false(page_source_is_zeros(&source, PAGE_SOURCE_STAYS - 1));
    run(&source, 9000, 5000, PAGE_SOURCE_STAYS);
    assert_false(page_source_is_zeros(&source, PAGE_SOURCE_STAYS));
}

/* Goal: a few runs that took very long are enough to look; and what was begun before the state
 * changed does not count. */
static void very_dear_zeros_are_judged_early(void **state)
{
    (void)state;
    struct page_source source = { .pages = 0 };
    int64_t enough_ns = PAGE_SOURCE_ZEROS_LOOK * (int64_t)PAGE_SOURCE_CHEAP_NS;
    page_source_note(&source, true, 16, enough_ns, 0);
    assert_int_equal(source.state, PAGE_SOURCE_ZEROS);
    page_source_note(&source, true, 16, 1, 0);
    assert_int_equal(source.state, PAGE_SOURCE_LOOK);
    page_source_note(&source, true, PAGE_SOURCE_FAULTS_LOOK, 1, 0);
    assert_int_equal(source.state, PAGE_SOURCE_LOOK);
    page_source_note(&source, false, PAGE_SOURCE_FAULTS_LOOK, 1, 0);
    assert_int_equal(source.state, PAGE_SOURCE_FAULTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cheap_zeros_are_written),
        cmocka_unit_test(dear_zeros_give_way_to_cheaper_faults),
        cmocka_unit_test(zeros_stay_where_faults_are_dearer),
        cmocka_unit_test(very_dear_zeros_are_judged_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
