#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "meta/meta.h"
#include "meta/table_dir.h"

enum { NOW_MS = 1754000000 };

static struct topics *open_topics(void *state)
{
    struct topics *topics = NULL;
    assert_int_equal(topics_open(state, &topics), 0);
    return topics;
}

static void make_text(struct topics *topics, struct table_text *text)
{
    table_text_init(text);
    while (!topics_text_step(topics, text))
        ;
}

static void put(struct topics *topics, const char *name, int queues)
{
    struct topic_config config = topic_config_default(slice_str(name));
    config.read_queue_count = config.write_queue_count = queues;
    topics_put(topics, &config, NOW_MS);
}

static void save(void *state, struct topics *topics)
{
    struct table_text text;
    make_text(topics, &text);
    table_dir_save(state, &text.out);
}

/* Goal: what the reference writes is read with every member, attributes included.
 * Method: a file in the reference's form. */
static void reads_the_reference_file(void **state)
{
    table_dir_put(*state, "",
                  "{\n\t\"dataVersion\":{\n\t\t\"counter\":7,\n\t\t\"stateVersion\":3,\n"
                  "\t\t\"timestamp\":1754000000123\n\t},\n\t\"topicConfigTable\":{\n"
                  "\t\t\"shop-orders\":{\n\t\t\t\"attributes\":{\"message.type\":\"FIFO\"},\n"
                  "\t\t\t\"order\":true,\n\t\t\t\"perm\":4,\n\t\t\t\"readQueueNums\":5,\n"
                  "\t\t\t\"topicFilterType\":\"SINGLE_TAG\",\n"
                  "\t\t\t\"topicName\":\"shop-orders\",\n\t\t\t\"topicSysFlag\":2,\n"
                  "\t\t\t\"writeQueueNums\":6\n\t\t}\n\t}\n}");
    struct topics *topics = open_topics(*state);
    assert_int_equal(topics_count(topics), 1);
    assert_int_equal(topics_version(topics)->counter, 7);
    assert_int_equal(topics_version(topics)->state_version, 3);
    const struct topic_config *config = topics_get(topics, SLICE("shop-orders"));
    assert_non_null(config);
    assert_int_equal(config->read_queue_count, 5);
    assert_int_equal(config->write_queue_count, 6);
    assert_int_equal(config->perm, 4);
    assert_int_equal(config->sys_flag, 2);
    assert_true(config->order);
    assert_int_equal(config->attribute_count, 1);
    assert_true(slice_eq(config->attributes[0].key, SLICE("message.type")));
    assert_true(slice_eq(config->attributes[0].value, SLICE("FIFO")));
    assert_false(topics_changed(topics));
    topics_free(topics);
}

/* Goal: the text is pretty-printed as the reference's, byte for byte. */
static void text_is_in_the_reference_form(void **state)
{
    struct topics *topics = open_topics(*state);
    struct table_text text;
    put(topics, "t", 4);
    make_text(topics, &text);
    buf_append_u8(&text.out, '\0');
    assert_string_equal((const char *)text.out.data,
                        "{\n\t\"dataVersion\":{\n\t\t\"counter\":1,\n\t\t\"stateVersion\":0,\n"
                        "\t\t\"timestamp\":1754000000\n\t},\n\t\"topicConfigTable\":{\n"
                        "\t\t\"t\":{\n\t\t\t\"attributes\":{},\n\t\t\t\"order\":false,\n"
                        "\t\t\t\"perm\":6,\n\t\t\t\"readQueueNums\":4,\n"
                        "\t\t\t\"topicFilterType\":\"SINGLE_TAG\",\n\t\t\t\"topicName\":\"t\",\n"
                        "\t\t\t\"topicSysFlag\":0,\n\t\t\t\"writeQueueNums\":4\n\t\t}\n\t}\n}");
    table_text_fini(&text);
    topics_free(topics);
}

/* Goal: what was put is there after a restart; what was removed is not. */
static void survives_a_restart(void **state)
{
    struct topics *topics = open_topics(*state);
    put(topics, "a", 1);
    put(topics, "b", 2);
    put(topics, "a", 3);
    topics_remove(topics, SLICE("b"), NOW_MS);
    topics_remove(topics, SLICE("b"), NOW_MS);
    save(*state, topics);
    topics_free(topics);
    topics = open_topics(*state);
    assert_int_equal(topics_count(topics), 1);
    assert_int_equal(topics_get(topics, SLICE("a"))->read_queue_count, 3);
    assert_null(topics_get(topics, SLICE("b")));
    assert_int_equal(topics_version(topics)->counter, 4);
    topics_free(topics);
}

/* Goal: each change moves the version on and asks for a save; the text answers it. */
static void changes_move_the_version_on(void **state)
{
    struct topics *topics = open_topics(*state);
    struct data_version before = *topics_version(topics);
    assert_false(topics_changed(topics));
    put(topics, "a", 1);
    assert_true(topics_changed(topics));
    assert_int_equal(topics_version(topics)->counter, before.counter + 1);
    assert_int_equal(topics_version(topics)->timestamp, NOW_MS);
    save(*state, topics);
    assert_false(topics_changed(topics));
    topics_free(topics);
}

