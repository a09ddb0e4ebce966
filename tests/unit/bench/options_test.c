#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>

#include "bench/options.h"

struct values {
    int count;
    bool loud;
    char *name;
};
static const struct conf_row rows[] = {
    CONF_INT(struct values, count, "count", 3, 1, 10, CONF_AT_START, "how many"),
    CONF_BOOL(struct values, loud, "loud", false, CONF_AT_START, "say so"),
    CONF_STRING(struct values, name, "name", "none", CONF_AT_START, "what it is called"),
};
static const struct conf_table table = { rows, 3 };

static int taken;

static int take(void *ctx, const char *value)
{
    taken += *(int *)ctx;
    return strcmp(value, "bad") == 0 ? ERR_INVALID : 0;
}

static enum options_outcome parse(struct values *values, int argc, const char *const *argv)
{
    static const struct repeated_option repeated[] = { { "with", "THING", "with this", take } };
    int step = 1;
    const struct options options = { "test", "A test.", &table, values, repeated, 1, &step };
    char *copy[16];
    taken = 0;
    for (int i = 0; i < argc; i++)
        copy[i] = (char *)(uintptr_t)argv[i];
    return options_parse(&options, argc, copy);
}
#define PARSE(values, ...)                                                                         \
    parse(values, sizeof((const char *[]){ "test", __VA_ARGS__ }) / sizeof(char *),                \
          (const char *[]){ "test", __VA_ARGS__ })

static void values_and_defaults_are_set(void **state)
{
    (void)state;
    struct values v;
    assert_int_equal(PARSE(&v, "--count", "7", "--with", "a", "--loud", "--with", "b"),
                     OPTIONS_RUN);
    assert_int_equal(v.count, 7);
    assert_true(v.loud);
    assert_string_equal(v.name, "none");
    assert_int_equal(taken, 2);
    conf_fini(&table, &v);
}

/* Goal: what is not understood is refused, never passed over. */
static void wrong_lines_are_refused(void **state)
{
    (void)state;
    struct values v;
    assert_int_equal(PARSE(&v, "--count", "11"), OPTIONS_WRONG);
    conf_fini(&table, &v);
    assert_int_equal(PARSE(&v, "--count", "many"), OPTIONS_WRONG);
    conf_fini(&table, &v);
    assert_int_equal(PARSE(&v, "--count"), OPTIONS_WRONG);
    conf_fini(&table, &v);
    assert_int_equal(PARSE(&v, "count", "3"), OPTIONS_WRONG);
    conf_fini(&table, &v);
    assert_int_equal(PARSE(&v, "--cuont", "3"), OPTIONS_WRONG);
    conf_fini(&table, &v);
    assert_int_equal(PARSE(&v, "--with", "bad"), OPTIONS_WRONG);
    conf_fini(&table, &v);
}

static void named_values_are_split(void **state)
{
    (void)state;
    char name[5];
    assert_string_equal(option_named_value("java=127.0.0.1:1", name, sizeof name), "127.0.0.1:1");
    assert_string_equal(name, "java");
    assert_string_equal(option_named_value("longer=x", name, sizeof name), "x");
    assert_string_equal(name, "long");
    assert_string_equal(option_named_value("127.0.0.1:1", name, sizeof name), "127.0.0.1:1");
    assert_string_equal(name, "");
}

static void addresses_are_resolved(void **state)
{
    (void)state;
    struct sockaddr_in address;
    assert_int_equal(option_address("127.0.0.2:10911", &address), 0);
    assert_int_equal(ntohs(address.sin_port), 10911);
    assert_int_equal(ntohl(address.sin_addr.s_addr), 0x7F000002);
    assert_int_equal(option_address("10911", &address), ERR_INVALID);
    assert_int_equal(option_address(":10911", &address), ERR_INVALID);
    assert_int_equal(option_address("127.0.0.1:", &address), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_defaults_are_set),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(named_values_are_split),
        cmocka_unit_test(addresses_are_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
