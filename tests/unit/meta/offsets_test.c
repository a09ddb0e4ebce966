#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "meta/meta.h"
#include "meta/table_dir.h"

enum { NOW_MS = 1754000000 };

static struct offsets *open_offsets(void *state)
{
    struct offsets *offsets = NULL;
    assert_int_equal(offsets_open(state, &offsets), 0);
    return offsets;
}

static void make_text(struct offsets *offsets, struct table_text *text)
{
    table_text_init(text);
    while (!offsets_text_step(offsets, text))
        ;
}

static void put(struct offsets *offsets, const char *topic, const char *group, int32_t queue_id,
                int64_t queue_offset)
{
    offsets_put(offsets, slice_str(topic), slice_str(group), queue_id, queue_offset, NOW_MS);
}

static int64_t get(const struct offsets *offsets, const char *topic, const char *group,
                   int32_t queue_id)
{
    return offsets_get(offsets, slice_str(topic), slice_str(group), queue_id);
}

/* Goal: the reference's file with bare keys is read; the form of 4.x without a version too, and
 * keys that are none of ours are passed over. */
static void reads_the_reference_file(void **state)
{
    table_dir_put(*state, "",
                  "{\n\t\"groupTopicMap\":{},\n\t\"offsetTable\":{\n"
                  "\t\t\"shop-orders@g1\":{0:120,1:118\n\t\t},\n"
                  "\t\t\"%RETRY%g1@g1\":{0:3\n\t\t},\n\t\t\"nonsense\":{0:1}\n\t}\n}");
    struct offsets *offsets = open_offsets(*state);
    assert_int_equal(get(offsets, "shop-orders", "g1", 0), 120);
    assert_int_equal(get(offsets, "shop-orders", "g1", 1), 118);
    assert_int_equal(get(offsets, "%RETRY%g1", "g1", 0), 3);
    assert_int_equal(get(offsets, "shop-orders", "g1", 2), -1);
    assert_int_equal(get(offsets, "shop-orders", "g2", 0), -1);
    assert_false(offsets_changed(offsets));
    offsets_free(offsets);
}

/* Goal: the text has the reference's form, integer maps on one line. */
static void text_is_in_the_reference_form(void **state)
{
    struct offsets *offsets = open_offsets(*state);
    struct table_text text;
    put(offsets, "t", "g", 1, 7);
    put(offsets, "t", "g", 0, 5);
    make_text(offsets, &text);
    buf_append_u8(&text.out, '\0');
    assert_string_equal((const char *)text.out.data,
                        "{\n\t\"dataVersion\":{\n\t\t\"counter\":0,\n\t\t\"stateVersion\":0,\n"
                        "\t\t\"timestamp\":0\n\t},\n\t\"offsetTable\":{\n"
                        "\t\t\"t@g\":{0:5,1:7\n\t\t}\n\t}\n}");
    table_text_fini(&text);
    offsets_free(offsets);
}

/* Goal: any value is taken, also a smaller one, in any order of queues, with gaps. */
static void takes_any_value_in_any_order(void **state)
{
    static const int32_t ids[] = { 5, 0, 9, 3, 1, 2000000, 4, -1 };
    struct offsets *offsets = open_offsets(*state);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        put(offsets, "t", "g", ids[i], ids[i] + 100);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        assert_int_equal(get(offsets, "t", "g", ids[i]), ids[i] + 100);
    assert_int_equal(get(offsets, "t", "g", 2), -1);
    put(offsets, "t", "g", 5, 1);
    assert_int_equal(get(offsets, "t", "g", 5), 1);
    assert_true(offsets_changed(offsets));
    offsets_free(offsets);
}

/* Goal: a pair does not grow without end, names that cannot be any are dropped. */
static void is_bounded(void **state)
{
    struct offsets *offsets = open_offsets(*state);
    static char long_name[5000];
    for (int32_t id = 0; id <= OFFSETS_QUEUES_MAX; id++)
        put(offsets, "t", "g", id, id);
    assert_int_equal(get(offsets, "t", "g", OFFSETS_QUEUES_MAX - 1), OFFSETS_QUEUES_MAX - 1);
    assert_int_equal(get(offsets, "t", "g", OFFSETS_QUEUES_MAX), -1);
    memset(long_name, 'x', sizeof long_name - 1);
    put(offsets, long_name, "g", 0, 1);
    assert_int_equal(get(offsets, long_name, "g", 0), -1);
    offsets_free(offsets);
}

/* Goal: removing a group or a topic removes all its pairs and no other. */
static void removes_by_group_and_by_topic(void **state)
{
    struct offsets *offsets = open_offsets(*state);
    struct slice topic;
    struct slice group;
    put(offsets, "a", "g1", 0, 1);
    put(offsets, "a", "g2", 0, 2);
    put(offsets, "b", "g1", 0, 3);
    put(offsets, "b", "g2", 0, 4);
    offsets_remove_group(offsets, SLICE("g1"));
    offsets_remove_topic(offsets, SLICE("a"));
    size_t cursor = 0;
    assert_true(offsets_next(offsets, &cursor, &topic, &group));
    assert_true(slice_eq(topic, SLICE("b")) && slice_eq(group, SLICE("g2")));
    assert_false(offsets_next(offsets, &cursor, &topic, &group));
    assert_int_equal(get(offsets, "a", "g2", 0), -1);
    assert_int_equal(get(offsets, "b", "g2", 0), 4);
    offsets_free(offsets);
}

