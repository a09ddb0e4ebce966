#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery/pop_order.h"
#include "meta/table_dir.h"

enum { T0 = 1000000 };

static struct pop_order *order;
static const struct pop_order_queue queue = { { (const uint8_t *)"t", 1 },
                                              { (const uint8_t *)"g", 1 },
                                              0 };

static int set_up(void **state)
{
    (void)state;
    return pop_order_new(&order);
}

static int tear_down(void **state)
{
    (void)state;
    pop_order_free(order);
    return 0;
}

#define ORDER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* Messages 10, 11, 12 for 100 ms; what orderCountInfo says. */
static const char *take(const char *attempt, int64_t begin, int64_t at)
{
    static char text[256];
    static const int64_t offsets[] = { 10, 11, 12 };
    struct pop_order_set set = { .attempt_id = slice_str(attempt),
                                 .pop_time_ms = at,
                                 .invisible_ms = 100,
                                 .begin_offset = begin,
                                 .queue_offsets = offsets + (begin > 10 ? begin - 10 : 0),
                                 .count = 3 - (int)(begin > 10 ? begin - 10 : 0) };
    struct buf counts = BUF_INIT;
    pop_order_took(order, &queue, &set, at, &counts);
    snprintf(text, sizeof text, "%.*s", SLICE_FMT(buf_slice(&counts)));
    buf_fini(&counts);
    return text;
}

static bool is_blocked(int64_t consumer_offset, const char *attempt, int64_t now)
{
    return pop_order_is_blocked(order, &queue, consumer_offset, slice_str(attempt), now);
}

static int64_t ack(int64_t offset, int64_t pop_time, int64_t now)
{
    int64_t next = -7;
    enum pop_order_answer answer = pop_order_ack(order, &queue, offset, pop_time, now, &next);
    return answer == POP_ORDER_COMMIT ? next : answer == POP_ORDER_NOT_ITS ? -1 : -2;
}

/* Goal: a popped set blocks its queue until each message is acknowledged. */
static void a_set_blocks_until_acked(void **state)
{
    (void)state;
    assert_false(is_blocked(10, NULL, T0));
    assert_string_equal(take(NULL, 10, T0), "0 0 0");
    assert_true(is_blocked(10, NULL, T0 + 99));
    assert_int_equal(ack(11, T0, T0 + 1), 10);
    assert_int_equal(ack(10, T0, T0 + 1), 12);
    assert_true(is_blocked(12, NULL, T0 + 1));
    assert_int_equal(ack(12, T0, T0 + 1), 13);
    assert_false(is_blocked(13, NULL, T0 + 1));
    assert_int_equal(pop_order_next_free(order), INT64_MAX);
}

/* Goal: acks of other messages or of an earlier pop change nothing, nor those of a set that is not
 * there: what is out before them would be passed over.
 */
static void foreign_acks_change_nothing(void **state)
{
    (void)state;
    assert_int_equal(ack(40, T0, T0), -1);
    take(NULL, 10, T0);
    assert_int_equal(ack(13, T0, T0), -1);
    assert_int_equal(ack(10, T0 - 1, T0), -2);
    assert_true(is_blocked(10, NULL, T0));
}

/* Goal: when its time is over the queue is free again, told once, and the messages count one more.
 */
static void time_frees_the_queue(void **state)
{
    (void)state;
    struct pop_order_queue freed;
    take(NULL, 10, T0);
    ack(10, T0, T0);
    assert_int_equal(pop_order_next_free(order), T0 + 100);
    assert_false(pop_order_take_freed(order, T0 + 99, &freed));
    assert_true(pop_order_take_freed(order, T0 + 100, &freed));
    assert_true(slice_eq(freed.topic, queue.topic));
    assert_false(pop_order_take_freed(order, T0 + 100, &freed));
    assert_false(is_blocked(11, NULL, T0 + 100));
    assert_string_equal(take(NULL, 11, T0 + 100), "0 qo0%11 1;0 qo0%12 1;0 0 1");
    assert_string_equal(take(NULL, 11, T0 + 300), "0 qo0%11 2;0 qo0%12 2;0 0 2");
}

