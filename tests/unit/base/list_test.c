#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/list.h"

struct element {
    int number;
    struct list link;
};

static int sum_of(struct list *list)
{
    int sum = 0;
    list_each(link, list)
        sum = sum * 10 + list_entry(link, struct element, link)->number;
    return sum;
}

/* Goal: elements come in the order they were appended, the one at hand may be removed while
 * walking, and removing what is in no list is harmless. Method: three elements; the middle one is
 * removed in the walk, then once more. */
static void elements_are_walked_in_order_and_removed(void **state)
{
    (void)state;
    struct list list;
    list_init(&list);
    assert_true(list_empty(&list));
    struct element elements[3];
    for (int i = 0; i < 3; i++) {
        elements[i].number = i + 1;
        list_append(&list, &elements[i].link);
    }
    assert_int_equal(sum_of(&list), 123);
    list_each(link, &list)
        if (list_entry(link, struct element, link)->number == 2)
            list_remove(link);
    assert_int_equal(sum_of(&list), 13);
    list_remove(&elements[1].link);
    list_append(&list, &elements[1].link);
    assert_int_equal(sum_of(&list), 132);
    for (int i = 0; i < 3; i++)
        list_remove(&elements[i].link);
    assert_true(list_empty(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        elements_are_walked_in_order_and_removed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
