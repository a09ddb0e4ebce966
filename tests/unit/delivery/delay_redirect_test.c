#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "delivery/delivery.h"
#include "delivery/property_is.h"

struct redirected {
    struct record record;
    bool done;
};

static struct redirected redirect(const char *properties, int32_t sys_flag, struct arena *arena)
{
    static const struct delay_levels levels = { .count = 2, .ms = { 0, 1000, 5000 } };
    struct redirected r = { .record = { .topic = SLICE("orders"),
                                        .queue_id = 3,
                                        .sys_flag = sys_flag,
                                        .properties = slice_str(properties) } };
    delay_redirect(&levels, &r.record, arena);
    r.done = slice_eq(r.record.topic, SLICE(TOPIC_SCHEDULE));
    return r;
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
        cmocka_unit_test(a_level_sends_a_message_to_its_queue),
        cmocka_unit_test(a_level_too_high_is_lowered),
        cmocka_unit_test(messages_without_a_level_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
