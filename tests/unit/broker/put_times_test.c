#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/figures/put_times.h"

#define MS INT64_C(1000000)
#define MINUTE (60000 * MS)

static void record(struct put_times *times, struct puts puts)
{
    put_times_record(times, &puts, 0);
}

/* Goal: totals stay, the distribution is of the last minute or two and has each put. */
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
    record(times, (struct puts){ 2, 3, 300, .elapsed_ns = 2000 });
    record(times, (struct puts){ 1, 3, 300, .elapsed_ns = 5 * MS });
    record(times, (struct puts){ 1, 1, 100, .elapsed_ns = 11000 * MS });
    put_times_failed(times);
    assert_in_range(put_times_percentile(times, 50, MINUTE), 2000, 2100);
    put_times_print(times, MINUTE, &text);
    assert_memory_equal(text.data, busy, text.len);
    buf_clear(&text);
    put_times_print(times, 2 * MINUTE, &text);
    assert_memory_equal(text.data, quiet, text.len);
    assert_int_equal(put_times_percentile(times, 99, 2 * MINUTE), 0);
    const struct put_totals *totals = put_times_totals(times);
    assert_int_equal(totals->messages, 7);
    assert_int_equal(totals->bytes, 700);
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