static int64_t five_in_new(void *ctx, struct slice topic, int32_t queue_id)
{
    (void)ctx;
    return slice_eq(topic, SLICE("new")) && queue_id == 0 ? 5 : 0;
}

/* Goal: of topics whose queues began anew, what lies beyond their ends is not believed, and where
 * there is nothing nothing stays; others keep what they have. */
static void forgets_earlier_lives(void **state)
{
    struct offsets *offsets;
    struct map topics;
    (void)state;
    assert_int_equal(offsets_new(&offsets), 0);
    put(offsets, "new", "behind", 0, 57);
    put(offsets, "new", "within", 0, 5);
    put(offsets, "gone", "g", 0, 57);
    put(offsets, "other", "g", 0, 57);
    map_init(&topics);
    map_put(&topics, SLICE("new"), offsets);
    map_put(&topics, SLICE("gone"), offsets);
    offsets_begin_topics(offsets, &topics, five_in_new, NULL);
    map_fini(&topics);
    assert_int_equal(offsets_get(offsets, SLICE("new"), SLICE("behind"), 0), 0);
    assert_int_equal(offsets_get(offsets, SLICE("new"), SLICE("within"), 0), 5);
    assert_int_equal(offsets_get(offsets, SLICE("gone"), SLICE("g"), 0), -1);
    assert_int_equal(offsets_get(offsets, SLICE("other"), SLICE("g"), 0), 57);
    offsets_free(offsets);
}

/* Goal: what was put is there after a restart; the version moves once per 500 updates. */
static void survives_a_restart(void **state)
{
    struct offsets *offsets = open_offsets(*state);
    struct table_text text;
    for (int i = 0; i < 1200; i++)
        put(offsets, "t", "g", i % 16, i);
    make_text(offsets, &text);
    assert_false(offsets_changed(offsets));
    table_dir_save(*state, &text.out);
    offsets_free(offsets);
    assert_non_null(strstr(table_dir_get(*state, ""), "\"counter\":2,"));
    offsets = open_offsets(*state);
    for (int i = 1184; i < 1200; i++)
        assert_int_equal(get(offsets, "t", "g", i % 16), i);
    offsets_free(offsets);
}

/* Goal: one queue's offset is taken out, the others stay; a pair without queues is gone. */
static void one_queue_is_taken(void **state)
{
    struct offsets *offsets = NULL;
    (void)state;
    assert_int_equal(offsets_new(&offsets), 0);
    assert_true(offsets_are_empty(offsets));
    put(offsets, "t", "g", 0, 10);
    put(offsets, "t", "g", 1, 11);
    put(offsets, "t", "g", 2, 12);
    assert_int_equal(offsets_take(offsets, SLICE("t"), SLICE("g"), 1), 11);
    assert_int_equal(offsets_take(offsets, SLICE("t"), SLICE("g"), 1), -1);
    assert_int_equal(get(offsets, "t", "g", 0), 10);
    assert_int_equal(get(offsets, "t", "g", 2), 12);
    assert_int_equal(offsets_take(offsets, SLICE("t"), SLICE("g"), 0), 10);
    assert_int_equal(offsets_take(offsets, SLICE("t"), SLICE("g"), 2), 12);
    assert_true(offsets_are_empty(offsets));
    offsets_free(offsets);
}

/* Goal: a clone has what its source has and nothing else; the queues of a pair can be walked. */
static void clone_has_the_same(void **state)
{
    struct offsets *offsets = NULL;
    (void)state;
    assert_int_equal(offsets_new(&offsets), 0);
    put(offsets, "t", "from", 0, 10);
    put(offsets, "t", "from", 3, 13);
    put(offsets, "t", "to", 1, 99);
    offsets_clone(offsets, SLICE("t"), SLICE("from"), SLICE("to"), NOW_MS);
    offsets_clone(offsets, SLICE("t"), SLICE("nobody"), SLICE("to"), NOW_MS);
    offsets_clone(offsets, SLICE("t"), SLICE("to"), SLICE("to"), NOW_MS);
    size_t cursor = 0;
    int64_t queue_offset;
    assert_int_equal(offsets_next_queue(offsets, SLICE("t"), SLICE("to"), &cursor, &queue_offset),
                     0);
    assert_int_equal(queue_offset, 10);
    assert_int_equal(offsets_next_queue(offsets, SLICE("t"), SLICE("to"), &cursor, &queue_offset),
                     3);
    assert_int_equal(queue_offset, 13);
    assert_int_equal(offsets_next_queue(offsets, SLICE("t"), SLICE("to"), &cursor, &queue_offset),
                     -1);
    offsets_free(offsets);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, table_dir_make, table_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_the_reference_file),
        TEST(text_is_in_the_reference_form),
        TEST(takes_any_value_in_any_order),
        TEST(is_bounded),
        TEST(removes_by_group_and_by_topic),
        TEST(forgets_earlier_lives),
        TEST(survives_a_restart),
        TEST(one_queue_is_taken),
        TEST(clone_has_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
