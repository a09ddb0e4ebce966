#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "meta/meta.h"
#include "meta/table_dir.h"

/* Takes texts that begin with 'v'. */
struct reading {
    char text[64];
    int asked;
};

static bool accept_version(void *ctx, struct slice text)
{
    struct reading *reading = ctx;
    reading->asked++;
    if (text.data[0] != 'v')
        return false;
    snprintf(reading->text, sizeof reading->text, "%.*s", SLICE_FMT(text));
    return true;
}

static int read_version(void *state, struct reading *reading)
{
    *reading = (struct reading){ .text = "" };
    return table_file_read(state, accept_version, reading);
}

static int write_version(void *state, const char *text)
{
    return table_file_write(state, slice_str(text));
}

/* Goal: a write replaces the file and keeps the version before it as .bak.
 * Method: write three versions; look at the files. */
static void write_keeps_the_previous_version(void **state)
{
    assert_int_equal(write_version(*state, "v1"), 0);
    assert_string_equal(table_dir_get(*state, ""), "v1");
    assert_null(table_dir_get(*state, ".bak"));
    assert_int_equal(write_version(*state, "v2"), 0);
    assert_int_equal(write_version(*state, "v3"), 0);
    assert_string_equal(table_dir_get(*state, ""), "v3");
    assert_string_equal(table_dir_get(*state, ".bak"), "v2");
    assert_null(table_dir_get(*state, ".tmp"));
}

/* Goal: wherever a write ends, a whole version can be read: the old one before the new file is in
 * its place, the new one after. The file itself is there at each step.
 * Method: fail at each step in turn; look, read. */
