#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery/pop.h"

enum { STARTED = 1000000 };

static struct pop_table *table;

static int set_up(void **state)
{
    (void)state;
    struct pop_options options = { .known_from_ms = STARTED, .max_count = 1000 };
    return pop_table_new(&options, &table);
}

static int tear_down(void **state)
{
    (void)state;
    pop_table_free(table);
    return 0;
}

#define POP_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* A checkpoint of `count` messages side by side, popped at `at` for 100 ms. */
static struct pop_checkpoint checkpoint(int64_t start_offset, int64_t at, int count)
{
    struct pop_checkpoint c = { .topic = SLICE("t"),
                                .group = SLICE("g"),
                                .broker_name = SLICE("b"),
                                .queue_id = 3,
                                .start_offset = start_offset,
                                .pop_time_ms = at,
                                .invisible_ms = 100,
                                .count = count };
    for (int i = 0; i < count; i++)
        c.distances[i] = i;
    return c;
}

static struct pop_point *find(int64_t start_offset, int64_t at)
{
    struct pop_key key = { SLICE("t"), SLICE("g"), 3, start_offset, at };
    return pop_find(table, &key);
}

/* How many messages of the queue that add() pops from are out. */
static int unacked(void)
{
    const struct pop_queue *queue = pop_queue_find(table, SLICE("t"), SLICE("g"), 3);
    return queue == NULL ? 0 : queue->unacked;
}

static void add(int64_t start_offset, int64_t at, int count)
{
    struct pop_checkpoint c = checkpoint(start_offset, at, count);
    assert_int_equal(pop_add(table, &c, 1, c.pop_time_ms), 0);
}

static void log_ack(int64_t start_offset, int64_t at, int64_t queue_offset)
{
    struct pop_log_ack ack = { .topic = SLICE("t"),
                               .group = SLICE("g"),
                               .queue_id = 3,
                               .start_offset = start_offset,
                               .pop_time_ms = at,
                               .queue_offsets = &queue_offset,
                               .count = 1 };
    pop_log_ack(table, &ack, at);
}

static void log_checkpoint(int64_t start_offset, int64_t at, int count, int64_t log_offset)
{
    struct pop_checkpoint c = checkpoint(start_offset, at, count);
    assert_int_equal(pop_log_checkpoint(table, &c, 1, log_offset), 0);
}

/* Goal: a checkpoint is gone with its last ack, and nothing of it comes back. */
static void an_acked_checkpoint_is_gone(void **state)
{
    (void)state;
    add(10, STARTED, 2);
    assert_int_equal(unacked(), 2);
    struct pop_point *p = find(10, STARTED);
    pop_mark(table, p, pop_index_of(p, 11));
    assert_ptr_equal(find(10, STARTED), p);
    assert_true(pop_is_acked(p, 1));
    assert_int_equal(unacked(), 1);
    pop_mark(table, p, pop_index_of(p, 10));
    assert_null(find(10, STARTED));
    assert_null(pop_queue_find(table, SLICE("t"), SLICE("g"), 3));
    assert_null(pop_take_due(table, INT64_MAX, INT64_MAX));
    assert_int_equal(pop_next_due(table, 0, 0), INT64_MAX);
}

/* Goal: what is not acknowledged is due after its time to the millisecond, not before, and once. */
static void the_rest_is_due_in_time(void **state)
{
    (void)state;
    add(10, STARTED, 2);
    pop_mark(table, find(10, STARTED), 0);
    assert_int_equal(pop_next_due(table, STARTED, STARTED), STARTED + 100);
    assert_null(pop_take_due(table, STARTED + 99, STARTED + 99));
    struct pop_point *p = pop_take_due(table, STARTED + 100, 0);
    assert_non_null(p);
    assert_null(pop_take_due(table, STARTED + 100, 0));
    assert_true(pop_is_acked(p, 0));
    assert_false(pop_is_acked(p, 1));
    pop_mark(table, p, 1);
    assert_null(find(10, STARTED));
}

