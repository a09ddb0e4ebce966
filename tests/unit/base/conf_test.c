#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"

struct values {
    bool recover;
    int port;
    int64_t file_bytes;
    char *name;
    char *rates;
};

static const struct conf_row rows[] = {
    CONF_BOOL(struct values, recover, "recoverFast", true, CONF_AT_RUN_TIME, "recover fast"),
    CONF_INT(struct values, port, "listenPort", 10911, 1, 65535, CONF_AT_START, "port"),
    CONF_I64(struct values, file_bytes, "fileBytes", 1073741824, 4096, INT64_MAX, CONF_AT_RUN_TIME,
             "bytes"),
    CONF_STRING(struct values, name, "brokerName", "broker-a", CONF_AT_RUN_TIME, "name"),
    CONF_NUMBERS(struct values, rates, "rates", 0, 100, CONF_AT_RUN_TIME, "rates"),
    CONF_KNOWN("lockInStrictMode", "false", "there is nothing to lock"),
    CONF_REFUSED("aclEnable", "false", "the broker would be open to everyone"),
};
static const struct conf_table table = { rows, sizeof rows / sizeof rows[0] };

struct fixture {
    struct values values;
    struct buf said;
    char path[32];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    conf_init(&table, &f->values);
    strcpy(f->path, "/tmp/conf_test_XXXXXX");
    int fd = mkstemp(f->path);
    *state = f;
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    conf_fini(&table, &f->values);
    buf_fini(&f->said);
    free(f);
    return 0;
}

static int read_file(struct fixture *f, const char *text)
{
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return conf_read_file(&table, &f->values, f->path, &f->said);
}

static bool said(struct fixture *f, const char *part)
{
    buf_append_u8(&f->said, 0);
    f->said.len--;
    return strstr((const char *)f->said.data, part) != NULL;
}

/* Goal: a properties file is read as its format says.
 * Method: comments, both separators, blanks, a continued line, escapes, CRLF, no newline at the
 * end. */
static void a_file_is_read_over_the_defaults(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->values.port, 10911);
    assert_int_equal(read_file(f,
                               "# comment \\\n! another = 1\n\n  listenPort : 9999 \r\n"
                               "brokerName = a\\\n    b\\u00e9\\tc\\=d\nrecover\\\n  Fast false\n"
                               "fileBytes=8192"),
                     0);
    assert_int_equal(f->said.len, 0);
    assert_int_equal(f->values.port, 9999);
    assert_string_equal(f->values.name, "ab\xc3\xa9\tc=d");
    assert_false(f->values.recover);
    assert_int_equal(f->values.file_bytes, 8192);
}

/* Goal: an unknown key is a warning that names the nearest one, a known one without support says
 * so, and both leave the file readable. Method: a key with two letters exchanged, one like no
 * other, one that is only known. */
static void unknown_keys_are_warnings(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_file(f, "listenProt=1\nqqqqqqqqqqqq=1\n\nlockInStrictMode=true\n"), 0);
    assert_true(said(f, ":1: unknown key \"listenProt\"; did you mean \"listenPort\"?\n"));
    assert_true(said(f, ":2: unknown key \"qqqqqqqqqqqq\"\n"));
    assert_true(said(f, ":4: key \"lockInStrictMode\" has no effect: there is nothing to lock"));
    assert_int_equal(f->values.port, 10911);
}

/* Goal: a key that somebody relies on, and that is not served, ends the reading with the reason;
 * its default says nothing. Method: both values. */
static void what_is_relied_on_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(read_file(f, "aclEnable=false\n"), 0);
    assert_int_equal(f->said.len, 0);
    assert_int_equal(read_file(f, "listenPort=1\naclEnable=true\n"), ERR_INVALID);
    assert_true(said(f,
                     ":2: key \"aclEnable\" is known but not supported yet, and the broker would "
                     "be open to everyone\n"));
}

/* Goal: each bad value is refused with file, line, key and what is allowed.
 * Method: a number out of range, text for a number, text for a boolean, in one file. */
static void bad_values_are_refused_with_reasons(void **state)
{
    struct fixture *f = *state;
    char expected[160];
    assert_int_equal(read_file(f, "listenPort=70000\nfileBytes=big\nrecoverFast=yes\n"),
                     ERR_INVALID);
    snprintf(
        expected, sizeof expected,
        "error: %s:1: bad value \"70000\" for key \"listenPort\": a whole number from 1 to 65535",
        f->path);
    assert_true(said(f, expected));
    assert_true(said(f, ":2: bad value \"big\" for key \"fileBytes\""));
    assert_true(said(f, ":3: bad value \"yes\" for key \"recoverFast\": true or false is allowed"));
    assert_int_equal(f->values.port, 10911);
}