/* Goal: what was acknowledged out of order stays so when the set comes again, also in parts. */
static void acks_out_of_order_outlive_their_set(void **state)
{
    (void)state;
    static const int64_t taken[] = { 10 };
    struct pop_order_set set = { .pop_time_ms = T0 + 200,
                                 .invisible_ms = 100,
                                 .begin_offset = 10,
                                 .queue_offsets = taken,
                                 .count = 1 };
    struct buf counts = BUF_INIT;
    take(NULL, 10, T0);
    ack(12, T0, T0);
    assert_true(pop_order_is_acked(order, &queue, 12));
    assert_false(pop_order_is_acked(order, &queue, 11));
    pop_order_took(order, &queue, &set, T0 + 200, &counts);
    assert_true(slice_eq(buf_slice(&counts), SLICE("0 qo0%10 1;0 0 1")));
    assert_true(pop_order_is_acked(order, &queue, 12));
    assert_int_equal(ack(10, T0 + 200, T0 + 201), 11); /* 11 is out, and was not taken again */
    assert_false(is_blocked(11, NULL, T0 + 201));
    assert_int_equal(ack(11, T0 + 200, T0 + 201), 13);
    buf_fini(&counts);
}

/* Goal: a set whose acks do not fit behind what is taken forgets them, and passes nothing over. */
static void more_acks_than_a_set_holds(void **state)
{
    (void)state;
    int64_t offsets[POP_ORDER_MESSAGES_MAX];
    struct pop_order_set set = { .invisible_ms = 100, .queue_offsets = offsets };
    struct buf counts = BUF_INIT;
    int64_t now = T0, at = 0;
    for (int round = 0; round < 4; round++, now += 1000) {
        for (set.count = 0; set.count < POP_ORDER_MESSAGES_MAX; at++)
            if (!pop_order_is_acked(order, &queue, at))
                offsets[set.count++] = at;
        set.pop_time_ms = now;
        pop_order_took(order, &queue, &set, now, &counts);
        for (int i = 1; i < set.count; i++)
            assert_int_equal(ack(offsets[i], now, now), 0);
        at = 0;
    }
    buf_fini(&counts);
}

/* Goal: the same attempt gets the set again at once, and it does not count as consumed once more.
 */
static void the_same_attempt_gets_the_set_again(void **state)
{
    (void)state;
    take("a1", 10, T0);
    assert_true(is_blocked(10, "a2", T0));
    assert_false(is_blocked(10, "a1", T0));
    assert_string_equal(take("a1", 10, T0 + 10), "0 0 0");
    assert_string_equal(take("a2", 10, T0 + 200), "0 qo0%10 1;0 qo0%11 1;0 qo0%12 1;0 0 1");
}

/* Goal: a message can be made visible sooner or later than its set. */
static void one_message_may_have_its_own_time(void **state)
{
    (void)state;
    take(NULL, 10, T0);
    ack(10, T0, T0);
    ack(11, T0, T0);
    assert_false(pop_order_change(order, &queue, 12, T0 - 1, T0 + 5, T0));
    assert_false(pop_order_change(order, &queue, 13, T0, T0 + 5, T0));
    assert_true(pop_order_change(order, &queue, 12, T0, T0 + 500, T0));
    assert_true(is_blocked(12, NULL, T0 + 499));
    assert_true(pop_order_change(order, &queue, 12, T0, T0 + 20, T0));
    assert_false(is_blocked(12, NULL, T0 + 20));
}

/* Goal: a queue that was popped before the clock was set back is blocked for as long as it would
 * have been, not until the clock gets there again; so are a message that was given more time since,
 * and what the file kept. */
