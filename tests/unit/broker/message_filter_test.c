#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/java_hash.h"
#include "broker/pull/message_filter.h"

#define PROPERTIES                                                                                 \
    "price\001"                                                                                    \
    "5\002"                                                                                        \
    "TAGS\001"                                                                                     \
    "red\002"                                                                                      \
    "price\001"                                                                                    \
    "7\002"

static struct message_filter compiled(struct arena *arena, const char *type, const char *text)
{
    struct message_filter filter;
    struct sql_error error;
    assert_int_equal(
        message_filter_compile(slice_str(type), slice_str(text), arena, &filter, &error), 0);
    return filter;
}

static bool takes(const struct message_filter *filter)
{
    return message_filter_takes(filter, java_hash(SLICE("red")), SLICE(PROPERTIES));
}

/* Goal: tags decide by the entry, expressions by the properties, of which the later one counts. */
static void each_type_decides_by_its_own(void **state)
{
    static const struct {
        const char *type;
        const char *text;
        bool takes;
    } cases[] = {
        { "TAG", "red || blue", true },
        { "", "blue", false },
        { NULL, "*", true },
        { "SQL92", "price = 7 AND TAGS = 'red'", true },
        { "SQL92", "price = 5", false },
        { "SQL92", "none = 5", false },
        { "SQL92", "price > TAGS", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        arena_init(&arena);
        struct message_filter filter = compiled(&arena, cases[i].type, cases[i].text);
        assert_int_equal(takes(&filter), cases[i].takes);
        arena_fini(&arena);
    }
}

/* Goal: a text or a type that is wrong never becomes a filter, and the reason is told. */
static void what_is_wrong_is_refused(void **state)
{
    static const char *const cases[][3] = {
        { "SQL92", "price >", "line 1, column 8: a value is missing at the end" },
        { "SQL92", "", "line 1, column 1: a value is missing at the end" },
        { "SQL93", "price > 5", "there are no filters of type SQL93" },
        { "TAG", "||", "there are separators only" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena arena;
        struct message_filter filter;
        struct sql_error error;
        arena_init(&arena);
        assert_int_equal(message_filter_compile(slice_str(cases[i][0]), slice_str(cases[i][1]),
                                                &arena, &filter, &error),
                         ERR_INVALID);
        assert_string_equal(error.text, cases[i][2]);
        arena_fini(&arena);
    }
}

/* Goal: what was kept outlives the arena it came from. */
static void what_is_kept_stays(void **state)
{
    static const char *const texts[][2] = { { "TAG", "red" }, { "SQL92", "price = 7" } };
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct arena first;
        struct arena second;
        arena_init(&first);
        arena_init(&second);
        struct message_filter filter = compiled(&first, texts[i][0], texts[i][1]);
        message_filter_keep(&filter, &second);
        arena_fini(&first);
        assert_true(message_filter_bytes(&filter) > 0);
        assert_true(takes(&filter) && !message_filter_takes_all(&filter));
        arena_fini(&second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_decides_by_its_own),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(what_is_kept_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
