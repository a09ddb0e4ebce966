#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "bench/series.h"

#define MS INT64_C(1000000)

/* Goal: each latency counts in the slot it was answered in, and a stall shows as empty slots with
 * its length behind them.
 * Method: 24 s in slots of 100 ms; an answer every ms, none for a second, then one of a second. */
static void a_stall_is_seen_when_it_was(void **state)
{
    (void)state;
    struct series *s = calloc(1, sizeof *s);
    series_init(s, 7 * MS, 24000 * MS);
    assert_int_equal(s->slot_ns, 100 * MS);
    for (int ms = 0; ms < 1000; ms++)
        series_record(s, (7 + ms) * MS, 1 * MS);
    series_record(s, (7 + 2000) * MS, 1000 * MS);
    series_end(s);
    assert_int_equal(s->slot_count, 21);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(s->slots[i].count, 100);
        assert_int_equal(s->slots[i].max_ns, 1 * MS);
    }
    for (int i = 10; i < 20; i++)
        assert_int_equal(s->slots[i].count, 0);
    assert_int_equal(s->slots[20].count, 1);
    assert_int_equal(s->slots[20].p50_ns, 1000 * MS);
    free(s);
}

/* Goal: percentiles are of the slot alone; what is late counts in the last slot. */
static void slots_are_apart_and_bounded(void **state)
{
    (void)state;
    struct series *s = calloc(1, sizeof *s);
    series_init(s, 0, 1000 * MS);
    assert_int_equal(s->slot_ns, 10 * MS);
    for (int i = 1; i <= 1000; i++)
        series_record(s, 1, i * MS);
    series_record(s, 3600 * 1000 * MS, 5 * MS);
    series_record(s, 3601 * 1000 * MS, 6 * MS);
    series_end(s);
    assert_int_equal(s->slot_count, SERIES_SLOTS);
    assert_in_range(s->slots[0].p50_ns, 500 * MS, 504 * MS);
    assert_in_range(s->slots[0].p99_9_ns, 999 * MS, 1000 * MS);
    assert_int_equal(s->slots[0].max_ns, 1000 * MS);
    assert_int_equal(s->slots[SERIES_SLOTS - 1].count, 2);
    assert_int_equal(s->slots[SERIES_SLOTS - 1].max_ns, 6 * MS);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stall_is_seen_when_it_was),
        cmocka_unit_test(slots_are_apart_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