static void a_clock_set_back_blocks_no_longer(void **state)
{
    (void)state;
    enum { FAR = 1000000000 };
    take(NULL, 10, T0 + FAR);
    assert_true(is_blocked(10, NULL, T0));
    assert_true(is_blocked(10, NULL, T0 + 99));
    assert_int_equal(pop_order_next_free(order), T0 + 100);
    assert_true(pop_order_change(order, &queue, 11, T0 + FAR, T0 + 500, T0 + 50));
    struct buf text = BUF_INIT;
    pop_order_text(order, T0 + 50, &text);
    assert_non_null(strstr((const char *)buf_slice(&text).data, "11:1000500"));
    buf_fini(&text);
    assert_int_equal(ack(10, T0 + FAR, T0 + 100), 11);
    assert_true(is_blocked(11, NULL, T0 + 499));
    assert_false(is_blocked(11, NULL, T0 + 500));
}

/* Goal: a consumer offset that was set from outside frees the queue. */
static void a_reset_offset_frees_the_queue(void **state)
{
    (void)state;
    take(NULL, 10, T0);
    assert_false(is_blocked(3, NULL, T0));
    take(NULL, 10, T0);
    assert_false(is_blocked(50, NULL, T0));
}

/* Goal: sets come back from the file as they were; what nobody popped for a day does not. */
static void sets_come_back_from_the_file(void **state)
{
    assert_int_equal(pop_order_new(&order), 0);
    take("a1", 10, T0);
    ack(11, T0, T0);
    pop_order_change(order, &queue, 12, T0, T0 + 700, T0);
    take("a1", 10, T0);
    ack(11, T0, T0);
    pop_order_change(order, &queue, 12, T0, T0 + 700, T0);
    assert_true(pop_order_changed(order));
    struct buf text = BUF_INIT;
    pop_order_text(order, T0, &text);
    assert_false(pop_order_changed(order));
    assert_non_null(memmem(text.data, text.len, "\"ot\":{12:", sizeof "\"ot\":{12:" - 1));
    table_dir_save(*state, &text);
    pop_order_free(order);

    assert_int_equal(pop_order_open(*state, &order), 0);
    assert_true(is_blocked(10, "a2", T0 + 699));
    assert_false(is_blocked(10, "a1", T0 + 1));
    assert_int_equal(ack(10, T0, T0), 12);
    assert_int_equal(ack(12, T0, T0), 13);
    text = BUF_INIT;
    pop_order_text(order, T0 + 25LL * 3600 * 1000, &text);
    assert_null(memmem(text.data, text.len, "t@g", sizeof "t@g" - 1));
    buf_fini(&text);
    pop_order_free(order);
}

/* Goal: the reference's file is read; sets that make no sense are left out. */
static void the_reference_file_is_read(void **state)
{
    table_dir_put(
        *state, "",
        "{\n\t\"table\":{\"t@g\":{0:{\"a\":\"x\",\"cm\":1,\"i\":100,\"l\":1000000,"
        "\"o\":[10,1],\"oc\":{11:3},\"popTime\":1000000\n},1:{\"o\":[]},2:{}},\"t\":{}}}");
    assert_int_equal(pop_order_open(*state, &order), 0);
    assert_true(is_blocked(11, NULL, T0 + 99));
    assert_int_equal(ack(11, T0, T0), 12);
    pop_order_free(order);
}

/* ---- model ------------------------------------------------------------------------------------
 *
 * One queue of endless messages and one group, as plainly as it can be said: what is out or was
 * acknowledged out of order, until when each is invisible, how often each was out before.
 */

enum { MODEL_OFFSETS = 6000, TIME_MAX_MS = 200 };

enum { MODEL_REACH = 100 }; /* a set is nearer to the offset than that */

enum model_state { NOT_IN_SET, OUT, ACKED };

struct order_model {
    int64_t now;
    int64_t committed;
    bool has_set;
    int64_t begin;
    int64_t first; /* of what the latest pop took */
    int count;
    int64_t pop_time_ms;
    const char *attempt;
    enum model_state states[MODEL_OFFSETS + MODEL_REACH]; /* by offset, as what follows */
    int64_t visible_ms[MODEL_OFFSETS + MODEL_REACH];
    int times[MODEL_OFFSETS + MODEL_REACH]; /* how often it was out, of the set's messages */
};

static int64_t model_low(const struct order_model *m)
{
    return m->committed > MODEL_REACH ? m->committed - MODEL_REACH : 0;
}

