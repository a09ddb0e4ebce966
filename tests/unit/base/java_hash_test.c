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
}

/* Goal: a text may be hashed piece by piece.
 * Method: cut at every place, also within the words that are taken at once and next to characters
 * outside ASCII, each as a hash by itself says.
 */
static void pieces_hash_as_the_whole(void **state)
{
    (void)state;
    static const char *const texts[] = { "topic#7F0000010000BBBB", "abc\xC3\xA9wxyz12345" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct slice text = slice_str(texts[i]);
        for (size_t cut = 0; cut <= text.len; cut++) {
            if (cut < text.len && (text.data[cut] & 0xC0) == 0x80)
                continue; /* within a character */
            int32_t before = java_hash(slice_of(text.data, cut));
            assert_int_equal(java_hash_on(before, slice_from(text, cut)), java_hash(text));
        }
    }
    uint32_t hash = 0;
    for (size_t i = 0; i < strlen(texts[0]); i++)
        hash = hash * 31 + (uint8_t)texts[0][i];
    assert_int_equal(java_hash(slice_str(texts[0])), (int32_t)hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_java),
        cmocka_unit_test(pieces_hash_as_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