static void write_that_fails_leaves_a_whole_version(void **state)
{
    static const struct {
        const char *step;
        const char *left;
        const char *backup;
    } cases[] = {
        { "table.write", "v2", "v1" },          { "table.sync", "v2", "v1" },
        { "table.exchange", "v2", "v1" },       { "table.rename_to_bak", "v3", "v1" },
        { "table.sync_directory", "v3", "v2" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        assert_int_equal(write_version(*state, "v1"), 0);
        assert_int_equal(write_version(*state, "v2"), 0);
        fault_arm(cases[i].step, 0, 1, ERR_IO);
        assert_int_equal(write_version(*state, "v3"), ERR_IO);
        fault_disarm_all();
        assert_string_equal(table_dir_get(*state, ""), cases[i].left);
        assert_string_equal(table_dir_get(*state, ".bak"), cases[i].backup);
        assert_int_equal(read_version(*state, &reading), 0);
        assert_string_equal(reading.text, cases[i].left);
        assert_int_equal(write_version(*state, "v4"), 0);
        assert_int_equal(read_version(*state, &reading), 0);
        assert_string_equal(reading.text, "v4");
        assert_string_equal(table_dir_get(*state, ".bak"), cases[i].left);
        assert_null(table_dir_get(*state, ".tmp"));
    }
}

/* Goal: where names cannot be exchanged, a whole version is left all the same.
 * Method: as above, on a file system that says so. */
static void without_an_exchange_a_whole_version_is_left(void **state)
{
    static const struct {
        const char *step;
        const char *left;
    } cases[] = {
        { "table.rename_to_bak", "v2" },
        { "table.rename", "v2" },
        { "table.sync_directory", "v3" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        assert_int_equal(write_version(*state, "v1"), 0);
        assert_int_equal(write_version(*state, "v2"), 0);
        fault_arm("table.exchange", 0, 1, ERR_UNSUPPORTED);
        fault_arm(cases[i].step, 0, 1, ERR_IO);
        assert_int_equal(write_version(*state, "v3"), ERR_IO);
        fault_disarm_all();
        assert_int_equal(read_version(*state, &reading), 0);
        assert_string_equal(reading.text, cases[i].left);
        fault_arm("table.exchange", 0, 1, ERR_UNSUPPORTED);
        assert_int_equal(write_version(*state, "v4"), 0);
        fault_disarm_all();
        assert_string_equal(table_dir_get(*state, ""), "v4");
        assert_string_equal(table_dir_get(*state, ".bak"), cases[i].left);
    }
}

/* Goal: a full disk does not keep the bytes of the half-written file. */
static void write_that_fails_removes_the_new_file(void **state)
{
    fault_arm("table.write", 0, 1, ERR_DISK_FULL);
    assert_int_equal(write_version(*state, "v1"), ERR_DISK_FULL);
    assert_null(table_dir_get(*state, ".tmp"));
    assert_null(table_dir_get(*state, ""));
}

/* Goal: a missing, empty or damaged file is read from .bak. */
static void read_falls_back_to_the_backup(void **state)
{
    static const char *const damages[] = { NULL, "", "garbage" };
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct reading reading;
        unlink(*state);
        table_dir_put(*state, ".bak", "v1");
        if (damages[i] != NULL)
            table_dir_put(*state, "", damages[i]);
        assert_int_equal(read_version(*state, &reading), 0);
        assert_string_equal(reading.text, "v1");
    }
}

/* Goal: a damaged file never takes the place of the .bak that stood in for it.
 * Method: read past a damaged file, write, and lose the new file. */
static void damaged_file_never_becomes_the_backup(void **state)
{
    struct reading reading;
    table_dir_put(*state, "", "garbage");
    table_dir_put(*state, ".bak", "v1");
    assert_int_equal(read_version(*state, &reading), 0);
    assert_string_equal(table_dir_get(*state, ".damaged"), "garbage");
    fault_arm("table.rename", 0, 1, ERR_IO); /* nothing is there to exchange the new file with */
    assert_int_equal(write_version(*state, "v2"), ERR_IO);
    assert_int_equal(read_version(*state, &reading), 0);
    assert_string_equal(reading.text, "v1");
}

/* Goal: what is read stays through a loss of power, also when its writer was killed before it had
 * synced the name. Method: a disk that does not sync the directory. */
static void read_is_on_the_disk(void **state)
{
    struct reading reading;
    assert_int_equal(write_version(*state, "v1"), 0);
    fault_arm("table.sync_directory", 0, 1, ERR_IO);
    assert_int_equal(read_version(*state, &reading), ERR_IO);
    fault_disarm_all();
    assert_int_equal(read_version(*state, &reading), 0);
    assert_string_equal(reading.text, "v1");
}

/* Goal: nothing there is told apart from nothing readable there, and the latter is left alone. */
static void read_tells_missing_from_damaged(void **state)
{
    struct reading reading;
    assert_int_equal(read_version(*state, &reading), ERR_NOT_FOUND);
    table_dir_put(*state, "", "");
    assert_int_equal(read_version(*state, &reading), ERR_NOT_FOUND);
    assert_int_equal(reading.asked, 0);
    table_dir_put(*state, "", "garbage");
    assert_int_equal(read_version(*state, &reading), ERR_CORRUPT);
    table_dir_put(*state, ".bak", "rubbish");
    assert_int_equal(read_version(*state, &reading), ERR_CORRUPT);
    assert_string_equal(table_dir_get(*state, ""), "garbage");
    assert_string_equal(table_dir_get(*state, ".bak"), "rubbish");
}

/* Goal: a write makes the directories it needs. */
static void write_makes_directories(void **state)
{
    char path[256];
    char directory[256];
    snprintf(path, sizeof path, "%s.d/deep/table.json", (const char *)*state);
    assert_int_equal(table_file_write(path, SLICE("v1")), 0);
    assert_int_equal(access(path, R_OK), 0);
    unlink(path);
    snprintf(path, sizeof path, "%s.d/deep/table.json.sum", (const char *)*state);
    unlink(path);
    snprintf(directory, sizeof directory, "%s.d/deep", (const char *)*state);
    assert_int_equal(rmdir(directory), 0);
    snprintf(directory, sizeof directory, "%s.d", (const char *)*state);
    assert_int_equal(rmdir(directory), 0);
}

/* Changes the file and leaves when it was last modified as it was: what rot does. */
static void rot(void *state, const char *suffix, const char *text)
{
    struct stat st;
    assert_int_equal(stat(table_dir_path(state, suffix), &st), 0);
    table_dir_put(state, suffix, text);
    const struct timespec times[2] = { st.st_mtim, st.st_mtim };
    assert_int_equal(utimensat(AT_FDCWD, table_dir_path(state, suffix), times, 0), 0);
}

/* Goal: a file that is still a table, but not the one that was written, is read from .bak. */
static void rot_is_noticed_in_what_still_reads(void **state)
{
    struct reading reading;
    assert_int_equal(write_version(*state, "v1"), 0);
    assert_int_equal(write_version(*state, "v2"), 0);
    rot(*state, "", "v3");
    assert_int_equal(read_version(*state, &reading), 0);
    assert_string_equal(reading.text, "v1");
    assert_string_equal(table_dir_get(*state, ".damaged"), "v3");
    rot(*state, ".bak", "v0");
    assert_int_equal(read_version(*state, &reading), ERR_CORRUPT);
    assert_string_equal(table_dir_get(*state, ".bak"), "v0");
}

/* Goal: what somebody else wrote - the reference, an editor - is taken as it is, and so is
 * everything when the sums are damaged or gone. */
static void what_others_write_is_believed(void **state)
{
    struct reading reading;
    assert_int_equal(write_version(*state, "v1"), 0);
    const struct timespec later[2] = { { .tv_sec = 2000000000, .tv_nsec = 1 },
                                       { .tv_sec = 2000000000, .tv_nsec = 1 } };
    table_dir_put(*state, "", "v7");
    assert_int_equal(utimensat(AT_FDCWD, *state, later, 0), 0);
    assert_int_equal(read_version(*state, &reading), 0);
    assert_string_equal(reading.text, "v7");
    assert_int_equal(write_version(*state, "v8"), 0);
    table_dir_put(*state, ".sum", "1 2 3\ncheck 4\n");
    rot(*state, "", "v9");
    assert_int_equal(read_version(*state, &reading), 0);
    assert_string_equal(reading.text, "v9");
}

/* Goal: a table that was there and is gone is no empty table. */
static void a_lost_table_is_refused(void **state)
{
    struct reading reading;
    assert_int_equal(write_version(*state, "v1"), 0);
    unlink(*state);
    assert_int_equal(read_version(*state, &reading), ERR_CORRUPT);
    unlink(table_dir_path(*state, ".sum"));
    assert_int_equal(read_version(*state, &reading), ERR_NOT_FOUND);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, table_dir_make, table_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(write_keeps_the_previous_version),
        TEST(write_that_fails_leaves_a_whole_version),
        TEST(without_an_exchange_a_whole_version_is_left),
        TEST(write_that_fails_removes_the_new_file),
        TEST(read_falls_back_to_the_backup),
        TEST(damaged_file_never_becomes_the_backup),
        TEST(read_is_on_the_disk),
        TEST(read_tells_missing_from_damaged),
        TEST(write_makes_directories),
        TEST(rot_is_noticed_in_what_still_reads),
        TEST(what_others_write_is_believed),
        TEST(a_lost_table_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
