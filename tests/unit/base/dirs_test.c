#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dirs.h"

static int enter(void **state)
{
    (void)state;
    static char root[] = "/tmp/ramjet-dirs-XXXXXX";
    return mkdtemp(root) == NULL || chdir(root) != 0;
}

static int leave(void **state)
{
    (void)state;
    char root[64];
    unlink("file");
    return rmdir("a/b/c") != 0 || rmdir("a/b") != 0 || rmdir("a") != 0 ||
           getcwd(root, sizeof root) == NULL || chdir("/") != 0 || rmdir(root) != 0;
}

/* Goal: a directory is there with all above it, also when some or all of them were.
 * Method: a relative path, a longer one, an absolute one; a file in the way. */
static void what_is_missing_is_made(void **state)
{
    (void)state;
    char absolute[128];
    assert_int_equal(dirs_make("a/b"), 0);
    assert_int_equal(dirs_make("a/b/c"), 0);
    assert_int_equal(dirs_make("a/b/c"), 0);
    assert_int_equal(access("a/b/c", X_OK), 0);
    assert_int_equal(rmdir("a/b/c"), 0);
    assert_int_equal(rmdir("a/b"), 0);
    assert_non_null(getcwd(absolute, 64));
    snprintf(absolute + strlen(absolute), 64, "/a/b/c");
    assert_int_equal(dirs_make(absolute), 0);
    assert_int_equal(access("a/b/c", X_OK), 0);
    close(open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    assert_int_equal(dirs_make("file/below/it"), ENOTDIR);
}

/* Goal: a directory that is not there cannot be synced, and the caller learns why. */
static void what_is_not_there_is_not_synced(void **state)
{
    (void)state;
    assert_int_equal(dirs_sync("a/b"), 0);
    assert_int_equal(dirs_sync("nothing"), ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_made),
        cmocka_unit_test(what_is_not_there_is_not_synced),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
