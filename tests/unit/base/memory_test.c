#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/map.h"
#include "base/slab.h"
#include "no_memory.h"

static void an_array_grows_by_doubling(void **state)
{
    (void)state;
    int *numbers = NULL;
    uint32_t cap = 0;
    for (uint32_t count = 0; count < 100; count++) {
        MEMORY_GROW(numbers, count, cap, 3);
        assert_true(cap > count);
        numbers[count] = (int)count;
    }
    assert_int_equal(cap, 192);
    for (int i = 0; i < 100; i++)
        assert_int_equal(numbers[i], i);
    free(numbers);
}

static void a_text_ends_with_a_nul(void **state)
{
    (void)state;
    char *text = memory_text(slice_of("abc", 2));
    assert_string_equal(text, "ab");
    free(text);
    text = memory_text(slice_of(NULL, 0));
    assert_string_equal(text, "");
    free(text);
}

static int use_all(void *ctx)
{
    (void)ctx;
    struct arena arena;
    struct buf buf = BUF_INIT;
    struct map map;
    struct slab *slab = slab_new();
    if (slab == NULL)
        return ERR_NO_MEMORY;
    arena_init(&arena);
    map_init(&map);
    for (int i = 0; i < 100; i++) {
        struct slice key = arena_printf(&arena, "key %d", i);
        buf_append_slice(&buf, key);
        map_put(&map, key, slab);
    }
    void *piece = slab_take(slab, SLAB_PIECE_MOST + 1);
    piece = slab_resize(slab, piece, SLAB_PIECE_MOST + 1, 4 * SLAB_PIECE_MOST);
    slab_give_back(slab, piece, 4 * SLAB_PIECE_MOST);
    free(memory_resize(memory_zeroed(3, 5), 7, 5));
    free(memory_text(buf_slice(&buf)));
    bool is_whole = map.count == 100 && buf.len == 10 * 5 + 90 * 6;
    map_fini(&map);
    buf_fini(&buf);
    arena_fini(&arena);
    slab_free(slab);
    return is_whole ? 0 : ERR_CORRUPT;
}

/* Goal: the blocks that all else is built of end the process, with a line that says why.
 * Method: every allocation of a use of each fails in turn. */
static void without_memory_the_process_ends_and_says_so(void **state)
{
    (void)state;
    assert_true(no_memory_at_each(use_all, NULL) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_grows_by_doubling),
        cmocka_unit_test(a_text_ends_with_a_nul),
        cmocka_unit_test(without_memory_the_process_ends_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
