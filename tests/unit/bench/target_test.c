#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>

#include "bench/target.h"

static void named_values_are_split(void **state)
{
    (void)state;
    char name[5];
    assert_string_equal(target_named_value("java=127.0.0.1:1", name, sizeof name), "127.0.0.1:1");
    assert_string_equal(name, "java");
    assert_string_equal(target_named_value("longer=x", name, sizeof name), "x");
    assert_string_equal(name, "long");
    assert_string_equal(target_named_value("127.0.0.1:1", name, sizeof name), "127.0.0.1:1");
    assert_string_equal(name, "");
}

static void addresses_are_resolved(void **state)
{
    (void)state;
    struct sockaddr_in address;
    assert_int_equal(target_address("127.0.0.2:10911", &address), 0);
    assert_int_equal(ntohs(address.sin_port), 10911);
    assert_int_equal(ntohl(address.sin_addr.s_addr), 0x7F000002);
    assert_int_equal(target_address("10911", &address), ERR_INVALID);
    assert_int_equal(target_address(":10911", &address), ERR_INVALID);
    assert_int_equal(target_address("127.0.0.1:", &address), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_values_are_split),
        cmocka_unit_test(addresses_are_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
