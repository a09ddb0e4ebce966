/* The page says something true wherever a process dies that writes it. */
#include "store/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FIRST_BLOCK = 64, BLOCK_BYTES = 144, FIELDS_BYTES = 40 };

static char path[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/ramjet-checkpoint-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void read_page(uint8_t page[CHECKPOINT_BYTES])
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(page, 1, CHECKPOINT_BYTES, file), CHECKPOINT_BYTES);
    fclose(file);
}

static void write_page(const uint8_t page[CHECKPOINT_BYTES])
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(page, 1, CHECKPOINT_BYTES, file), CHECKPOINT_BYTES);
    fclose(file);
}

/* Writes two that differ in everything, and gives the page as each left it. */
static void write_two(uint8_t before[CHECKPOINT_BYTES], uint8_t after[CHECKPOINT_BYTES])
{
    struct checkpoint checkpoint = { .physic_ms = 1, .flushed = 100, .dispatched = 90 };
    assert_int_equal(checkpoint_replace(path, &checkpoint, false), 0);
    read_page(before);
    checkpoint.physic_ms = 0x0102030405060708;
    checkpoint.logics_ms = 0x1112131415161718;
    checkpoint.index_ms = 0x2122232425262728;
    checkpoint.flushed = 200;
    checkpoint.dispatched = 190;
    checkpoint.durable = 150;
    assert_int_equal(checkpoint_write(path, &checkpoint, false), 0);
    read_page(after);
}

static void expect_one_of_two(const uint8_t page[CHECKPOINT_BYTES], bool is_block_whole)
{
    struct checkpoint read;
    write_page(page);
    assert_int_equal(checkpoint_read(path, &read), 0);
    assert_true(read.is_ours);
    assert_true(read.is_same_boot);
    if (is_block_whole) {
        assert_int_equal(read.flushed, 200);
        assert_int_equal(read.dispatched, 190);
        assert_false(read.is_doubtful);
    } else {
        assert_int_equal(read.flushed, 100);
        assert_int_equal(read.dispatched, read.is_doubtful ? 0 : 90);
    }
}

/* Goal: a write that ends after any byte leaves the block before, or the new one.
 * Method: the bytes that differ are carried over one by one, the block's and then the fields'. */
static void a_write_cut_off_anywhere_leaves_a_block_that_counts(void **state)
{
    static uint8_t page[CHECKPOINT_BYTES], after[CHECKPOINT_BYTES];
    (void)state;
    write_two(page, after);
    int written = memcmp(page + FIRST_BLOCK, after + FIRST_BLOCK, BLOCK_BYTES) != 0
                      ? FIRST_BLOCK
                      : FIRST_BLOCK + BLOCK_BYTES;
    for (int i = 0; i < BLOCK_BYTES; i++) {
        page[written + i] = after[written + i];
        expect_one_of_two(page, memcmp(page + written, after + written, BLOCK_BYTES) == 0);
    }
    for (int i = 0; i < FIELDS_BYTES; i++) {
        page[i] = after[i];
        expect_one_of_two(page, true);
    }
    assert_memory_equal(page, after, CHECKPOINT_BYTES);
}

/* Goal: once both blocks were written, nothing older is ever believed. Method: a bit of the newer
 * block is flipped, as of the older. */
static void nothing_older_than_a_replacement_is_believed(void **state)
{
    static uint8_t page[CHECKPOINT_BYTES];
    (void)state;
    struct checkpoint checkpoint = { .flushed = 100, .dispatched = 90 };
    assert_int_equal(checkpoint_write(path, &checkpoint, false), 0);
    checkpoint.flushed = 50;
    checkpoint.dispatched = 40;
    assert_int_equal(checkpoint_replace(path, &checkpoint, false), 0);
    read_page(page);
    for (int block = 0; block < 2; block++) {
        struct checkpoint read;
        page[FIRST_BLOCK + block * BLOCK_BYTES + 100] ^= 4;
        write_page(page);
        assert_int_equal(checkpoint_read(path, &read), 0);
        assert_true(read.is_ours);
        assert_true(read.is_doubtful);
        assert_int_equal(read.flushed, 50);
        page[FIRST_BLOCK + block * BLOCK_BYTES + 100] ^= 4;
    }
}

/* Goal: what we say does not count when the reference wrote since. Method: each of its fields. */
static void a_page_that_the_reference_wrote_is_not_ours(void **state)
{
    static uint8_t page[CHECKPOINT_BYTES], after[CHECKPOINT_BYTES];
    (void)state;
    write_two(page, after);
    for (int at = 7; at < 24; at += 8) {
        struct checkpoint read;
        after[at]++;
        write_page(after);
        assert_int_equal(checkpoint_read(path, &read), 0);
        assert_false(read.is_ours);
        assert_int_equal(read.flushed, 0);
        after[at]--;
    }
}

/* Goal: a sync that is under way is one thing, a failed one another, which outweighs it. */
static void what_is_in_doubt_is_said(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct checkpoint read;
        struct checkpoint checkpoint = { .is_syncing = i & 1, .is_doubtful = i & 2 };
        assert_int_equal(checkpoint_replace(path, &checkpoint, false), 0);
        assert_int_equal(checkpoint_read(path, &read), 0);
        assert_int_equal(read.is_doubtful, i >= 2);
        assert_int_equal(read.is_syncing, i == 1);
    }
}

/* Goal: a page that was cut short is made whole. */
static void a_page_cut_short_is_written_whole(void **state)
{
    static uint8_t page[CHECKPOINT_BYTES];
    (void)state;
    struct checkpoint checkpoint = { .flushed = 100 };
    assert_int_equal(checkpoint_write(path, &checkpoint, false), 0);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(checkpoint_write(path, &checkpoint, false), 0);
    assert_int_equal(checkpoint_write(path, &checkpoint, false), 0);
    read_page(page);
    assert_int_equal(checkpoint_read(path, &checkpoint), 0);
    assert_true(checkpoint.is_ours);
    assert_int_equal(checkpoint.flushed, 100);
}

#define CHECKPOINT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHECKPOINT_TEST(a_write_cut_off_anywhere_leaves_a_block_that_counts),
        CHECKPOINT_TEST(nothing_older_than_a_replacement_is_believed),
        CHECKPOINT_TEST(a_page_that_the_reference_wrote_is_not_ours),
        CHECKPOINT_TEST(what_is_in_doubt_is_said),
        CHECKPOINT_TEST(a_page_cut_short_is_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
