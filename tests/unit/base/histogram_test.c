#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/histogram.h"

static int new_histogram(void **state)
{
    *state = calloc(1, sizeof(struct histogram));
    return *state == NULL;
}

static int free_histogram(void **state)
{
    free(*state);
    return 0;
}

/* Goal: a percentile is never below the true value and at most 1/128 above it, at any magnitude.
 * Method: one value at a time, at and around every power of two and in between. */
static void value_is_known_to_one_part_in_128(void **state)
{
    (void)state;
    for (int bit = 0; bit < HISTOGRAM_LIMIT_BITS; bit++)
        for (int64_t step = -1; step <= 3; step++) {
            int64_t value = (INT64_C(1) << bit) + step * ((INT64_C(1) << bit) / 5 + 1);
            if (value < 0 || value >= HISTOGRAM_LIMIT_NS)
                continue;
            struct histogram *h = calloc(1, sizeof *h);
            histogram_record(h, value);
            histogram_record(h, HISTOGRAM_LIMIT_NS); /* so that the maximum does not help */
            int64_t told = histogram_percentile(h, 50);
            assert_true(told >= value);
            assert_true(told - value <= value / 128);
            free(h);
        }
}

/* Goal: percentiles are the nearest rank, also where the percentage is no binary number.
 * Method: 1 .. 1000 in an order that is not sorted; small values lie in buckets of their own. */
static void percentile_is_nearest_rank(void **state)
{
    struct histogram *h = *state;
    for (int i = 0; i < 200; i++)
        histogram_record(h, (i * 77) % 200 + 1);
    assert_int_equal(histogram_percentile(h, 0), 1);
    assert_int_equal(histogram_percentile(h, 0.5), 1);
    assert_int_equal(histogram_percentile(h, 50), 100);
    assert_int_equal(histogram_percentile(h, 99), 198);
    assert_int_equal(histogram_percentile(h, 99.5), 199);
    assert_int_equal(histogram_percentile(h, 99.9), 200);
    assert_int_equal(histogram_percentile(h, 100), 200);
}

/* Goal: one slow message in a thousand is p99.9's neighbour, not p99.9 itself.
 * Method: 999 fast ones and a slow one: rank 999 of 1000 is still fast. */
static void rank_of_99_9_percent_is_exact(void **state)
{
    struct histogram *h = *state;
    for (int i = 0; i < 999; i++)
        histogram_record(h, 100);
    histogram_record(h, 5000000);
    assert_int_equal(histogram_percentile(h, 99.9), 100);
    assert_int_equal(histogram_percentile(h, 99.91), 5000000);
}

static void maximum_and_minimum_are_exact(void **state)
{
    struct histogram *h = *state;
    histogram_record(h, 1234567891);
    histogram_record(h, 1234567);
    histogram_record(h, 2 * HISTOGRAM_LIMIT_NS + 7);
    assert_int_equal(h->min_ns, 1234567);
    assert_int_equal(histogram_percentile(h, 0), 1234567);
    assert_int_equal(histogram_percentile(h, 100), 2 * HISTOGRAM_LIMIT_NS + 7);
}

/* Goal: the count within a limit never flatters, and is everything when the maximum is within. */
static void count_within_never_flatters(void **state)
{
    struct histogram *h = *state;
    histogram_record(h, 999000);
    histogram_record(h, 1000001);
    histogram_record(h, 50000000);
    assert_int_equal(histogram_count_within(h, 990000), 0);
    assert_true(histogram_count_within(h, 1000000) <= 1);
    assert_int_equal(histogram_count_within(h, 1100000), 2);
    assert_int_equal(histogram_count_within(h, 49999999), 2);
    assert_int_equal(histogram_count_within(h, 50000000), 3);
}

static void merge_adds_up(void **state)
{
    struct histogram *h = *state, *other = calloc(1, sizeof *other);
    histogram_merge(h, other); /* an empty one changes nothing */
    assert_int_equal(h->count, 0);
    histogram_record(h, 500);
    histogram_record(other, 20);
    histogram_record(other, 70000);
    histogram_merge(h, other);
    free(other);
    assert_int_equal(h->count, 3);
    assert_int_equal(h->min_ns, 20);
    assert_int_equal(h->max_ns, 70000);
    assert_int_equal(h->sum_ns, 70520);
}

static void empty_says_zero(void **state)
{
    struct histogram *h = *state;
    assert_int_equal(histogram_percentile(h, 99), 0);
    assert_int_equal(histogram_count_within(h, 1), 0);
}

static void negative_counts_as_zero(void **state)
{
    struct histogram *h = *state;
    histogram_record(h, -5);
    assert_int_equal(h->max_ns, 0);
    assert_int_equal(h->count, 1);
}

static void many_at_once_are_as_many_one_by_one(void **state)
{
    (void)state;
    static struct histogram many, one_by_one;
    for (int i = 0; i < 8; i++)
        histogram_record(&one_by_one, 12345);
    histogram_record(&one_by_one, 7);
    histogram_record_many(&many, 12345, 8);
    histogram_record_many(&many, 7, 1);
    histogram_record_many(&many, 1, 0);
    assert_memory_equal(&many, &one_by_one, sizeof many);
}

/* Goal: what was noted is written when there is no room for more, and when asked for.
 * Method: two histograms in turns, a note more than there is room for. */
static void notes_are_written(void **state)
{
    (void)state;
    static struct histogram_notes notes;
    static struct histogram noted[2], recorded[2];
    for (int i = 0; i <= HISTOGRAM_NOTES_MAX; i++) {
        histogram_note(&notes, &noted[i % 2], 100 * i - 1, (uint64_t)i);
        histogram_record_many(&recorded[i % 2], 100 * i - 1, (uint64_t)i);
    }
    assert_int_equal(notes.count, 1);
    histogram_write_notes(&notes);
    assert_int_equal(notes.count, 0);
    assert_memory_equal(noted, recorded, sizeof noted);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, new_histogram, free_histogram)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once_are_as_many_one_by_one),
        cmocka_unit_test(notes_are_written),
        TEST(value_is_known_to_one_part_in_128),
        TEST(percentile_is_nearest_rank),
        TEST(rank_of_99_9_percent_is_exact),
        TEST(maximum_and_minimum_are_exact),
        TEST(count_within_never_flatters),
        TEST(merge_adds_up),
        TEST(empty_says_zero),
        TEST(negative_counts_as_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
