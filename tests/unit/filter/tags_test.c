#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/java_hash.h"
#include "filter/tags.h"

static int parse(struct arena *arena, const char *text, struct tag_filter *filter)
{
    return tag_filter_parse(slice_str(text), arena, filter);
}

/* Goal: each form of expression has the reference's outcome.
 * Method: what takes everything, what takes some, what takes nothing, what is refused. */
static void expressions_have_their_outcomes(void **state)
{
    (void)state;
    struct arena arena;
    struct tag_filter filter;
    arena_init(&arena);
    static const char *const all[] = { NULL, "", "*" };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_int_equal(parse(&arena, all[i], &filter), 0);
        assert_true(filter.all && tag_filter_matches(&filter, 0));
    }
    assert_int_equal(parse(&arena, "red || blue||", &filter), 0);
    assert_int_equal(filter.count, 2);
    assert_true(tag_filter_matches(&filter, java_hash(SLICE("red"))));
    assert_true(tag_filter_matches(&filter, java_hash(SLICE("blue"))));
    assert_false(tag_filter_matches(&filter, java_hash(SLICE("green"))));
    assert_false(tag_filter_matches(&filter, 0));

    assert_int_equal(parse(&arena, " ", &filter), 0);
    assert_false(filter.all || tag_filter_matches(&filter, 0));

    assert_int_equal(parse(&arena, "||", &filter), ERR_INVALID);
    assert_int_equal(parse(&arena, "||||", &filter), ERR_INVALID);
    arena_fini(&arena);
}

/* Goal: codes are compared in 64 bits: a due time that stands in the place of a code is no tag. */
static void codes_are_compared_whole(void **state)
{
    (void)state;
    struct arena arena;
    struct tag_filter filter;
    arena_init(&arena);
    assert_int_equal(parse(&arena, "polygenelubricants", &filter), 0);
    assert_true(tag_filter_matches(&filter, INT32_MIN));
    assert_false(tag_filter_matches(&filter, INT64_C(0x80000000)));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_have_their_outcomes),
        cmocka_unit_test(codes_are_compared_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
