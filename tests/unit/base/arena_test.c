#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"

/* Goal: what is allocated is aligned, apart from everything else, and writable in full.
 * Method: a thousand allocations of growing size, each filled with its own byte, checked at the
 * end. */
static void allocations_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    struct arena arena;
    arena_init(&arena);
    uint8_t *got[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        got[i] = arena_alloc(&arena, i);
        assert_int_equal((uintptr_t)got[i] % 16, 0);
        memset(got[i], (int)(i & 0xFF), i);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_equal(got[i][j], i & 0xFF);
    arena_fini(&arena);
}

/* Goal: a reset gives the memory of an ordinary request back to the next one, and does not keep
 * what a large request needed. Method: the first address after a reset is the first ever; after a
 * first chunk of 1 MB none is kept. */
static void reset_keeps_a_small_first_chunk_only(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    void *first = arena_alloc(&arena, 100);
    arena_alloc(&arena, 100000);
    arena_reset(&arena);
    assert_ptr_equal(arena_alloc(&arena, 100), first);
    arena_fini(&arena);

    arena_alloc(&arena, 1000000);
    arena_reset(&arena);
    assert_null(arena.chunks);
    arena_fini(&arena);
}

/* Goal: copies and formatted text are whole and terminated, also across a chunk's end.
 * Method: copy text with no NUL behind it, format a text longer than the first chunk. */
static void copies_and_prints(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct slice copy = arena_copy(&arena, slice_of("abcdef", 3));
    assert_int_equal(copy.len, 3);
    assert_string_equal((const char *)copy.data, "abc");
    assert_int_equal(arena_copy(&arena, slice_of(NULL, 0)).len, 0);
    struct slice text = arena_printf(&arena, "%s-%05000d", "n", 7);
    assert_int_equal(text.len, 5002);
    assert_int_equal(text.data[5001], '7');
    assert_int_equal(text.data[5002], 0);
    uint8_t *zeros = arena_zalloc(&arena, 64);
    for (int i = 0; i < 64; i++)
        assert_int_equal(zeros[i], 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_do_not_overlap),
        cmocka_unit_test(reset_keeps_a_small_first_chunk_only),
        cmocka_unit_test(copies_and_prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
