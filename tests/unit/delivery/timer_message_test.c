#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "delivery/timer_message.h"
#include "wire/properties.h"

enum { NOW_MS = 1000500 };

static const struct timer_rules rules = { .enable = true,
                                          .precision_ms = 1000,
                                          .max_delay_ms = 60000 };

static struct record record_with(const char *properties)
{
    return (struct record){ .topic = SLICE("orders"),
                            .queue_id = 3,
                            .store_timestamp = NOW_MS,
                            .properties = slice_str(properties) };
}

static void assert_property(const struct record *record, const char *name, const char *value)
{
    struct slice found = property_get(record->properties, slice_str(name));
    if (value == NULL) {
        assert_null(found.data);
        return;
    }
    assert_true(slice_eq(found, slice_str(value)));
}

static enum timer_verdict redirect(struct record *record, struct arena *arena)
{
    return timer_redirect(&rules, record, NOW_MS, arena);
}

/* Goal: each way of naming a time gives the tick before it; an exact multiple is the tick before.
 */
static void a_time_becomes_the_tick_before_it(void **state)
{
    static const struct {
        const char *properties;
        const char *out_ms;
        int64_t due_ms;
    } rows[] = {
        { "TIMER_DELIVER_MS\0011002001\002", "1002000", 1002001 },
        { "TIMER_DELIVER_MS\0011002000\002", "1001000", 1002000 },
        { "TIMER_DELAY_MS\0011\002", "1000000", 1000501 },
        { "TIMER_DELAY_MS\001500\002", "1000000", 1001000 },
        { "TIMER_DELAY_SEC\0015\002", "1005000", 1005500 },
        { "TIMER_DELIVER_MS\0011\002TIMER_DELAY_MS\0013000\002", "1003000", 1003500 },
        { "TIMER_DELAY_MS\0011\002TIMER_DELAY_SEC\0012\002", "1002000", 1002500 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct record record = record_with(rows[i].properties);
        assert_int_equal(redirect(&record, *state), TIMER_REDIRECTED);
        assert_true(slice_eq(record.topic, SLICE(TOPIC_TIMER)));
        assert_int_equal(record.queue_id, 0);
        assert_property(&record, "TIMER_OUT_MS", rows[i].out_ms);
        assert_property(&record, "REAL_TOPIC", "orders");
        assert_property(&record, "REAL_QID", "3");
        int64_t tick_ms = timer_tick_of(rows[i].due_ms, rules.precision_ms);
        assert_int_equal(timer_due_of(&record, tick_ms, rules.precision_ms), rows[i].due_ms);
    }
}

static void what_is_no_timer_stays_as_it_is(void **state)
{
    static const char *const rows[] = {
        "TAGS\001a\002",
        "TIMER_DELIVER_MS\0011000500\002",
        "TIMER_DELIVER_MS\001-5\002",
        "TIMER_DELAY_MS\0010\002",
        "TIMER_DELAY_MS\001900\002TIMER_OUT_MS\0011000000\002",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct record record = record_with(rows[i]);
        assert_int_equal(redirect(&record, *state), TIMER_NONE);
        assert_true(slice_eq(record.properties, slice_str(rows[i])));
        assert_true(slice_eq(record.topic, SLICE("orders")));
    }
    struct record half = record_with("TIMER_DELAY_MS\001900\002");
    half.sys_flag = SYS_FLAG_TRANSACTION_PREPARED;
    assert_int_equal(redirect(&half, *state), TIMER_NONE);
}

static void a_delay_level_wins(void **state)
{
    struct record record =
        record_with("TIMER_DELAY_SEC\0012\002DELAY\0013\002TIMER_DELIVER_MS\0019000000\002");
    assert_int_equal(redirect(&record, *state), TIMER_NONE);
    assert_property(&record, "DELAY", "3");
    assert_property(&record, "TIMER_DELAY_SEC", NULL);
    assert_property(&record, "TIMER_DELIVER_MS", NULL);
}

static void what_cannot_be_is_illegal(void **state)
{
    static const char *const rows[] = {
        "TIMER_DELIVER_MS\001soon\002",
        "TIMER_DELIVER_MS\0011060501\002",
        "TIMER_DELAY_MS\00160001\002",
        "TIMER_DELAY_SEC\00161\002",
        "TIMER_DELAY_SEC\0019223372036854775807\002",
        "TIMER_DELIVER_MS\0011000500\002TIMER_DEL_UNIQKEY\001a+b\002",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct record record = record_with(rows[i]);
        assert_int_equal(redirect(&record, *state), TIMER_ILLEGAL);
        assert_true(slice_eq(record.topic, SLICE("orders")));
    }
    struct record latest = record_with("TIMER_DELIVER_MS\0011060500\002");
    assert_int_equal(redirect(&latest, *state), TIMER_REDIRECTED);
}

static void nothing_waits_when_switched_off(void **state)
{
    struct timer_rules off = rules;
    off.enable = false;
    struct record record = record_with("TIMER_DELAY_MS\0011\002");
    assert_int_equal(timer_redirect(&off, &record, NOW_MS, *state), TIMER_NOT_ENABLED);
    struct record level = record_with("TIMER_DELAY_MS\0011\002DELAY\0011\002");
    assert_int_equal(timer_redirect(&off, &level, NOW_MS, *state), TIMER_NONE);
}

/* Goal: the exact time is believed only inside the tick: a record stored later than its sender's
 * delay counted from (by the reference, or when it was rolled) is due at the tick's end. */
static void an_exact_time_outside_the_tick_is_the_ticks_end(void **state)
{
    (void)state;
    struct record record = record_with("TIMER_DELAY_MS\001700\002");
    assert_int_equal(timer_due_of(&record, 1001000, 1000), 1001200);
    record.store_timestamp = NOW_MS + 900;
    assert_int_equal(timer_due_of(&record, 1001000, 1000), 1002000);
    record.properties = SLICE("TIMER_DELAY_MS\001700\002TIMER_DELIVER_MS\0011001201\002");
    assert_int_equal(timer_due_of(&record, 1001000, 1000), 1001201);
    record.properties = SLICE("");
    assert_int_equal(timer_due_of(&record, 1001000, 1000), 1002000);
}

static void precision_is_rounded_down_to_what_there_is(void **state)
{
    (void)state;
    static const int rows[][2] = { { 1, 100 },   { 100, 100 },   { 199, 100 },
                                   { 200, 200 }, { 499, 200 },   { 500, 500 },
                                   { 999, 500 }, { 1000, 1000 }, { 5000, 1000 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(timer_precision(rows[i][0]), rows[i][1]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_time_becomes_the_tick_before_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_timer_stays_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_delay_level_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_is_illegal, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_waits_when_switched_off, setup, teardown),
        cmocka_unit_test(an_exact_time_outside_the_tick_is_the_ticks_end),
        cmocka_unit_test(precision_is_rounded_down_to_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
