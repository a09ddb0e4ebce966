#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/err.h"

/* Goal: each code has a name of its own, and what is no code does not pass for one.
 * Method: all pairs of codes. */
static void every_code_has_its_own_name(void **state)
{
    (void)state;
    assert_string_equal(err_name(0), "ok");
    assert_string_equal(err_name(ERR_DISK_FULL), "disk_full");
    assert_string_equal(err_name(ERR_UNSUPPORTED), "unsupported");
    for (int a = 0; a >= ERR_LAST; a--)
        for (int b = 0; b > a; b--)
            assert_string_not_equal(err_name(a), err_name(b));
    assert_string_equal(err_name(ERR_LAST - 1), "unknown");
    assert_string_equal(err_name(1), "unknown");
}

/* Goal: an errno becomes the code callers act on; one without a code of its own is ERR_IO.
 * Method: one of each kind. */
static void errno_values_become_codes(void **state)
{
    (void)state;
    assert_int_equal(err_from_errno(ENOSPC), ERR_DISK_FULL);
    assert_int_equal(err_from_errno(EDQUOT), ERR_DISK_FULL);
    assert_int_equal(err_from_errno(ENOENT), ERR_NOT_FOUND);
    assert_int_equal(err_from_errno(ENOMEM), ERR_NO_MEMORY);
    assert_int_equal(err_from_errno(ECONNREFUSED), ERR_CLOSED);
    assert_int_equal(err_from_errno(EIO), ERR_IO);
    assert_int_equal(err_from_errno(EXDEV), ERR_IO);
}

/* Goal: the log has errno by its name, whatever the number is. */
static void errno_values_have_names(void **state)
{
    (void)state;
    assert_string_equal(err_errno_name(ENOSPC), "ENOSPC");
    assert_string_equal(err_errno_name(EADDRINUSE), "EADDRINUSE");
    assert_string_equal(err_errno_name(-1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_name),
        cmocka_unit_test(errno_values_become_codes),
        cmocka_unit_test(errno_values_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