static int64_t model_high(const struct order_model *m)
{
    assert_true(m->committed < MODEL_OFFSETS);
    return m->committed + MODEL_REACH;
}

/* The set's first message that is out; behind its last one when none is. */
static int64_t model_next(const struct order_model *m)
{
    int64_t behind = 0;
    for (int64_t i = model_low(m); i < model_high(m); i++) {
        if (m->states[i] == OUT)
            return i;
        if (m->states[i] == ACKED)
            behind = i + 1;
    }
    return behind;
}

static int64_t model_free_ms(const struct order_model *m)
{
    int64_t free_ms = 0;
    for (int64_t i = model_low(m); m->has_set && i < model_high(m); i++)
        if (m->states[i] == OUT && m->visible_ms[i] > free_ms)
            free_ms = m->visible_ms[i];
    return free_ms;
}

static void model_forget(struct order_model *m, int64_t offset)
{
    m->states[offset] = NOT_IN_SET;
    m->times[offset] = 0;
}

static bool model_is_blocked(struct order_model *m, const char *attempt)
{
    if (m->has_set && (m->committed < m->begin || m->committed > model_next(m))) {
        m->has_set = false; /* reset from outside */
        for (int64_t i = model_low(m); i < model_high(m); i++)
            model_forget(m, i);
    }
    bool is_same = m->has_set && m->attempt != NULL && m->attempt == attempt;
    return !is_same && model_free_ms(m) > m->now;
}

/* What is behind the last that was acknowledged, and was not taken again, is not of the set. */
static void model_trim(struct order_model *m, int64_t last_taken)
{
    bool is_acked_behind = false;
    for (int64_t i = model_high(m) - 1; i >= model_low(m); i--) {
        is_acked_behind |= m->states[i] == ACKED;
        bool is_left = i < m->committed || (m->states[i] == OUT && !is_acked_behind);
        if (i <= last_taken && i >= m->committed)
            is_left = false;
        if (is_left)
            model_forget(m, i);
    }
}

static void model_take(struct order_model *m, const char *attempt)
{
    int64_t offsets[POP_ORDER_MESSAGES_MAX];
    struct buf said = BUF_INIT, expected = BUF_INIT;
    int count = 1 + (int)(random() % 4), least = INT_MAX;
    bool is_same = m->has_set && m->attempt != NULL && m->attempt == attempt;
    int64_t offset = m->committed;
    for (int i = 0; i < count; offset++) {
        assert_int_equal(pop_order_is_acked(order, &queue, offset), m->states[offset] == ACKED);
        if (m->states[offset] == ACKED)
            continue;
        offsets[i++] = offset;
    }
    model_trim(m, offsets[count - 1]);
    for (int i = 0; i < count; i++) {
        offset = offsets[i];
        m->times[offset] += m->states[offset] == OUT && !is_same;
        if (m->times[offset] > 0)
            pop_order_count_item(&expected, POP_OF_TOPIC, 0, offset, m->times[offset]);
        if (m->times[offset] < least)
            least = m->times[offset];
        m->states[offset] = OUT;
        m->visible_ms[offset] = m->now + TIME_MAX_MS / 2;
    }
    pop_queue_count_item(&expected, POP_OF_TOPIC, 0, least);
    m->has_set = true;
    m->begin = m->committed;
    m->first = offsets[0];
    m->count = (int)(offsets[count - 1] - offsets[0]) + 1;
    m->pop_time_ms = m->now;
    m->attempt = attempt;
    struct pop_order_set set = { .attempt_id = slice_str(attempt),
                                 .pop_time_ms = m->now,
                                 .invisible_ms = TIME_MAX_MS / 2,
                                 .begin_offset = m->committed,
                                 .queue_offsets = offsets,
                                 .count = count };
    pop_order_took(order, &queue, &set, m->now, &said);
    assert_true(slice_eq(buf_slice(&said), buf_slice(&expected)));
    buf_fini(&said);
    buf_fini(&expected);
}

static void model_pop(struct order_model *m)
{
    static const char *const attempts[] = { NULL, "a1", "a2" };
    const char *attempt = attempts[random() % 3];
    bool blocked = model_is_blocked(m, attempt);
    assert_int_equal(is_blocked(m->committed, attempt, m->now), blocked);
    if (!blocked)
        model_take(m, attempt);
}