/* Goal: a file that is not there is told, not taken as empty.
 * Method: a path below a file. */
static void a_missing_file_is_an_error(void **state)
{
    struct fixture *f = *state;
    unlink(f->path);
    assert_int_equal(conf_read_file(&table, &f->values, f->path, &f->said), ERR_NOT_FOUND);
    assert_true(said(f, "cannot be read"));
}

/* Goal: an update is all or nothing and names everything it refuses.
 * Method: one good key among one fixed at start, one unknown and one bad value; then the good
 * alone. */
static void an_update_is_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct slice mixed =
        SLICE("brokerName=b\nlistenPort=1\nbrokreName=c\nfileBytes=1\naclEnable=true\n");
    assert_int_equal(conf_update(&table, &f->values, mixed, &f->said), ERR_INVALID);
    assert_true(said(f, "\"listenPort\" cannot change while running"));
    assert_true(said(f, "unknown key \"brokreName\"; did you mean \"brokerName\"?"));
    assert_true(said(f, "bad value \"1\" for key \"fileBytes\""));
    assert_true(said(f, "\"aclEnable\" has no effect: it is not supported yet"));
    assert_string_equal(f->values.name, "broker-a");
    assert_int_equal(conf_update(&table, &f->values, SLICE("brokerName=b\n"), &f->said), 0);
    assert_string_equal(f->values.name, "b");
}

/* Goal: the printed form is sorted, holds every supported key, and reads back to the same values.
 * Method: change all, print, read over the defaults. */
static void printed_values_read_back(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(conf_set(&table, &f->values, SLICE("listenPort"), SLICE("1"), &f->said), 0);
    assert_int_equal(conf_set(&table, &f->values, SLICE("rates"), SLICE("a=1;b=2"), &f->said), 0);
    assert_int_equal(conf_set(&table, &f->values, SLICE("nope"), SLICE("1"), &f->said),
                     ERR_NOT_FOUND);
    struct buf out = BUF_INIT;
    conf_print(&table, &f->values, &out);
    buf_append_u8(&out, 0);
    assert_string_equal((const char *)out.data, "brokerName=broker-a\nfileBytes=1073741824\n"
                                                "listenPort=1\nrates=a=1;b=2\nrecoverFast=true\n");
    conf_fini(&table, &f->values);
    conf_init(&table, &f->values);
    assert_int_equal(read_file(f, (const char *)out.data), 0);
    assert_int_equal(f->values.port, 1);
    assert_string_equal(f->values.rates, "a=1;b=2");
    buf_fini(&out);
}

static void numbers_are_found_by_name(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(conf_number_of(f->values.rates, SLICE("a"), 7), 7);
    assert_int_equal(
        conf_set(&table, &f->values, SLICE("rates"), SLICE("orders=100;or=0;b=1"), &f->said), 0);
    assert_int_equal(conf_number_of(f->values.rates, SLICE("orders"), 7), 100);
    assert_int_equal(conf_number_of(f->values.rates, SLICE("or"), 7), 0);
    assert_int_equal(conf_number_of(f->values.rates, SLICE("b"), 7), 1);
    assert_int_equal(conf_number_of(f->values.rates, SLICE("order"), 7), 7);
}

static void what_is_no_list_of_numbers_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const refused[] = { "a", "a=", "=1", "a=1;;b=2", "a=101", "a=-1", "a=1x" };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_int_equal(
            conf_set(&table, &f->values, SLICE("rates"), slice_str(refused[i]), &f->said),
            ERR_INVALID);
    assert_true(said(f, "bad value \"a\" for key \"rates\": name=number;name=number with whole "
                        "numbers from 0 to 100"));
    assert_string_equal(f->values.rates, "");
}

#define CONF_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONF_TEST(a_file_is_read_over_the_defaults),
        CONF_TEST(unknown_keys_are_warnings),
        CONF_TEST(what_is_relied_on_is_refused),
        CONF_TEST(bad_values_are_refused_with_reasons),
        CONF_TEST(a_missing_file_is_an_error),
        CONF_TEST(an_update_is_all_or_nothing),
        CONF_TEST(printed_values_read_back),
        CONF_TEST(numbers_are_found_by_name),
        CONF_TEST(what_is_no_list_of_numbers_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
