#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/ticks.h"

/* Goal: a tick has the length that the monotonic clock says.
 * Method: the same interval by both, the ticks read inside: not longer, and not shorter by more
 * than what lies between the readings may take on a busy machine, in the best of many tries. */
static void ticks_agree_with_the_clock(void **state)
{
    (void)state;
    ticks_init();
    double best = 0;
    for (int try = 0; try < 50 && best < 0.99; try++) {
        int64_t outer_start_ns = clock_monotonic_ns();
        uint64_t start = ticks_now(), now;
        do
            now = ticks_now();
        while (ticks_to_ns(now, start) < 1000000);
        int64_t outer_ns = clock_monotonic_ns() - outer_start_ns;
        double part = (double)ticks_to_ns(now, start) / (double)outer_ns;
        assert_true(part < 1.01);
        if (part > best)
            best = part;
    }
    assert_true(best > 0.9);
}

static void time_does_not_go_back(void **state)
{
    (void)state;
    ticks_init();
    uint64_t now = ticks_now();
    assert_int_equal(ticks_to_ns(now, now), 0);
    assert_int_equal(ticks_to_ns(now, now + 1000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_agree_with_the_clock),
        cmocka_unit_test(time_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
