#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/crc.h"

/* Goal: the CRC is zlib's, also when fed in pieces, and its 31-bit form is masked.
 * Method: the check value every CRC-32 publishes ("123456789"), whole and cut at each place. */
static void it_is_the_usual_crc32(void **state)
{
    (void)state;
    struct slice whole = SLICE("123456789");
    assert_int_equal(crc32_update(0, whole), 0xCBF43926);
    for (size_t cut = 0; cut <= whole.len; cut++) {
        uint32_t crc = crc32_update(0, slice_of(whole.data, cut));
        assert_int_equal(crc32_update(crc, slice_from(whole, cut)), 0xCBF43926);
    }
    assert_int_equal(crc31(whole), 0x4BF43926);
    assert_int_equal(crc31(SLICE("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(it_is_the_usual_crc32) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
