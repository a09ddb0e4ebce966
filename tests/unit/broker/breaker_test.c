#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/guard/breaker.h"

#define MS INT64_C(1000000)
#define LIMIT (100 * MS)

/* Goal: it opens at the limit, takes nothing while open, and one send at a time when half open;
 * what was flushed meanwhile closes it. */
static void it_opens_half_opens_and_closes(void **state)
{
    (void)state;
    struct breaker b = { .state = BREAKER_CLOSED };
    assert_false(breaker_measure(&b, LIMIT - 1, 1000, LIMIT));
    assert_true(breaker_admits(&b, LIMIT - 1));
    assert_true(breaker_measure(&b, LIMIT, 1000, LIMIT));
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(breaker_admits(&b, LIMIT));
    assert_true(breaker_measure(&b, 0, 1000, LIMIT));
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    assert_true(breaker_admits(&b, 0));
    assert_false(breaker_admits(&b, 1)); /* the probe waits: nobody else */
    assert_false(breaker_measure(&b, 1, 1000, LIMIT));
    assert_true(breaker_measure(&b, 0, 1001, LIMIT));
    assert_int_equal(b.state, BREAKER_CLOSED);
}

/* Goal: a probe that waits too long opens it again, and what the sync before it wrote does not
 * count for the next one. */
static void a_late_probe_opens_it_again(void **state)
{
    (void)state;
    struct breaker b = { .state = BREAKER_CLOSED };
    assert_true(breaker_measure(&b, LIMIT, 10, LIMIT));
    assert_true(breaker_measure(&b, 0, 20, LIMIT));
    assert_true(breaker_measure(&b, LIMIT, 20, LIMIT));
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_true(breaker_measure(&b, 0, 30, LIMIT));
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    assert_false(breaker_measure(&b, 0, 30, LIMIT));
    assert_true(breaker_measure(&b, 0, 31, LIMIT));
    assert_int_equal(b.state, BREAKER_CLOSED);
}

/* Goal: a limit of 0 turns it off, from whatever state. */
static void a_limit_of_0_closes_it(void **state)
{
    (void)state;
    struct breaker b = { .state = BREAKER_OPEN };
    assert_true(breaker_measure(&b, 1000 * LIMIT, 0, 0));
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_true(breaker_admits(&b, 1000 * LIMIT));
}

/* Goal: time in which the process stood still is none that the disk took.
 * Method: looks that come in time count all of the wait; one that is late by a quarter of the limit
 * begins it anew, until that is over the limit as well. */
static void a_stop_of_the_process_is_no_wait(void **state)
{
    (void)state;
    struct breaker b = { .state = BREAKER_CLOSED };
    int64_t now = 1000 * LIMIT;
    assert_int_equal(breaker_wait(&b, LIMIT, now, now - MS, LIMIT), LIMIT);
    assert_int_equal(breaker_wait(&b, LIMIT, now, 0, LIMIT), LIMIT);
    assert_int_equal(breaker_wait(&b, 30 * LIMIT, now, now - LIMIT / 4, LIMIT), 0);
    assert_int_equal(breaker_wait(&b, 30 * LIMIT + MS, now + MS, now + MS, LIMIT), MS);
    assert_int_equal(breaker_wait(&b, 32 * LIMIT, now + 2 * LIMIT, 0, LIMIT), 2 * LIMIT);
    assert_int_equal(breaker_wait(&b, 0, now + 2 * LIMIT, 0, LIMIT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_half_opens_and_closes),
        cmocka_unit_test(a_late_probe_opens_it_again),
        cmocka_unit_test(a_limit_of_0_closes_it),
        cmocka_unit_test(a_stop_of_the_process_is_no_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
