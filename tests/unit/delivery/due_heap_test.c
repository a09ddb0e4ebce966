#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery/due_heap.h"

enum { COUNT = 500 };

/* Goal: what is due first is first, whatever was moved and removed before.
 * Method: random sets and removals, compared with a search through all. */
static void the_first_is_due_first(void **state)
{
    (void)state;
    static struct due dues[COUNT];
    struct due_heap heap = { 0 };
    srandom(7);
    for (int step = 0; step < 20000; step++) {
        struct due *due = &dues[random() % COUNT];
        if (random() % 3 == 0)
            due_heap_remove(&heap, due);
        else
            due_heap_set(&heap, due, random() % 1000);
        int64_t least = INT64_MAX;
        uint32_t count = 0;
        for (int i = 0; i < COUNT; i++) {
            count += dues[i].place != 0 ? 1 : 0;
            if (dues[i].place != 0 && dues[i].at_ms < least)
                least = dues[i].at_ms;
        }
        assert_int_equal(heap.count, count);
        if (count > 0)
            assert_int_equal(due_heap_first(&heap)->at_ms, least);
        else
            assert_null(due_heap_first(&heap));
    }
    while (due_heap_first(&heap) != NULL)
        due_heap_remove(&heap, due_heap_first(&heap));
    due_heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_first_is_due_first) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
