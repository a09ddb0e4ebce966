/* bodies.h - what the tests of body_*.c share: an arena, and inputs that end early. */
#ifndef TESTS_WIRE_BODIES_H
#define TESTS_WIRE_BODIES_H

#include "wire/exact.h"

static inline int bodies_set_up(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static inline int bodies_tear_down(void **state)
{
    arena_fini(*state);
    return 0;
}

#define BODY_TEST(f) cmocka_unit_test_setup_teardown(f, bodies_set_up, bodies_tear_down)

/* Every prefix of `text` is refused by decode(slice, arena, into), each in a block of its size. */
#define ASSERT_PREFIXES_REFUSED(text, arena, decode, into)                                         \
    do {                                                                                           \
        struct slice whole_ = slice_str(text);                                                     \
        for (size_t len_ = 0; len_ < whole_.len; len_++) {                                         \
            struct slice cut_ = exact_copy(whole_.data, len_);                                     \
            assert_int_equal(decode(cut_, arena, into), ERR_CORRUPT);                              \
            exact_free(cut_);                                                                      \
        }                                                                                          \
    } while (0)

#endif
