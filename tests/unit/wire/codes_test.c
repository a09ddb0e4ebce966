#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "wire/codes.h"

/* Goal: a log names a request as the field does, and never nothing.
 * Method: the first row, one above 16 bits, Ramjet's own; a number of no row, and one below all. */
static void a_request_has_the_name_of_the_field(void **state)
{
    (void)state;
    assert_string_equal(request_code_name(REQ_SEND_MESSAGE), "SEND_MESSAGE");
    assert_string_equal(request_code_name(200050), "POP_MESSAGE");
    assert_string_equal(request_code_name(90001), "GET_SLOW_REQUESTS");
    assert_string_equal(request_code_name(9999), "unknown");
    assert_string_equal(request_code_name(-1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_has_the_name_of_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