/* Goal: an entry may be the source of its own replacement. */
static void entry_can_replace_itself(void **state)
{
    struct topics *topics = open_topics(*state);
    struct pair attributes[] = { { SLICE("message.type"), SLICE("DELAY") } };
    struct topic_config config = topic_config_default(SLICE("a"));
    config.attributes = attributes;
    config.attribute_count = 1;
    topics_put(topics, &config, NOW_MS);
    config = *topics_get(topics, SLICE("a"));
    config.perm = 2;
    topics_put(topics, &config, NOW_MS);
    const struct topic_config *after = topics_get(topics, SLICE("a"));
    assert_int_equal(after->perm, 2);
    assert_true(slice_eq(after->attributes[0].value, SLICE("DELAY")));
    topics_free(topics);
}

/* Goal: two damaged versions refuse the start; nothing is overwritten. */
static void damage_refuses_the_start(void **state)
{
    struct topics *topics = NULL;
    table_dir_put(*state, "", "{\"topicConfigTable\":");
    assert_int_equal(topics_open(*state, &topics), ERR_CORRUPT);
    assert_null(topics);
}

/* Goal: a text made over many passes has every topic that was there all the time, whatever changes
 * meanwhile, and what changed is saved again.
 * Method: topics are removed and added between the steps, enough of them to move the table. */
static void text_is_whole_whatever_happens_meanwhile(void **state)
{
    enum { KEPT = 500, MEANWHILE = 4000 };
    struct topics *topics = open_topics(*state);
    struct table_text text;
    char name[32];
    for (int i = 0; i < 2 * KEPT; i++) {
        snprintf(name, sizeof name, i % 2 == 0 ? "kept%d" : "gone%d", i / 2);
        put(topics, name, 4);
    }
    table_text_init(&text);
    for (int step = 0; !topics_text_step(topics, &text); step++) {
        snprintf(name, sizeof name, "gone%d", step);
        topics_remove(topics, slice_str(name), NOW_MS);
        for (int i = 0; i < 100 && step * 100 + i < MEANWHILE; i++) {
            snprintf(name, sizeof name, "new%d", step * 100 + i);
            put(topics, name, 4);
        }
    }
    assert_true(topics_changed(topics));
    table_dir_save(*state, &text.out);
    topics_free(topics);
    topics = open_topics(*state);
    for (int i = 0; i < KEPT; i++) {
        snprintf(name, sizeof name, "kept%d", i);
        assert_non_null(topics_get(topics, slice_str(name)));
    }
    topics_free(topics);
}

/* Goal: a table larger than any frame can be read again.
 * Method: more topics than a body may have values. */
static void a_very_large_table_survives_a_restart(void **state)
{
    enum { COUNT = 250000 };
    struct topics *topics = open_topics(*state);
    char name[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "topic%d", i);
        put(topics, name, 8);
    }
    save(*state, topics);
    topics_free(topics);
    topics = open_topics(*state);
    assert_int_equal(topics_count(topics), COUNT);
    topics_free(topics);
}

/* Goal: what somebody keeps beside a topic is there again, and gone when the topic changes. */
static void what_is_beside_a_topic_goes_with_it(void **state)
{
    static const uint8_t zeros[TOPIC_BESIDE_BYTES];
    struct topics *topics = open_topics(*state);
    put(topics, "orders", 4);
    put(topics, "%LMQ%a", 4);
    memset(topics_beside(topics, topics_get(topics, SLICE("orders"))), 7, TOPIC_BESIDE_BYTES);
    put(topics, "others", 4);
    const struct topic_config *orders = topics_get(topics, SLICE("orders"));
    assert_int_equal(*(uint8_t *)topics_beside(topics, orders), 7);
    assert_non_null(topics_beside(topics, topics_get(topics, SLICE("%LMQ%a"))));
    put(topics, "orders", 5);
    orders = topics_get(topics, SLICE("orders"));
    assert_memory_equal(topics_beside(topics, orders), zeros, TOPIC_BESIDE_BYTES);
    assert_int_equal(orders->read_queue_count, 5);
    topics_take_light(topics);
    assert_null(topics_beside(topics, topics_get(topics, SLICE("%LMQ%a"))));
    topics_free(topics);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, table_dir_make, table_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_is_whole_whatever_happens_meanwhile),
        TEST(a_very_large_table_survives_a_restart),
        TEST(reads_the_reference_file),
        TEST(text_is_in_the_reference_form),
        TEST(survives_a_restart),
        TEST(changes_move_the_version_on),
        TEST(entry_can_replace_itself),
        TEST(what_is_beside_a_topic_goes_with_it),
        TEST(damage_refuses_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
