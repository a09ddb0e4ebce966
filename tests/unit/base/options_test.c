#include "base/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <getopt.h>

static struct {
    const char *tag;
    const char *file;
    int64_t count;
    int tries;
    bool is_quiet;
    bool prints;
    int calls;
} given;

static char **words;
static int word_count;

static bool take_call(void *ctx, const char *argument)
{
    ++*(int *)ctx;
    return argument[0] != '!';
}

static int read_line(int argc, const char *const *argv)
{
    static const struct option_row rows[] = {
        OPTION_TEXT("tag", "TAG", "a tag", &given.tag),
        OPTION_TEXT("c", "FILE", "settings", &given.file),
        OPTION_FLAG("p", "print", &given.prints),
        OPTION_NUMBER("count", "N", "so many", &given.count, 1, 10),
        OPTION_INT("tries", "N", "how often", &given.tries, 0, 5),
        OPTION_FLAG("quiet", "say nothing", &given.is_quiet),
        OPTION_CALL("with", "THING", "with this", take_call, &given.calls),
    };
    static const struct options options = { "test",         "usage: ramjet test TOPIC [BODY]\n",
                                            rows,           sizeof rows / sizeof rows[0],
                                            NULL,           .least_words = 1,
                                            .most_words = 2 };
    static char *line[16];
    assert_true(argc < 16);
    for (int i = 0; i < argc; i++)
        line[i] = (char *)(uintptr_t)argv[i];
    line[argc] = NULL;
    given.tag = "none";
    given.file = "none";
    given.prints = false;
    given.count = 3;
    given.tries = 2;
    given.is_quiet = false;
    given.calls = 0;
    optind = 0; /* glibc: begin anew */
    return options_read(&options, argc, line, &words, &word_count);
}
#define READ(...)                                                                                  \
    read_line(sizeof((const char *[]){ "test", __VA_ARGS__ }) / sizeof(char *),                    \
              (const char *[]){ "test", __VA_ARGS__ })

static void options_and_words_may_be_mixed(void **state)
{
    (void)state;
    assert_int_equal(READ("orders", "--count", "7", "hello", "--tag=a", "--quiet"), OPTIONS_GO_ON);
    assert_string_equal(given.tag, "a");
    assert_int_equal(given.count, 7);
    assert_true(given.is_quiet);
    assert_int_equal(word_count, 2);
    assert_string_equal(words[0], "orders");
    assert_string_equal(words[1], "hello");
}

static void names_of_one_letter_have_one_dash(void **state)
{
    (void)state;
    assert_int_equal(READ("orders", "-c", "a.conf"), OPTIONS_GO_ON);
    assert_string_equal(given.file, "a.conf");
    assert_false(given.prints);
    assert_int_equal(READ("-pcb.conf", "orders"), OPTIONS_GO_ON);
    assert_string_equal(given.file, "b.conf");
    assert_true(given.prints);
    assert_int_equal(READ("orders", "-c"), 2);
    assert_int_equal(READ("orders", "-x"), 2);
}

static void of_two_the_last_counts_but_calls_are_all_told(void **state)
{
    (void)state;
    assert_int_equal(READ("orders", "--tries", "1", "--with", "a", "--with", "b", "--tries", "4"),
                     OPTIONS_GO_ON);
    assert_int_equal(given.tries, 4);
    assert_int_equal(given.calls, 2);
}

static void what_is_not_given_stays(void **state)
{
    (void)state;
    assert_int_equal(READ("orders"), OPTIONS_GO_ON);
    assert_string_equal(given.tag, "none");
    assert_int_equal(given.count, 3);
    assert_int_equal(given.tries, 2);
    assert_false(given.is_quiet);
}

static void what_follows_two_dashes_is_a_word(void **state)
{
    (void)state;
    assert_int_equal(READ("--", "orders", "--quiet"), OPTIONS_GO_ON);
    assert_false(given.is_quiet);
    assert_string_equal(words[1], "--quiet");
}

/* Goal: what is not understood is refused with the exit code for it, never passed over. */
static void wrong_lines_are_refused(void **state)
{
    (void)state;
    assert_int_equal(READ("orders", "--count", "0"), 2);
    assert_int_equal(READ("orders", "--count", "11"), 2);
    assert_int_equal(READ("orders", "--count", "7x"), 2);
    assert_int_equal(READ("orders", "--count"), 2);
    assert_int_equal(READ("orders", "--tries", "6"), 2);
    assert_int_equal(READ("orders", "--with", "!"), 2);
    assert_int_equal(READ("orders", "--loud"), 2);
    assert_int_equal(READ("orders", "--quiet=yes"), 2);
    assert_int_equal(READ("orders", "a", "b"), 2);
    assert_int_equal(READ("--quiet"), 2);
    assert_int_equal(given.count, 3);
}

static void help_ends_well_and_reads_no_further(void **state)
{
    (void)state;
    assert_int_equal(READ("--help", "--count", "0"), 0);
    assert_int_equal(READ("-h"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_may_be_mixed),
        cmocka_unit_test(names_of_one_letter_have_one_dash),
        cmocka_unit_test(of_two_the_last_counts_but_calls_are_all_told),
        cmocka_unit_test(what_is_not_given_stays),
        cmocka_unit_test(what_follows_two_dashes_is_a_word),
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(help_ends_well_and_reads_no_further),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
