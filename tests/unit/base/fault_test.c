#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"

/* Goal: an armed point fails exactly the passes it was told to, and no other point does.
 * Method: skip two, fail two; count by hand. */
static void a_point_fails_the_passes_it_was_armed_for(void **state)
{
    (void)state;
    assert_int_equal(fault_check("here"), 0);
    fault_arm("here", 2, 2, ERR_IO);
    static const int expected[] = { 0, 0, ERR_IO, ERR_IO, 0 };
    for (int i = 0; i < 5; i++) {
        assert_int_equal(fault_check("elsewhere"), 0);
        assert_int_equal(fault_check("here"), expected[i]);
    }
    fault_arm("here", 0, 1, ERR_DISK_FULL);
    fault_disarm_all();
    assert_int_equal(fault_check("here"), 0);
}

/* Goal: a pausing point fails nothing, takes its time as often as it was told, and what is measured
 * at a point is what it was armed with last. */
static void points_pause_and_measure(void **state)
{
    (void)state;
    assert_int_equal(fault_value("delay", 5), 5);
    fault_arm_value("delay", 100);
    fault_arm_pause("here", 0, 1, 20);
    assert_int_equal(fault_value("delay", 5), 100);
    assert_int_equal(fault_value("other", 5), 5);
    fault_arm_value("delay", 200);
    assert_int_equal(fault_value("delay", 5), 200);
    assert_int_equal(atomic_load(&fault_armed), 2);
    int64_t start_ns = clock_monotonic_ns();
    assert_int_equal(fault_check("here"), 0);
    assert_true(clock_monotonic_ns() - start_ns >= 20000000);
    fault_disarm_all();
    assert_int_equal(fault_value("delay", 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_fails_the_passes_it_was_armed_for),
        cmocka_unit_test(points_pause_and_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