/* Goal: what cannot be put again waits longer from attempt to attempt, and stays for ever. */
static void failed_attempts_wait_longer(void **state)
{
    (void)state;
    static const int seconds[] = { 10, 20, 30, 60 };
    int64_t now = STARTED + 100;
    add(10, STARTED, 1);
    for (int i = 0; i < 4; i++) {
        pop_put_back(table, pop_take_due(table, now, now), now);
        assert_null(pop_take_due(table, now + seconds[i] * 1000 - 1, now));
        now += seconds[i] * 1000;
    }
    for (int i = 0; i < 30; i++) {
        pop_put_back(table, pop_take_due(table, now, now), now);
        now += 7200 * 1000;
    }
    assert_non_null(pop_take_due(table, now, now));
}

/* Goal: what is put off is due then, and its attempts do not count. */
static void what_is_put_off_is_due_later(void **state)
{
    (void)state;
    add(10, STARTED, 1);
    pop_put_off(table, pop_take_due(table, STARTED + 100, 0), STARTED + 120);
    assert_null(pop_take_due(table, STARTED + 119, 0));
    assert_int_equal(pop_take_due(table, STARTED + 120, 0)->tries, 0);
}

/* Goal: messages that do not stand side by side are told apart. */
static void distances_are_kept(void **state)
{
    (void)state;
    struct pop_checkpoint c = checkpoint(10, STARTED, 3);
    c.distances[1] = 4;
    c.distances[2] = 70000;
    assert_int_equal(pop_add(table, &c, 1, c.pop_time_ms), 0);
    struct pop_point *p = find(10, STARTED);
    assert_int_equal(pop_index_of(p, 14), 1);
    assert_int_equal(pop_index_of(p, 70010), 2);
    assert_int_equal(pop_index_of(p, 11), -1);
    assert_int_equal(pop_offset_at(p, 2), 70010);
}

/* Goal: no two checkpoints share a key; other queues, groups and times have their own. */
static void keys_are_unique(void **state)
{
    (void)state;
    add(10, STARTED, 1);
    struct pop_checkpoint c = checkpoint(10, STARTED, 1);
    assert_int_equal(pop_add(table, &c, 1, c.pop_time_ms), ERR_EXISTS);
    c.queue_id = 4;
    assert_int_equal(pop_add(table, &c, 1, c.pop_time_ms), 0);
    c.group = SLICE("h");
    assert_int_equal(pop_add(table, &c, 1, c.pop_time_ms), 0);
    add(10, STARTED + 1, 1);
    assert_int_equal(unacked(), 2);
    assert_non_null(pop_queue_find(table, SLICE("t"), SLICE("g"), 4));
    assert_non_null(pop_queue_find(table, SLICE("t"), SLICE("h"), 4));
    c.topic = (struct slice){ (const uint8_t *)"", 0 };
    char name[2000] = { 0 };
    c.group = slice_of(name, sizeof name);
    assert_int_equal(pop_add(table, &c, 1, c.pop_time_ms), ERR_INVALID);
}

/* Goal: when the table is full, what is left out is not taken for finished. */
static void a_full_table_knows_less(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        add(i, STARTED, 1);
    struct pop_checkpoint c = checkpoint(1000, STARTED + 5, 1);
    assert_true(pop_is_known(table, STARTED));
    assert_int_equal(pop_add(table, &c, 1, c.pop_time_ms), ERR_TOO_BIG);
    assert_false(pop_is_known(table, STARTED + 5));
    assert_true(pop_is_known(table, STARTED + 6));
    assert_int_equal(pop_log_checkpoint(table, &c, 1, 0), ERR_TOO_BIG);
    pop_mark(table, find(0, STARTED), 0);
    assert_int_equal(pop_log_checkpoint(table, &c, 1, 0), 0);
    assert_non_null(find(1000, STARTED + 5));
}

