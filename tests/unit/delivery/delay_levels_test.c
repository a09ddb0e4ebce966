#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "delivery/delivery.h"
#include "wire/properties.h"

static struct delay_levels levels_of(const char *text)
{
    struct delay_levels levels;
    assert_int_equal(delay_levels_parse(slice_str(text), &levels), 0);
    return levels;
}

/* Goal: the reference's table of levels is understood, level 1 first.
 * Method: parse its default text and look at the ends and at each unit. */
static void the_default_levels_are_read(void **state)
{
    (void)state;
    struct delay_levels levels =
        levels_of("1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h");
    assert_int_equal(levels.count, 18);
    assert_int_equal(levels.ms[1], 1000);
    assert_int_equal(levels.ms[5], 60000);
    assert_int_equal(levels.ms[18], 7200000);
    assert_int_equal(levels_of(" 2d  1s ").ms[1], 172800000);
}

/* Goal: a text that is no table of levels is refused and nothing is changed.
 * Method: one text for each way to be wrong. */
static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",      "  ",  "1",    "s",           "1x",
                                         "1s,5s", "-1s", "1s 5", "99999999999s" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct delay_levels levels = { .count = 7 };
        assert_int_equal(delay_levels_parse(slice_str(wrong[i]), &levels), ERR_INVALID);
        assert_int_equal(levels.count, 7);
    }
    char many[4 * (DELAY_LEVELS_MAX + 1)];
    for (size_t i = 0; i < sizeof many; i += 3)
        memcpy(many + i, "1s ", sizeof many - i < 3 ? sizeof many - i : 3);
    struct delay_levels levels;
    assert_int_equal(delay_levels_parse(slice_of(many, 3 * (DELAY_LEVELS_MAX + 1)), &levels),
                     ERR_INVALID);
}

struct redirected {
    struct record record;
    bool done;
};

static struct redirected redirect(const char *properties, int32_t sys_flag, struct arena *arena)
{
    struct delay_levels levels = levels_of("1s 5s");
    struct redirected r = { .record = { .topic = SLICE("orders"),
                                        .queue_id = 3,
                                        .sys_flag = sys_flag,
                                        .properties = slice_str(properties) } };
    delay_redirect(&levels, &r.record, arena);
    r.done = slice_eq(r.record.topic, SLICE(TOPIC_SCHEDULE));
    return r;
}

static bool property_is(const struct record *record, const char *name, const char *value)
{
    return slice_eq(property_get(record->properties, slice_str(name)), slice_str(value));
}

/* Goal: a message with a level goes to that level's queue and remembers where it belongs.
 * Method: redirect one of level 2; a half message committed, too. */
static void a_level_sends_a_message_to_its_queue(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct redirected r = redirect("TAGS\001red\002DELAY\0012\002", 0, &arena);
    assert_true(r.done);
    assert_int_equal(r.record.queue_id, 1);
    assert_true(property_is(&r.record, "REAL_TOPIC", "orders"));
    assert_true(property_is(&r.record, "REAL_QID", "3"));
    assert_true(property_is(&r.record, "TAGS", "red"));
    assert_true(redirect("DELAY\0011\002", SYS_FLAG_TRANSACTION_COMMIT, &arena).done);
    arena_fini(&arena);
}

/* Goal: a level above the highest becomes the highest, in the stored property too.
 * Method: level 40 of 2. */
static void a_level_too_high_is_lowered(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct redirected r = redirect("DELAY\00140\002", 0, &arena);
    assert_true(r.done);
    assert_int_equal(r.record.queue_id, 1);
    assert_true(property_is(&r.record, "DELAY", "2"));
    arena_fini(&arena);
}

/* Goal: what has no level of its own stays where it is.
 * Method: no property, level 0, a negative one, no number, and half messages. */
static void messages_without_a_level_stay(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    assert_false(redirect("TAGS\001red\002", 0, &arena).done);
    assert_false(redirect("DELAY\0010\002", 0, &arena).done);
    assert_false(redirect("DELAY\001-1\002", 0, &arena).done);
    assert_false(redirect("DELAY\001soon\002", 0, &arena).done);
    struct redirected half = redirect("DELAY\0012\002", SYS_FLAG_TRANSACTION_PREPARED, &arena);
    assert_true(slice_eq(half.record.topic, SLICE("orders")));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_levels_are_read),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(a_level_sends_a_message_to_its_queue),
        cmocka_unit_test(a_level_too_high_is_lowered),
        cmocka_unit_test(messages_without_a_level_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
