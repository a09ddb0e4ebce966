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
 * Method: wait by the clock, longer each time, until there was a sample; in so many ms there are at
 * most as many. */
static void probe_samples_while_it_runs(void **state)
{
    (void)state;
    struct stall_probe probe;
    struct histogram *lateness = calloc(1, sizeof *lateness);
    int64_t elapsed_ns = 0;
    for (int64_t wait_ns = 20000000; lateness->count == 0; wait_ns *= 2) {
        int64_t start_ns = clock_monotonic_ns();
        assert_int_equal(stall_probe_start(&probe, lateness), 0);
        while (clock_monotonic_ns() - start_ns < wait_ns)
            sched_yield();
        stall_probe_stop(&probe);
        elapsed_ns = clock_monotonic_ns() - start_ns;
    }
    assert_true(lateness->count <= (uint64_t)elapsed_ns / 1000000);
    assert_true(lateness->max_ns <= elapsed_ns);
    free(lateness);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(probe_samples_while_it_runs) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
