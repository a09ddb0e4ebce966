#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/topic_attributes.h"

struct outcome {
    int err;
    struct topic_config config;
    struct slice why;
};

/* Applies a request's text to a topic. */
static struct outcome apply(const struct topic_config *before, const char *text,
                            struct arena *arena)
{
    struct outcome o = { .config = topic_config_default(SLICE("t")) };
    const struct pair *changes;
    int count;
    o.err = topic_attributes_parse(slice_str(text), arena, &changes, &count, &o.why);
    if (o.err == 0)
        o.err = topic_attributes_apply(before, changes, count, arena, &o.config, &o.why);
    return o;
}

static bool has(const struct topic_config *config, const char *key, const char *value)
{
    for (int i = 0; i < config->attribute_count; i++)
        if (slice_eq(config->attributes[i].key, slice_str(key)))
            return slice_eq(config->attributes[i].value, slice_str(value));
    return false;
}

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

/* Goal: attributes are set on a new topic, and none without a text. */
static void a_new_topic_takes_what_is_set(void **state)
{
    struct outcome o = apply(NULL, "+message.type=FIFO,+reserve.time=60000", *state);
    assert_int_equal(o.err, 0);
    assert_int_equal(o.config.attribute_count, 2);
    assert_true(has(&o.config, "message.type", "FIFO"));
    assert_true(has(&o.config, "reserve.time", "60000"));
    assert_int_equal(apply(NULL, "", *state).config.attribute_count, 0);
}

/* Goal: a change keeps what it does not name, replaces and removes what it names.
 * Method: change one of two attributes, remove the other. */
static void a_change_keeps_what_it_does_not_name(void **state)
{
    struct outcome before = apply(NULL, "+message.type=FIFO,+cleanup.policy=DELETE", *state);
    struct outcome o = apply(&before.config, "+message.type=NORMAL", *state);
    assert_int_equal(o.err, 0);
    assert_true(has(&o.config, "message.type", "NORMAL"));
    assert_true(has(&o.config, "cleanup.policy", "DELETE"));
    o = apply(&before.config, "-message.type", *state);
    assert_int_equal(o.err, 0);
    assert_int_equal(o.config.attribute_count, 1);
    assert_true(has(&o.config, "cleanup.policy", "DELETE"));
}

/* Goal: what is malformed, unknown, not offered or fixed is refused with its name.
 * Method: one text for each way, on a new topic and on one that exists. */
static void wrong_changes_are_refused(void **state)
{
    static const char *const on_new[] = {
        "message.type=FIFO",  "+message.type",      "+=FIFO",
        "+message.type=",     "-message.type=FIFO", "+no.such=1",
        "+message.type=LOUD", "+queue.type=ManyCQ", "+cleanup.policy=ARCHIVE",
        "-message.type",      "+reserve.time=soon", "+message.type=FIFO,+message.type=NORMAL",
    };
    for (size_t i = 0; i < sizeof on_new / sizeof on_new[0]; i++) {
        struct outcome o = apply(NULL, on_new[i], *state);
        assert_int_equal(o.err, ERR_INVALID);
        assert_true(o.why.len > 0);
    }
    struct outcome before = apply(NULL, "+message.type=FIFO", *state);
    assert_int_equal(apply(&before.config, "-reserve.time", *state).err, ERR_INVALID);
    assert_int_equal(apply(&before.config, "+queue.type=SimpleCQ", *state).err, ERR_INVALID);
    before = apply(NULL, "+queue.type=SimpleCQ", *state);
    assert_int_equal(apply(&before.config, "+queue.type=SimpleCQ", *state).err, ERR_INVALID);
}

/* Goal: the remark is the reference's, and names what is wrong. */
static void remarks_name_what_is_wrong(void **state)
{
    static const char *const rows[][2] = {
        { "a=b", "add/alter attribute format is wrong: a" },
        { "+a", "delete attribute format is wrong: +a" },
        { "-", "kv string format wrong." },
        { "++a=b", "kv string format wrong." },
        { "+a=b", "unsupported key: a" },
        { "-message.type", "only add attribute is supported while creating topic. key: "
                           "message.type" },
        { "+queue.type=x", "value is not in set: [SimpleCQ, BatchCQ]" },
        { "+reserve.time=-2", "value is not in range(-1, 9223372036854775807)" },
        { "+message.type=FIFO,+message.type=DELAY", "key duplication: +message.type" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct outcome o = apply(NULL, rows[i][0], *state);
        assert_int_equal(o.err, ERR_INVALID);
        assert_true(slice_eq(o.why, slice_str(rows[i][1])));
    }
    assert_int_equal(apply(NULL, "+message.type=FIFO,,", *state).err, 0);
}

/* Goal: groups have no attributes to set in this release; what one has stays. */
static void groups_keep_theirs(void **state)
{
    struct arena *arena = *state;
    struct pair old = { SLICE("kept"), SLICE("1") };
    struct pair change = { SLICE("+a"), SLICE("b") };
    struct group_config before = { .attributes = &old, .attribute_count = 1 };
    struct group_config config = { .attribute_count = 0 };
    struct slice why;
    assert_int_equal(group_attributes_apply(&before, arena, &config, &why), 0);
    assert_int_equal(config.attribute_count, 1);
    config = (struct group_config){ .attributes = &change, .attribute_count = 1 };
    assert_int_equal(group_attributes_apply(NULL, arena, &config, &why), ERR_INVALID);
    assert_true(slice_eq(why, SLICE("unsupported key: a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_topic_takes_what_is_set, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_keeps_what_it_does_not_name, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_changes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(remarks_name_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_keep_theirs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
