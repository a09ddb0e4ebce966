#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/figures/put_times.h"

#define MS INT64_C(1000000)
#define MINUTE (60000 * MS)

/* Goal: totals stay, the distribution is of the last minute or two. */
static void recent_puts_are_shown(void **state)
{
    static const char quiet[] =
        "[<=0ms]:0 [0~10ms]:0 [10~50ms]:0 [50~100ms]:0 [100~200ms]:0 [200~500ms]:0 [500ms~1s]:0 "
        "[1~2s]:0 [2~3s]:0 [3~4s]:0 [4~5s]:0 [5~10s]:0 [10s~]:0 ";
    static const char busy[] =
        "[<=0ms]:2 [0~10ms]:1 [10~50ms]:0 [50~100ms]:0 [100~200ms]:0 [200~500ms]:0 [500ms~1s]:0 "
        "[1~2s]:0 [2~3s]:0 [3~4s]:0 [4~5s]:0 [5~10s]:0 [10s~]:1 ";
    struct put_times *times = put_times_new(0);
    struct buf text = BUF_INIT;
    (void)state;
    put_times_record(times, 1000, 1, 100, 0);
    put_times_record(times, 2000, 1, 100, 0);
    put_times_record(times, 5 * MS, 3, 300, 0);
    put_times_record(times, 11000 * MS, 1, 100, 0);
    put_times_failed(times);
    assert_in_range(put_times_percentile(times, 50, MINUTE), 2000, 2100);
    put_times_print(times, MINUTE, &text);
    assert_memory_equal(text.data, busy, text.len);
    buf_clear(&text);
    put_times_print(times, 2 * MINUTE, &text);
    assert_memory_equal(text.data, quiet, text.len);
    assert_int_equal(put_times_percentile(times, 99, 2 * MINUTE), 0);
    const struct put_totals *totals = put_times_totals(times);
    assert_int_equal(totals->puts, 4);
    assert_int_equal(totals->messages, 6);
    assert_int_equal(totals->bytes, 600);
    assert_int_equal(totals->failed, 1);
    assert_int_equal(totals->max_ns, 11000 * MS);
    buf_fini(&text);
    free(times);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(recent_puts_are_shown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