/* Goal: what the log brings of this process is either at hand or finished, and never due twice. */
static void the_log_brings_nothing_back(void **state)
{
    (void)state;
    add(10, STARTED, 1);
    add(11, STARTED, 1);
    pop_mark(table, find(10, STARTED), 0);
    log_checkpoint(10, STARTED, 1, 0);
    log_checkpoint(11, STARTED, 1, 1);
    assert_null(find(10, STARTED));
    assert_int_equal(pop_log_committed(table, 1, 2), 0);
    log_ack(10, STARTED, 10);
    pop_mark(table, pop_take_due(table, STARTED + 100, 0), 0);
    assert_int_equal(pop_log_committed(table, 1, 2), 1);
}

/* Goal: a checkpoint of an earlier process is due only when its acks had the time to come from the
 * log; the log's progress waits for it. */
static void an_earlier_checkpoint_waits_for_its_acks(void **state)
{
    (void)state;
    int64_t before = STARTED - 50;
    assert_false(pop_is_known(table, before));
    log_checkpoint(10, before, 2, 7);
    log_checkpoint(20, before, 1, 8);
    assert_int_equal(pop_log_committed(table, 1, 9), 6);
    log_ack(10, before, 11);
    log_ack(20, before, 20);
    assert_int_equal(pop_log_committed(table, 1, 9), 6);
    assert_null(pop_take_due(table, before + 200, before + 99));
    assert_true(pop_next_due(table, before + 200, before + 99) > before + 200);
    struct pop_point *p = pop_take_due(table, before + 200, before + 100);
    assert_int_equal(p->start_offset, 10);
    pop_mark(table, p, 0);
    assert_int_equal(pop_log_committed(table, 1, 9), 8);
    assert_int_equal(pop_log_committed(table, 2, 0), -1);
}

/* Goal: an ack of this process for a checkpoint of an earlier one counts when that comes; one that
 * never comes is forgotten. */
static void an_early_ack_waits_for_its_checkpoint(void **state)
{
    (void)state;
    int64_t before = STARTED - 50;
    struct pop_key key = { SLICE("t"), SLICE("g"), 3, 10, before };
    struct pop_key never = { SLICE("t"), SLICE("g"), 3, 99, before };
    pop_ack_early(table, &key, before + 100, 11);
    pop_ack_early(table, &key, before + 100, 77);
    pop_ack_early(table, &never, before + 100, 99);
    log_checkpoint(10, before, 2, 0);
    assert_true(pop_is_acked(find(10, before), 1));
    assert_false(pop_is_acked(find(10, before), 0));
    assert_non_null(pop_take_due(table, before + 100000, before + 100000));
    log_checkpoint(99, before, 1, 1);
    assert_non_null(find(99, before));
    key.start_offset = 50;
    pop_ack_early(table, &key, before + 100, 50);
    log_checkpoint(50, before, 1, 2);
    assert_null(find(50, before));
}

/* Goal: a checkpoint of an earlier process that the timer brings again, for its check point was
 * older, is known as finished by the acks that stand before it; also when it comes a third time.
 * One that was not acknowledged whole is not. */
static void a_checkpoint_that_comes_again_is_finished(void **state)
{
    (void)state;
    int64_t before = STARTED - 50;
    log_checkpoint(10, before, 2, 0);
    log_ack(10, before, 10);
    log_ack(10, before, 11);
    assert_null(find(10, before));
    for (int64_t log_offset = 3; log_offset < 5; log_offset++) {
        log_checkpoint(10, before, 2, log_offset);
        assert_null(find(10, before));
    }
    log_ack(20, before, 20); /* its checkpoint stands before what is read */
    log_checkpoint(20, before, 2, 6);
    assert_true(pop_is_acked(find(20, before), 0));
    assert_false(pop_is_acked(find(20, before), 1));
}