/* Of a message in the set or beside it, with the handle of the latest pop or of one before. */
static void model_ack(struct order_model *m)
{
    if (!m->has_set)
        return;
    int i = (int)(random() % (m->count + 2)) - 1;
    bool is_stale = random() % 4 == 0;
    int64_t got = ack(m->first + i, m->pop_time_ms - (is_stale ? 1 : 0), m->now);
    if (is_stale) {
        assert_int_equal(got, -2);
    } else if (m->first + i < 0 || m->states[m->first + i] == NOT_IN_SET) {
        assert_int_equal(got, -1);
    } else {
        m->states[m->first + i] = ACKED;
        assert_int_equal(got, model_next(m));
        m->committed = got;
    }
}

static void model_change(struct order_model *m)
{
    if (!m->has_set)
        return;
    int64_t offset = m->first + random() % (m->count + 1);
    int64_t visible_ms = m->now + random() % TIME_MAX_MS;
    bool done = pop_order_change(order, &queue, offset, m->pop_time_ms, visible_ms, m->now);
    assert_int_equal(done, m->states[offset] != NOT_IN_SET);
    if (done)
        m->visible_ms[offset] = visible_ms;
}

/* The process ends and starts with what it saved. */
static void model_restart(struct order_model *m, void **state)
{
    struct buf text = BUF_INIT;
    pop_order_text(order, m->now, &text);
    table_dir_save(*state, &text);
    pop_order_free(order);
    assert_int_equal(pop_order_open(*state, &order), 0);
    m->begin = 0; /* which the file does not tell */
}

static void model_step(struct order_model *m, void **state)
{
    switch (random() % 16) {
    case 0:
        model_restart(m, state);
        break;
    case 1:
        m->committed += random() % 7 - 2; /* now and then outside of the set */
        if (m->committed < 0)
            m->committed = 0;
        break;
    case 2:
    case 3:
        model_change(m);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        model_ack(m);
        break;
    case 8:
    case 9:
    case 10:
        m->now += random() % TIME_MAX_MS;
        break;
    default:
        model_pop(m);
    }
}

/* Goal: over random pops with and without attempt ids, acks of the right and of other pops, changed
 * times, resets and restarts a queue is blocked exactly while something of its set is invisible,
 * the offset never passes what is out, what was acknowledged is not given again, and every
 * message's count is the number of its pops. Method: a model beside it. */
static void random_use_agrees_with_the_model(void **state)
{
    static struct order_model m;
    assert_int_equal(pop_order_new(&order), 0);
    for (unsigned seed = 1; seed <= 4; seed++) {
        srandom(seed);
        m = (struct order_model){ .now = T0 };
        for (int i = 0; i < 3000; i++) {
            model_step(&m, state);
            if (model_free_ms(&m) > m.now) /* it will be told when the queue is free */
                assert_int_equal(pop_order_next_free(order), model_free_ms(&m));
        }
        pop_order_remove_topic(order, queue.topic);
    }
    pop_order_free(order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ORDER_TEST(a_set_blocks_until_acked),
        ORDER_TEST(foreign_acks_change_nothing),
        ORDER_TEST(time_frees_the_queue),
        ORDER_TEST(acks_out_of_order_outlive_their_set),
        ORDER_TEST(more_acks_than_a_set_holds),
        ORDER_TEST(the_same_attempt_gets_the_set_again),
        ORDER_TEST(one_message_may_have_its_own_time),
        ORDER_TEST(a_clock_set_back_blocks_no_longer),
        ORDER_TEST(a_reset_offset_frees_the_queue),
        cmocka_unit_test_setup_teardown(random_use_agrees_with_the_model, table_dir_make,
                                        table_dir_remove),
        cmocka_unit_test_setup_teardown(sets_come_back_from_the_file, table_dir_make,
                                        table_dir_remove),
        cmocka_unit_test_setup_teardown(the_reference_file_is_read, table_dir_make,
                                        table_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
