#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sched.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/stall.h"

/* Goal: the probe samples as long as it runs, and no more behind its end.
 * Method: wait for a few samples by the clock: in 20 ms there are at most 20 and at least one. */
static void probe_samples_while_it_runs(void **state)
{
    (void)state;
    struct stall_probe probe;
    struct histogram *lateness = calloc(1, sizeof *lateness);
    int64_t start_ns = clock_monotonic_ns();
    assert_int_equal(stall_probe_start(&probe, lateness), 0);
    while (clock_monotonic_ns() - start_ns < 20000000)
        sched_yield();
    stall_probe_stop(&probe);
    int64_t elapsed_ns = clock_monotonic_ns() - start_ns;
    assert_in_range(lateness->count, 1, elapsed_ns / 1000000);
    assert_true(lateness->max_ns <= elapsed_ns);
    free(lateness);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(probe_samples_while_it_runs) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
