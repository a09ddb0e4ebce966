#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/java_hash.h"

/* Goal: hashes equal those of Java's strings.
 * Method: known values; characters outside ASCII and outside the first plane count as UTF-16 units.
 */
static void hashes_are_those_of_java(void **state)
{
    (void)state;
    assert_int_equal(java_hash(SLICE("")), 0);
    assert_int_equal(java_hash(SLICE("red")), 112785);
    assert_int_equal(java_hash(SLICE("polygenelubricants")), INT32_MIN);
    assert_int_equal(java_hash(SLICE("\xC3\xA9")), 0xE9);
    assert_int_equal(java_hash(SLICE("\xF0\x9F\x98\x80")), 0xD83D * 31 + 0xDE00);
    assert_int_equal(java_hash(SLICE("\xFF")), 0xFFFD);
    assert_int_equal(java_length(SLICE("a\xC3\xA9\xF0\x9F\x98\x80")), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hashes_are_those_of_java) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
