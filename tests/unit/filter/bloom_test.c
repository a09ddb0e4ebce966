#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "filter/bloom.h"

/* Goal: shape and bits are the reference's. Method: what its broker wrote and its settings say. */
static void bits_are_the_references(void **state)
{
    static const struct {
        const char *text;
        int32_t bits[3];
    } cases[] = {
        { "", { 0, 0, 0 } },
        { "a", { 94, 99, 7 } },
        { "g1#shop-orders", { 16, 90, 52 } },
        { "group#topic-with-16", { 47, 33, 2 } },
        { "0123456789abcdef", { 11, 47, 60 } },
        { "0123456789abcdefg", { 27, 71, 85 } },
        { "grün#日本", { 29, 71, 1 } },
        { "GID_consumers_of_many#topic_with_a_rather_long_name_0123456789", { 76, 40, 4 } },
    };
    (void)state;
    struct bloom_shape shape = bloom_shape_of(20, 32);
    assert_int_equal(shape.hash_count, 3);
    assert_int_equal(shape.bit_count, 112);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t bits[BLOOM_HASHES_MAX];
        bloom_bits(shape, slice_str(cases[i].text), bits);
        for (int j = 0; j < 3; j++)
            assert_int_equal(bits[j], cases[i].bits[j]);
    }
}

/* Goal: other settings have the reference's shape too. */
static void shapes_are_the_references(void **state)
{
    static const int cases[][4] = { { 1, 1, 7, 16 },
                                    { 1, 1000, 7, 9592 },
                                    { 50, 7, 1, 16 },
                                    { 99, 1, 1, 8 },
                                    { 10, 128, 4, 616 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bloom_shape shape = bloom_shape_of(cases[i][0], cases[i][1]);
        assert_int_equal(shape.hash_count, cases[i][2]);
        assert_int_equal(shape.bit_count, cases[i][3]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_the_references),
        cmocka_unit_test(shapes_are_the_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
