#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "meta/meta.h"
#include "meta/table_dir.h"

enum { NOW_MS = 1754000000, DAY_MS = 24 * 3600 * 1000 };

/* What 5.3.3 wrote, but for the names. */
static const char reference_file[] =
    "{\n\t\"filterDataByTopic\":{\n\t\t\"shop-orders\":{\n\t\t\t\"groupFilterData\":{\n"
    "\t\t\t\t\"g1\":{\n\t\t\t\t\t\"bloomFilterData\":{\n\t\t\t\t\t\t\"bitNum\":112,\n"
    "\t\t\t\t\t\t\"bitPos\":[16,90,52]\n\t\t\t\t\t},\n\t\t\t\t\t\"bornTime\":1753000000,\n"
    "\t\t\t\t\t\"clientVersion\":10,\n\t\t\t\t\t\"consumerGroup\":\"g1\",\n"
    "\t\t\t\t\t\"dead\":true,\n\t\t\t\t\t\"deadTime\":1753999999,\n"
    "\t\t\t\t\t\"expression\":\"price > 5\",\n\t\t\t\t\t\"expressionType\":\"SQL92\",\n"
    "\t\t\t\t\t\"topic\":\"shop-orders\"\n\t\t\t\t}\n\t\t\t},\n"
    "\t\t\t\"topic\":\"shop-orders\"\n\t\t}\n\t}\n}";

static struct filters *open_with(void *state, int consumers)
{
    struct filters *filters = NULL;
    assert_int_equal(filters_open(state, bloom_shape_of(20, consumers), NOW_MS, &filters), 0);
    return filters;
}

static struct filters *open_filters(void *state)
{
    return open_with(state, 32);
}

static void register_one(struct filters *filters, const char *topic, const char *type,
                         const char *expression, int64_t version)
{
    struct subscription sub = {
        .topic = slice_str(topic),
        .sub_string = slice_str(expression),
        .expression_type = slice_str(type),
        .sub_version = version,
    };
    filters_register(filters, SLICE("g1"), &sub, 1, NOW_MS);
}

static const struct filter_entry *get(const struct filters *filters, const char *topic)
{
    return filters_get(filters, slice_str(topic), SLICE("g1"));
}

static void assert_expression(const struct filters *filters, const char *topic, const char *text)
{
    const struct filter_entry *e = get(filters, topic);
    assert_non_null(e);
    assert_true(slice_eq(e->expression, slice_str(text)));
    assert_int_equal(sql_name_count(e->sql), 1);
}

static void save(void *state, struct filters *filters, int64_t now_ms)
{
    struct buf text = BUF_INIT;
    filters_text(filters, DAY_MS, now_ms, &text);
    table_dir_save(state, &text);
    assert_false(filters_changed(filters));
}

/* Goal: a newer version replaces, an older one does not, tags and empty texts are none. */
static void the_newest_expression_counts(void **state)
{
    struct filters *filters = open_filters(*state);
    register_one(filters, "t", "TAG", "a || b", 1);
    register_one(filters, "t", "SQL92", "", 1);
    assert_null(get(filters, "t"));
    assert_false(filters_changed(filters));
    register_one(filters, "t", "SQL92", "a = 1", 10);
    assert_true(filters_changed(filters));
    assert_expression(filters, "t", "a = 1");
    register_one(filters, "t", "SQL92", "a = 2", 11);
    assert_expression(filters, "t", "a = 2");
    register_one(filters, "t", "SQL92", "a = 3", 11);
    register_one(filters, "t", "SQL92", "a = 3", 10);
    assert_expression(filters, "t", "a = 2");
    assert_int_equal(get(filters, "t")->client_version, 11);
    filters_free(filters);
}

/* Goal: what does not compile is no filter, and ends the one before it. */
static void a_bad_expression_leaves_none(void **state)
{
    struct filters *filters = open_filters(*state);
    register_one(filters, "t", "SQL92", "a =", 10);
    register_one(filters, "u", "SQL93", "a = 1", 10);
    assert_null(get(filters, "t"));
    assert_null(get(filters, "u"));
    register_one(filters, "t", "SQL92", "a = 1", 11);
    register_one(filters, "t", "SQL92", "a = ", 12);
    assert_null(get(filters, "t"));
    filters_free(filters);
}

/* Goal: a filter dies with its subscription and its group, stays, and lives again. */
static void the_dead_come_back(void **state)
{
    struct filters *filters = open_filters(*state);
    register_one(filters, "t", "SQL92", "a = 1", 10);
    assert_int_equal(get(filters, "t")->dead_ms, 0);
    register_one(filters, "u", "SQL92", "a = 1", 10);
    assert_int_equal(get(filters, "t")->dead_ms, NOW_MS);
    register_one(filters, "t", "SQL92", "a = 1", 10);
    assert_int_equal(get(filters, "t")->dead_ms, 0);
    assert_int_equal(get(filters, "u")->dead_ms, NOW_MS);
    filters_unregister(filters, SLICE("g1"), NOW_MS + 5);
    assert_int_equal(get(filters, "t")->dead_ms, NOW_MS + 5);
    assert_int_equal(get(filters, "u")->dead_ms, NOW_MS);
    filters_free(filters);
}

