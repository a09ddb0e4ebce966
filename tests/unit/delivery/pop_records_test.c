#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery/pop.h"
#include "wire/properties.h"

static const struct pop_log_place place = {
    .topic = { (const uint8_t *)"rmq_sys_REVIVE_LOG_c", 20 }, .queue_id = 5, .now_ms = 77
};

static void assert_property(const struct record *record, const char *name, const char *value)
{
    struct slice found = property_get(record->properties, slice_str(name));
    if (value == NULL)
        assert_null(found.data);
    else
        assert_true(slice_eq(found, slice_str(value)));
}

/* Goal: a checkpoint's record goes to the log a second before its messages are due, under the
 * reference's unique key. */
static void a_checkpoint_is_due_ahead(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct record record;
    struct pop_checkpoint c = { .topic = SLICE("t"),
                                .group = SLICE("g"),
                                .broker_name = SLICE("b"),
                                .queue_id = 2,
                                .start_offset = 9,
                                .pop_time_ms = 10000,
                                .invisible_ms = 60000,
                                .count = 1 };
    pop_checkpoint_record(&c, &place, 12, &arena, &record);
    assert_property(&record, "TAGS", "ck");
    assert_property(&record, "TIMER_DELIVER_MS", "69000");
    assert_property(&record, "UNIQ_KEY", "t@2@9@g@10000@b@ck");
    assert_property(&record, "POP_NEXT", "12");
    assert_int_equal(record.queue_id, 5);
    struct pop_checkpoint read;
    assert_int_equal(pop_checkpoint_decode(record.body, &arena, &read), 0);
    assert_int_equal(read.start_offset, 9);
    pop_checkpoint_record(&c, &place, -1, &arena, &record);
    assert_property(&record, "POP_NEXT", NULL);
    arena_fini(&arena);
}

/* Goal: an ack's record is due with its checkpoint's messages, or at once. */
static void an_ack_is_due_with_its_messages(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct record record;
    int64_t offsets[] = { 9, 10 };
    struct pop_log_ack ack = { .topic = SLICE("t"),
                               .group = SLICE("g"),
                               .broker_name = SLICE("b"),
                               .queue_id = 2,
                               .start_offset = 9,
                               .pop_time_ms = 10000,
                               .queue_offsets = offsets,
                               .count = 1 };
    pop_ack_record(&ack, &place, 70000, &arena, &record);
    assert_property(&record, "TAGS", "ack");
    assert_property(&record, "TIMER_DELIVER_MS", "70000");
    assert_property(&record, "UNIQ_KEY", "t@2@9@g@10000@b@ack");
    ack.is_batch = true;
    ack.count = 2;
    pop_ack_record(&ack, &place, 0, &arena, &record);
    assert_property(&record, "TAGS", "bAck");
    assert_property(&record, "TIMER_DELIVER_MS", NULL);
    assert_property(&record, "UNIQ_KEY", "t@2@-1@g@10000@b@ack");
    arena_fini(&arena);
}

/* Goal: a message put again counts one more attempt and remembers its first pop. */
static void a_message_put_again_remembers_its_first_pop(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct host self = { .port = 1 };
    struct record record = {
        .topic = SLICE("t"), .queue_id = 4, .body = SLICE("x"), .properties = SLICE("TAGS\001a\002")
    };
    pop_retry_record(&record, SLICE("%RETRY%g_t"), 500, &self, &arena);
    assert_property(&record, "1ST_POP_TIME", "500");
    assert_property(&record, "TAGS", "a");
    assert_int_equal(record.reconsume_times, 1);
    assert_int_equal(record.queue_id, 0);
    pop_retry_record(&record, SLICE("%RETRY%g_t"), 900, &self, &arena);
    assert_property(&record, "1ST_POP_TIME", "500");
    assert_int_equal(record.reconsume_times, 2);
    record.reconsume_times = INT32_MAX;
    pop_retry_record(&record, SLICE("%RETRY%g_t"), 900, &self, &arena);
    assert_int_equal(record.reconsume_times, INT32_MAX);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_is_due_ahead),
        cmocka_unit_test(an_ack_is_due_with_its_messages),
        cmocka_unit_test(a_message_put_again_remembers_its_first_pop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