/* Goal: one pop at a time reads a queue of a group. */
static void a_queue_is_read_by_one(void **state)
{
    (void)state;
    struct pop_queue *first;
    struct pop_queue *other;
    assert_true(pop_queue_claim(table, SLICE("t"), SLICE("g"), 0, &first));
    assert_false(pop_queue_claim(table, SLICE("t"), SLICE("g"), 0, &other));
    assert_true(pop_queue_claim(table, SLICE("t"), SLICE("h"), 0, &other));
    pop_queue_release(table, first);
    assert_true(pop_queue_claim(table, SLICE("t"), SLICE("g"), 0, &first));
    pop_queue_release(table, first);
    pop_queue_release(table, other);
    assert_null(pop_queue_find(table, SLICE("t"), SLICE("g"), 0));
}

/* ---- model ---------------------------------------------------------------------------------- */

enum { MODEL_MESSAGES = 400 };

/* What the simplest account of pops knows of a message. */
struct model_message {
    int64_t start_offset;
    int64_t pop_time_ms;
    int64_t due_ms; /* 0: not out */
};

static void model_step(struct model_message *model, int64_t now, int64_t *next)
{
    int count = 1 + (int)(random() % 5);
    if (random() % 2 == 0 && *next + count <= MODEL_MESSAGES) {
        struct pop_checkpoint c = checkpoint(*next, now, count);
        c.invisible_ms = random() % 300;
        if (pop_add(table, &c, (int32_t)(*next % 8), c.pop_time_ms) != 0)
            return;
        for (int i = 0; i < count; i++)
            model[*next + i] = (struct model_message){ *next, now, now + c.invisible_ms };
        *next += count;
    } else if (*next > 0) {
        int64_t offset = random() % *next;
        struct pop_point *p = find(model[offset].start_offset, model[offset].pop_time_ms);
        int index = p == NULL ? -1 : pop_index_of(p, offset);
        bool is_out = index >= 0 && !pop_is_acked(p, index);
        assert_int_equal(is_out, model[offset].due_ms != 0);
        if (is_out)
            pop_mark(table, p, index);
        model[offset].due_ms = 0;
    }
}

/* Goal: at every moment exactly those messages are due whose time is over and that nobody
 * acknowledged. Method: random pops, acks and time, beside an array of all messages. */
static void random_use_agrees_with_the_model(void **state)
{
    (void)state;
    static struct model_message model[MODEL_MESSAGES];
    int64_t next = 0;
    int64_t now = STARTED;
    srandom(11);
    for (int step = 0; step < 3000; step++) {
        model_step(model, now, &next);
        now += random() % 4;
        for (struct pop_point *p; (p = pop_take_due(table, now, now)) != NULL;) {
            int count = p->count;
            int64_t start = p->start_offset;
            assert_true(pop_revive_ms(p) <= now);
            for (int i = 0; i < count; i++)
                if (!pop_is_acked(p, i))
                    assert_int_equal(model[start + i].due_ms, pop_revive_ms(p));
            for (int i = 0; i < count; i++)
                model[start + i].due_ms = 0;
            pop_finish(table, p);
        }
        int out = 0;
        for (int i = 0; i < MODEL_MESSAGES; i++) {
            assert_true(model[i].due_ms == 0 || model[i].due_ms > now);
            out += model[i].due_ms != 0 ? 1 : 0;
        }
        assert_int_equal(unacked(), out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POP_TEST(an_acked_checkpoint_is_gone),
        POP_TEST(the_rest_is_due_in_time),
        POP_TEST(failed_attempts_wait_longer),
        POP_TEST(what_is_put_off_is_due_later),
        POP_TEST(distances_are_kept),
        POP_TEST(keys_are_unique),
        POP_TEST(a_full_table_knows_less),
        POP_TEST(the_log_brings_nothing_back),
        POP_TEST(an_earlier_checkpoint_waits_for_its_acks),
        POP_TEST(an_early_ack_waits_for_its_checkpoint),
        POP_TEST(a_checkpoint_that_comes_again_is_finished),
        POP_TEST(a_queue_is_read_by_one),
        POP_TEST(random_use_agrees_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
