#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/client.h"

static void assert_share(int total, int members, int index, int want_first, int want_count)
{
    int first, count;
    allocate_average(total, members, index, &first, &count);
    assert_int_equal(first, want_first);
    assert_int_equal(count, want_count);
}

/* Goal: the shares are those that the reference's AVG strategy gives.
 * Method: 8 queues over 3 members, and over more members than queues. */
static void shares_are_those_of_the_reference(void **state)
{
    (void)state;
    assert_share(8, 3, 0, 0, 3);
    assert_share(8, 3, 1, 3, 3);
    assert_share(8, 3, 2, 6, 2);
    assert_share(2, 3, 1, 1, 1);
    assert_share(2, 3, 2, 2, 0);
    assert_share(0, 1, 0, 0, 0);
}

/* Goal: every queue has exactly one reader, whatever the numbers.
 * Method: all sizes up to 20 by 20; the shares must lie end to end. */
static void every_queue_is_dealt_once(void **state)
{
    (void)state;
    for (int total = 0; total <= 20; total++)
        for (int members = 1; members <= 20; members++) {
            int end = 0;
            for (int index = 0; index < members; index++) {
                int first, count;
                allocate_average(total, members, index, &first, &count);
                assert_int_equal(first, end);
                end = first + count;
            }
            assert_int_equal(end, total);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_those_of_the_reference),
        cmocka_unit_test(every_queue_is_dealt_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
