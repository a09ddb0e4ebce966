/* disk_test.c - small files that are replaced as a whole. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fault.h"
#include "store/disk.h"
#include "store_dir.h"

static void expect_text(const char *path, const char *text)
{
    char found[64] = "";
    int64_t bytes;
    int fd;
    assert_int_equal(disk_size(path, &bytes), 0);
    assert_int_equal(bytes, strlen(text));
    assert_int_equal(disk_open(path, 0, &fd), 0);
    assert_int_equal(disk_read(fd, path, found, (size_t)bytes, 0, true), 0);
    disk_close(fd);
    assert_string_equal(found, text);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs(text, file) < 0, 0);
    assert_int_equal(fclose(file), 0);
}

/* Goal: the file is the new text and nothing else, whatever an earlier try left behind. */
static void a_file_is_replaced_as_a_whole(void **state)
{
    (void)state;
    struct store_dir *dir = store_dir_new();
    char path[256];
    char temporary[256];
    store_dir_file_path(dir, "small", path);
    store_dir_file_path(dir, "small.tmp", temporary);
    assert_int_equal(disk_replace(path, SLICE("first")), 0);
    expect_text(path, "first");
    write_text(temporary, "a longer text of a process that died");
    assert_int_equal(disk_replace(path, SLICE("2nd")), 0);
    expect_text(path, "2nd");
    assert_false(disk_exists(temporary));
    store_dir_remove(dir);
}

/* Goal: when a step fails the file is what it was. Method: the fault points of sync and rename. */
static void a_failure_leaves_the_file_as_it_was(void **state)
{
    (void)state;
    static const char *const steps[] = { "disk.sync", "disk.rename" };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct store_dir *dir = store_dir_new();
        char path[256];
        store_dir_file_path(dir, "small", path);
        assert_int_equal(disk_replace(path, SLICE("first")), 0);
        fault_arm(steps[i], 0, 1, ERR_IO);
        assert_int_equal(disk_replace(path, SLICE("second")), ERR_IO);
        fault_disarm_all();
        expect_text(path, "first");
        assert_int_equal(disk_replace(path, SLICE("third")), 0);
        expect_text(path, "third");
        store_dir_remove(dir);
    }
}

/* Goal: nobody reads holes, and what was written is found, wherever it stands. A file system that
 * does not know answers with the place asked for, which is right, too. */
static void what_was_written_is_found_behind_a_hole(void **state)
{
    (void)state;
    enum { FILE_BYTES = 1 << 20, WRITTEN_AT = 700000 };
    struct store_dir *dir = store_dir_new();
    char path[256];
    int fd;
    store_dir_file_path(dir, "sparse", path);
    assert_int_equal(disk_open(path, FILE_BYTES, &fd), 0);
    int64_t found = disk_next_data(fd, 0);
    assert_true(found == -1 || found == 0);
    assert_int_equal(disk_write(fd, path, "x", 1, WRITTEN_AT), 0);
    found = disk_next_data(fd, 0);
    assert_true(found >= 0 && found <= WRITTEN_AT);
    assert_int_equal(disk_next_data(fd, WRITTEN_AT), WRITTEN_AT);
    disk_close(fd);
    store_dir_remove(dir);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_as_a_whole),
        cmocka_unit_test(a_failure_leaves_the_file_as_it_was),
        cmocka_unit_test(what_was_written_is_found_behind_a_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
