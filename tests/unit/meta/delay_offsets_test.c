#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "meta/meta.h"
#include "meta/table_dir.h"

/* Goal: the reference's file is read, with and without a version; other levels have none. */
static void reads_the_reference_file(void **state)
{
    struct delay_offsets offsets;
    table_dir_put(*state, "", "{\n\t\"offsetTable\":{3:41,4:7,99:1\n\t}\n}");
    assert_int_equal(delay_offsets_read(*state, &offsets), 0);
    assert_int_equal(offsets.next[3], 41);
    assert_int_equal(offsets.next[4], 7);
    assert_int_equal(offsets.next[1], -1);
}

/* Goal: without a file the caller hears it, and nothing is set. */
static void missing_file_is_told(void **state)
{
    struct delay_offsets offsets = { .next = { [1] = 17 } };
    assert_int_equal(delay_offsets_read(*state, &offsets), ERR_NOT_FOUND);
    assert_int_equal(offsets.next[1], 17);
}

/* Goal: the text is in the reference's form and reads back the same. */
static void text_reads_back(void **state)
{
    struct delay_offsets offsets;
    struct delay_offsets again;
    struct buf text = BUF_INIT;
    for (int level = 0; level <= DELAY_LEVELS_MAX; level++)
        offsets.next[level] = level % 2 == 1 ? level * 10 : -1;
    delay_offsets_text(&offsets, 1754, true, &text);
    table_dir_save(*state, &text);
    assert_non_null(strstr(table_dir_get(*state, ""), "\t\"offsetTable\":{1:10,3:30,5:50,"));
    assert_int_equal(delay_offsets_read(*state, &again), 0);
    assert_memory_equal(&offsets, &again, sizeof offsets);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, table_dir_make, table_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_the_reference_file),
        TEST(missing_file_is_told),
        TEST(text_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
