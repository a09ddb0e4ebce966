#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "console/path.h"

#define SLOW "/api/brokers/*/*/slow"

static bool matches(const char *pattern, const char *path, struct slice words[PATH_WORDS_MAX])
{
    static struct arena arena;
    arena_fini(&arena);
    arena_init(&arena);
    return path_matches(pattern, slice_str(path), &arena, words);
}

static void expect_word(const char *path, struct slice expected)
{
    struct slice words[PATH_WORDS_MAX];
    assert_true(matches("/api/brokers/*", path, words));
    assert_int_equal(words[0].len, expected.len);
    assert_memory_equal(words[0].data, expected.data, expected.len);
}

static void a_path_has_all_segments_of_its_pattern(void **state)
{
    struct slice words[PATH_WORDS_MAX];
    (void)state;
    assert_true(matches("/", "/", words));
    assert_true(matches("/api/brokers", "/api/brokers", words));
    assert_true(matches(SLOW, "/api/brokers/broker-a/0/slow", words));
    assert_true(slice_eq(words[0], SLICE("broker-a")));
    assert_true(slice_eq(words[1], SLICE("0")));
    static const char *const others[] = {
        "",
        "api/brokers/a/0/slow",
        "/api/brokers/a/0",
        "/api/brokers/a/0/",
        "/api/brokers/a/0/slow/",
        "/api/brokers/a/0/slow/er",
        "/api/brokers//0/slow",
        "//api/brokers/a/0/slow",
        "/api/brokers/a/0/SLOW",
        "/API/brokers/a/0/slow",
        "/api/brokers/a/../0/slow",
        "/api/brokers/a%2F0/slow",
        "*",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(matches(SLOW, others[i], words));
    assert_false(matches("/", "", words));
    assert_false(matches("/api/brokers", "/api%2fbrokers", words));
}

/* Goal: any name that a broker can have fits into one segment. */
static void a_word_is_decoded(void **state)
{
    (void)state;
    expect_word("/api/brokers/a%2Fb%2f%25", SLICE("a/b/%"));
    expect_word("/api/brokers/%C3%bc%20+", SLICE("\xc3\xbc +"));
    expect_word("/api/brokers/..", SLICE(".."));
    expect_word("/api/brokers/%ff", SLICE("\xff"));
    struct slice words[PATH_WORDS_MAX];
    static const char *const broken[] = {
        "/api/brokers/%",   "/api/brokers/%4", "/api/brokers/%4g",
        "/api/brokers/%00", "/api/brokers/a%", "/api/brokers/%-1"
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        assert_false(matches("/api/brokers/*", broken[i], words));
}

static void a_host_is_an_address_or_a_name_of_ours(void **state)
{
    static const char *const ours[] = { "127.0.0.1",  "127.0.0.1:8082",  "10.1.2.3:80",
                                        "localhost",  "LOCALHOST:1",     "[::1]",
                                        "[::1]:8082", "[2001:db8::7]:",  "mq.example:443",
                                        "MQ.example", "[::ffff:1.2.3.4]" };
    static const char *const others[] = { "",
                                          ":8082",
                                          "evil.example",
                                          "localhost.evil.example",
                                          "127.0.0.1.evil.example",
                                          "127.0.0.1@evil.example",
                                          "127.0.0.1:80:80",
                                          "127.0.0.1:80x",
                                          "127.1",
                                          "2130706433",
                                          "0x7f.0.0.1",
                                          "[::1",
                                          "::1",
                                          "[::1]x",
                                          "[localhost]",
                                          "[127.0.0.1]",
                                          "mq.example.",
                                          "mq.exampl",
                                          " 127.0.0.1" };
    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        assert_true(host_is_ours(slice_str(ours[i]), "mq.example"));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(host_is_ours(slice_str(others[i]), "mq.example"));
    assert_false(host_is_ours(SLICE("mq.example"), NULL));
    assert_false(host_is_ours(SLICE("127.0.0.1\0.evil.example"), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_has_all_segments_of_its_pattern),
        cmocka_unit_test(a_word_is_decoded),
        cmocka_unit_test(a_host_is_an_address_or_a_name_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
