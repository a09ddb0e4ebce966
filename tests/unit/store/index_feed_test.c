#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/index_feed.h"

enum { BYTES = 100, MOST = 64 };

static int set_up(void **state)
{
    *state = index_feed_new();
    return 0;
}

static int tear_down(void **state)
{
    index_feed_free(*state);
    return 0;
}

/* A record of so many keys, whose hashes are its place in the log. */
static bool add(struct index_feed *feed, int64_t phy_offset, int count)
{
    struct index_key keys[INDEX_FED_KEYS_MAX];
    for (int i = 0; i < count; i++)
        keys[i] = (struct index_key){ .hash = (int32_t)phy_offset };
    if (count == 0)
        keys[count++] = (struct index_key){ .hash = INDEX_NO_KEY };
    keys[count - 1].record_bytes = BYTES;
    return index_feed_add(feed, phy_offset, keys, count);
}

static void expect(struct index_feed *feed, int64_t at, int keys, int records, int64_t upto)
{
    struct index_key taken[MOST];
    int got = 0;
    assert_int_equal(index_feed_take(feed, &at, &got, taken, MOST), keys);
    assert_int_equal(got, records);
    assert_int_equal(at, upto);
    for (int i = 0; i < keys; i++)
        assert_in_range(taken[i].hash, 0, upto - BYTES);
}

/* Goal: what was added is taken in its order, each key once, and records without keys are passed.
 */
static void records_are_taken_whole(void **state)
{
    struct index_feed *feed = *state;
    expect(feed, 0, 0, 0, 0);
    add(feed, 0, 1);
    add(feed, BYTES, 0);
    add(feed, 2 * BYTES, 3);
    expect(feed, 0, 4, 3, 3 * BYTES);
    expect(feed, 3 * BYTES, 0, 0, 3 * BYTES);
}

/* Goal: nothing is taken across a gap, nor twice.
 * Method: a record that is not there in the middle; the first one was read from the log. */
static void a_gap_ends_what_is_taken(void **state)
{
    struct index_feed *feed = *state;
    add(feed, 0, 1);
    add(feed, BYTES, 2);
    add(feed, 3 * BYTES, 1);
    expect(feed, BYTES, 2, 1, 2 * BYTES);
    expect(feed, 2 * BYTES, 0, 0, 2 * BYTES);
    expect(feed, 3 * BYTES, 1, 1, 4 * BYTES);
}

/* Goal: what finds no room is left out whole, and what comes when there is room again is not.
 * Method: more records of three keys than there is room for; they are taken, the gap is passed. */
static void what_finds_no_room_is_left_out(void **state)
{
    struct index_feed *feed = *state;
    enum { RECORDS = 10000, KEYS = 3 };
    bool was_half_full = false;
    for (int i = 0; i < RECORDS; i++)
        was_half_full |= add(feed, (int64_t)i * BYTES, KEYS);
    assert_true(was_half_full);
    struct index_key keys[MOST];
    int64_t at = 0;
    int records = 0, taken = 0, more;
    while ((more = index_feed_take(feed, &at, &records, keys, MOST)) > 0)
        taken += more;
    assert_in_range(records, 1000, RECORDS - 1);
    assert_int_equal(taken, records * KEYS);
    assert_int_equal(at, records * BYTES);
    add(feed, (int64_t)RECORDS * BYTES, 1);
    expect(feed, at, 0, 0, at);
    expect(feed, (int64_t)RECORDS * BYTES, 1, 1, (RECORDS + 1) * BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_are_taken_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gap_ends_what_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_finds_no_room_is_left_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
