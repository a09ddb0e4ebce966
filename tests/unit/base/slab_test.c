#include "base/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { CROWD = 3000, EMPTY_KEPT = 2 };

static void *pieces[CROWD];

static size_t bytes_of(int i)
{
    return 1 + (size_t)(i * 37) % 5000; /* every size, and some that are too large */
}

/* Goal: pieces do not overlap, whatever is taken and given back. Method: pieces of every size, each
 * filled with its number; every other one is given back and taken with another size; all still
 * hold what was put there. */
static void pieces_do_not_overlap(void **state)
{
    (void)state;
    struct slab *slab = slab_new();
    for (int i = 0; i < CROWD; i++)
        pieces[i] = memset(slab_take(slab, bytes_of(i)), i, bytes_of(i));
    for (int i = 0; i < CROWD; i += 2)
        slab_give_back(slab, pieces[i], bytes_of(i));
    for (int i = 0; i < CROWD; i += 2)
        pieces[i] = memset(slab_take(slab, bytes_of(i + 1)), i, bytes_of(i + 1));
    for (int i = 0; i < CROWD; i++) {
        size_t bytes = bytes_of(i | 1);
        const uint8_t *piece = pieces[i];
        for (size_t at = 0; at < bytes; at++)
            assert_int_equal(piece[at], (uint8_t)i);
    }
    for (int i = 0; i < CROWD; i++)
        slab_give_back(slab, pieces[i], bytes_of(i | 1));
    slab_free(slab);
}

/* Goal: a piece has the room that was asked for, and stands apart from its neighbours' cache lines
 * as far as it fills one. Method: sizes at the borders. */
static void a_piece_is_a_power_of_two(void **state)
{
    (void)state;
    assert_int_equal(slab_piece_bytes(0), SLAB_PIECE_LEAST);
    assert_int_equal(slab_piece_bytes(64), 64);
    assert_int_equal(slab_piece_bytes(65), 128);
    assert_int_equal(slab_piece_bytes(4096), 4096);
    assert_int_equal(slab_piece_bytes(4097), 8192);
    struct slab *slab = slab_new();
    void *piece = slab_take(slab, 3);
    assert_int_equal((uintptr_t)piece % SLAB_PIECE_LEAST, 0);
    slab_give_back(slab, piece, 50); /* any size of the same piece */
    slab_give_back(slab, NULL, 50);
    slab_free(slab);
}

/* Goal: a crowd that has gone leaves nothing behind. Method: chunks are counted before and after,
 * the slab is trimmed, and a lonely piece that comes and goes makes no new one. */
static void a_crowd_that_has_gone_leaves_nothing(void **state)
{
    (void)state;
    struct slab *slab = slab_new();
    for (int i = 0; i < CROWD; i++)
        pieces[i] = slab_take(slab, 64);
    assert_true(slab_chunks(slab) > CROWD * 64 / (64 << 10));
    for (int i = 0; i < CROWD; i++)
        slab_give_back(slab, pieces[CROWD - 1 - i], 64);
    slab_trim(slab);
    slab_trim(slab);
    assert_int_equal(slab_chunks(slab), EMPTY_KEPT);
    for (int i = 0; i < 10; i++)
        slab_give_back(slab, slab_take(slab, 1000), 1000);
    assert_int_equal(slab_chunks(slab), EMPTY_KEPT);
    slab_free(slab);
}

/* Goal: chunks that crowds fill again and again are not unmapped in between. Method: a crowd comes
 * and goes, the slab is trimmed after each; then one of half the size, whose other half goes. */
static void a_crowd_that_comes_again_finds_its_chunks(void **state)
{
    (void)state;
    size_t chunks = 0;
    struct slab *slab = slab_new();
    for (int turn = 0; turn < 6; turn++) {
        int crowd = turn < 4 ? CROWD : CROWD / 2;
        for (int i = 0; i < crowd; i++)
            pieces[i] = slab_take(slab, 1024);
        for (int i = 0; i < crowd; i++)
            slab_give_back(slab, pieces[i], 1024);
        if (turn == 0)
            chunks = slab_chunks(slab);
        slab_trim(slab);
        if (turn < 4)
            assert_int_equal(slab_chunks(slab), chunks);
    }
    assert_in_range(slab_chunks(slab), chunks / 2 - 1, chunks / 2 + EMPTY_KEPT + 1);
    slab_free(slab);
}

/* Goal: what a piece held is in the one that takes its place, also on the way to malloc() and back.
 * Method: a piece grows by doubling and shrinks again; its beginning is looked at each time. */
static void a_piece_that_grows_keeps_what_it_held(void **state)
{
    (void)state;
    struct slab *slab = slab_new();
    size_t bytes = 40;
    char *piece = slab_resize(slab, NULL, 0, bytes);
    strcpy(piece, "thirty-two bytes at the beginning");
    for (int step = 0; step < 22; step++) {
        size_t wanted = step < 11 ? bytes * 2 : bytes / 2;
        piece = slab_resize(slab, piece, bytes, wanted);
        bytes = wanted;
        assert_string_equal(piece, "thirty-two bytes at the beginning");
        piece[bytes - 1] = 0;
    }
    slab_give_back(slab, piece, bytes);
    slab_free(slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(a_piece_is_a_power_of_two),
        cmocka_unit_test(a_crowd_that_has_gone_leaves_nothing),
        cmocka_unit_test(a_crowd_that_comes_again_finds_its_chunks),
        cmocka_unit_test(a_piece_that_grows_keeps_what_it_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
