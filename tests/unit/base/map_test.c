#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"

enum { NAMES = 2000 };

/* A value that tells its number by its address. */
static char values[NAMES + 1];

static struct slice name_of(int number, char text[32])
{
    snprintf(text, 32, "topic-%d", number);
    return slice_str(text);
}

/* Goal: the map says what a plain table would, through growth, replacement and removal.
 * Method: a long pseudo-random run of puts and removes beside an array; compared as a whole. */
static void it_agrees_with_a_plain_table(void **state)
{
    (void)state;
    struct map map;
    map_init(&map);
    void *expected[NAMES] = { NULL };
    uint32_t random = 1;
    char text[32];
    for (int step = 0; step < 50000; step++) {
        random = random * 1664525 + 1013904223;
        int number = (int)(random >> 8) % NAMES;
        void *value = &values[(random >> 20) % NAMES];
        struct slice name = name_of(number, text);
        if (random >> 31) {
            assert_ptr_equal(map_put(&map, name, value), expected[number]);
            expected[number] = value;
        } else {
            assert_ptr_equal(map_remove(&map, name), expected[number]);
            expected[number] = NULL;
        }
    }
    size_t count = 0;
    for (int i = 0; i < NAMES; i++) {
        assert_ptr_equal(map_get(&map, name_of(i, text)), expected[i]);
        count += expected[i] != NULL;
    }
    assert_int_equal(map.count, count);
    map_fini(&map);
}

/* Goal: a walk gives the order of insertion, and removes as it goes without missing anything.
 * Method: a hundred names; every second is removed in the walk; walk again. */
static void a_walk_is_in_order_and_may_remove(void **state)
{
    (void)state;
    struct map map;
    map_init(&map);
    char text[32];
    for (int i = 0; i < 100; i++)
        map_put(&map, name_of(i, text), &values[i]);
    size_t cursor = 0;
    struct slice key;
    void *value;
    for (int i = 0; map_next(&map, &cursor, &key, &value); i++) {
        assert_ptr_equal(value, &values[i]);
        assert_true(slice_eq(key, name_of(i, text)));
        if (i % 2 == 0)
            assert_ptr_equal(map_remove(&map, name_of(i, text)), value);
    }
    assert_int_equal(map.count, 50);
    cursor = 0;
    for (int i = 1; map_next(&map, &cursor, &key, &value); i += 2)
        assert_ptr_equal(value, &values[i]);
    map_fini(&map);
}

/* Goal: keys are bytes: empty ones, ones with zeros, and integers all differ.
 * Method: three such keys. An empty map answers too. */
static void keys_are_bytes(void **state)
{
    (void)state;
    struct map map;
    map_init(&map);
    assert_null(map_get(&map, SLICE("x")));
    assert_null(map_remove(&map, SLICE("x")));
    uint64_t number = 0;
    map_put(&map, SLICE(""), &values[0]);
    map_put(&map, slice_of("\0", 1), &values[1]);
    map_put(&map, map_key_u64(&number), &values[2]);
    assert_ptr_equal(map_get(&map, slice_of(NULL, 0)), &values[0]);
    assert_ptr_equal(map_get(&map, slice_of("\0", 1)), &values[1]);
    assert_ptr_equal(map_get(&map, map_key_u64(&number)), &values[2]);
    map_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_a_plain_table),
        cmocka_unit_test(a_walk_is_in_order_and_may_remove),
        cmocka_unit_test(keys_are_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