/* Goal: the reference's file is understood, and written back byte for byte. */
static void the_file_is_the_references(void **state)
{
    table_dir_put(*state, "", reference_file);
    struct filters *filters = open_filters(*state);
    assert_expression(filters, "shop-orders", "price > 5");
    assert_int_equal(get(filters, "shop-orders")->born_ms, 1753000000);
    assert_int_equal(get(filters, "shop-orders")->client_version, 10);
    save(*state, filters, NOW_MS);
    assert_string_equal(table_dir_get(*state, ""), reference_file);
    filters_free(filters);
}

/* Goal: whoever was alive in the file is dead after a start, but not before it was born. */
static void a_start_finds_all_dead(void **state)
{
    struct filters *filters = open_filters(*state);
    register_one(filters, "t", "SQL92", "a = 1", 10);
    save(*state, filters, NOW_MS);
    filters_free(filters);
    filters = open_filters(*state);
    assert_int_equal(get(filters, "t")->dead_ms, NOW_MS); /* not 30 s before */
    filters_free(filters);
}

/* Goal: a file made with other settings is forgotten as a whole. */
static void another_bloom_filter_forgets_all(void **state)
{
    table_dir_put(*state, "", reference_file);
    struct filters *filters = open_with(*state, 64);
    assert_null(get(filters, "shop-orders"));
    filters_free(filters);
}

/* Goal: an expression in the file that does not compile is none; the reference would take it for
 * one that matches everything. */
static void a_bad_expression_of_the_file_is_none(void **state)
{
    char text[sizeof reference_file];
    memcpy(text, reference_file, sizeof text);
    memcpy(strstr(text, "price > 5"), "price > >", 9);
    table_dir_put(*state, "", text);
    struct filters *filters = open_filters(*state);
    assert_null(get(filters, "shop-orders"));
    filters_free(filters);
}

/* Goal: who has been dead for a day is forgotten when the file is written; others stay. */
static void the_long_dead_are_forgotten(void **state)
{
    struct filters *filters = open_filters(*state);
    struct subscription subs[] = {
        { .topic = SLICE("t"), .sub_string = SLICE("a = 1"), .expression_type = SLICE("SQL92") },
        { .topic = SLICE("u"), .sub_string = SLICE("a = 1"), .expression_type = SLICE("SQL92") },
    };
    filters_register(filters, SLICE("g1"), subs, 2, NOW_MS);
    filters_register(filters, SLICE("g2"), subs, 1, NOW_MS);
    filters_register(filters, SLICE("g1"), subs + 1, 1, NOW_MS + 1);
    filters_unregister(filters, SLICE("g2"), NOW_MS);
    save(*state, filters, NOW_MS + DAY_MS - 1);
    assert_non_null(get(filters, "t"));
    save(*state, filters, NOW_MS + DAY_MS);
    assert_non_null(get(filters, "t"));
    assert_null(filters_get(filters, SLICE("t"), SLICE("g2")));
    save(*state, filters, NOW_MS + DAY_MS + 1);
    assert_null(get(filters, "t"));
    assert_non_null(get(filters, "u"));
    filters_free(filters);
}

/* Goal: the memory of all filters is bounded; beyond, a group has none.
 * Method: groups with long expressions until one is refused, which must come soon. */
static void memory_is_bounded(void **state)
{
    enum { LONG = 60000, GROUPS_MOST = 1000 };
    static char text[LONG + 1];
    struct filters *filters = open_filters(*state);
    memset(text, ' ', LONG);
    memcpy(text, "a = 1", 5);
    int group = 0;
    for (;; group++) {
        char name[16];
        snprintf(name, sizeof name, "g%d", group);
        struct subscription sub = { .topic = SLICE("t"),
                                    .sub_string = slice_str(text),
                                    .expression_type = SLICE("SQL92") };
        filters_register(filters, slice_str(name), &sub, 1, NOW_MS);
        if (filters_get(filters, SLICE("t"), slice_str(name)) == NULL)
            break;
        assert_true(group < GROUPS_MOST);
    }
    assert_true(group > 100);
    filters_free(filters);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, table_dir_make, table_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_newest_expression_counts),
        CASE(a_bad_expression_leaves_none),
        CASE(the_dead_come_back),
        CASE(the_file_is_the_references),
        CASE(a_start_finds_all_dead),
        CASE(another_bloom_filter_forgets_all),
        CASE(a_bad_expression_of_the_file_is_none),
        CASE(the_long_dead_are_forgotten),
        CASE(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
