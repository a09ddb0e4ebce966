#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "delivery/delivery.h"
#include "store/store_dir.h"
#include "wire/properties.h"

enum { START_MS = 1000000, DELIVERED_MAX = 64 };

/* A store in a directory of its own, a delay service on it, and what that delivered. Time is a
 * number of the test. */
struct fixture {
    struct store_dir *dir;
    struct delay *delay;
    struct arena arena;
    struct {
        char body[16];
        char topic[16];
        char properties[128];
        int32_t queue_id;
        int32_t reconsume_times;
    } delivered[DELIVERED_MAX];
    int delivered_count;
    int refusals; /* so many puts fail first */
};

static int put(void *ctx, struct record *record, struct arena *arena)
{
    (void)arena;
    struct fixture *f = ctx;
    if (f->refusals > 0) {
        f->refusals--;
        return ERR_DISK_FULL;
    }
    assert_in_range(f->delivered_count, 0, DELIVERED_MAX - 1);
    int i = f->delivered_count++;
    snprintf(f->delivered[i].body, sizeof f->delivered[i].body, "%.*s", SLICE_FMT(record->body));
    snprintf(f->delivered[i].topic, sizeof f->delivered[i].topic, "%.*s", SLICE_FMT(record->topic));
    snprintf(f->delivered[i].properties, sizeof f->delivered[i].properties, "%.*s",
             SLICE_FMT(record->properties));
    f->delivered[i].queue_id = record->queue_id;
    f->delivered[i].reconsume_times = record->reconsume_times;
    return 0;
}

static void open_delay(struct fixture *f, const struct delay_offsets *offsets)
{
    struct delay_options options = {
        .store = f->dir->store, .offsets = *offsets, .put = put, .ctx = f
    };
    assert_int_equal(delay_new(&options, &f->delay), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = store_dir_new();
    struct store_options *options = &f->dir->options;
    options->commit_log_file_bytes = 1 << 20;
    options->consume_queue_file_bytes = 20 * 1000;
    options->index_enable = false;
    options->message_delay_level = "1s 5s 10s";
    options->flush_interval_ms = ANY_TEST_MS; /* else a head is read while its queue is flushed */
    options->queue_flush_interval_ms = ANY_TEST_MS;
    store_dir_open(f->dir);
    store_dir_calm(f->dir->store);
    arena_init(&f->arena);
    struct delay_offsets none;
    for (int level = 0; level <= DELAY_LEVELS_MAX; level++)
        none.next[level] = -1;
    open_delay(f, &none);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    delay_free(f->delay);
    store_dir_close(f->dir);
    store_dir_remove(f->dir);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

static void put_record(struct fixture *f, struct record *record, int64_t now_ms)
{
    struct store_put_result result;
    assert_int_equal(store_put(f->dir->store, record, 1, now_ms, &result, NULL), 0);
    delay_arrived(f->delay, record->queue_id);
}

/* Stores a message for queue 2 of topic "orders", stamped at now_ms, on `level`. */
static void put_delayed(struct fixture *f, const char *body, int level, int64_t now_ms)
{
    struct record record = {
        .topic = SLICE("orders"),
        .queue_id = 2,
        .reconsume_times = 4,
        .body = slice_str(body),
        .properties = arena_printf(&f->arena, "TAGS\001red\002DELAY\001%d\002", level),
    };
    delay_redirect(store_delay_levels(f->dir->store), &record, &f->arena);
    put_record(f, &record, now_ms);
}

/* Returns when to run again. */
static int64_t run(struct fixture *f, int64_t now_ms, int budget)
{
    delay_run(f->delay, now_ms, budget);
    return delay_next_due(f->delay, now_ms);
}

static void assert_delivered(const struct fixture *f, const char *const bodies[], int count)
{
    assert_int_equal(f->delivered_count, count);
    for (int i = 0; i < count; i++)
        assert_string_equal(f->delivered[i].body, bodies[i]);
}

/* Goal: never early, and on time: nothing a millisecond before, the message when it is due.
 * Method: run at both times; the run tells when it wants to be called. */
static void a_message_is_delivered_when_due_and_not_before(void **state)
{
    struct fixture *f = *state;
    put_delayed(f, "a", 2, START_MS);
    assert_int_equal(run(f, START_MS, 100), START_MS + 5000);
    assert_int_equal(run(f, START_MS + 4999, 100), START_MS + 5000);
    assert_int_equal(f->delivered_count, 0);
    assert_int_equal(run(f, START_MS + 5000, 100), INT64_MAX);
    assert_delivered(f, (const char *const[]){ "a" }, 1);
}

/* Goal: the delivered message is what was sent: topic, queue and all properties, also those that
 * name the delay, as the reference leaves them. Method: compare what was put. */
static void a_delivered_message_is_what_was_sent(void **state)
{
    struct fixture *f = *state;
    put_delayed(f, "a", 1, START_MS);
    delay_run(f->delay, START_MS + 1000, 100);
    assert_int_equal(f->delivered_count, 1);
    assert_string_equal(f->delivered[0].topic, "orders");
    assert_int_equal(f->delivered[0].queue_id, 2);
    assert_int_equal(f->delivered[0].reconsume_times, 4);
    struct slice properties = slice_str(f->delivered[0].properties);
    assert_true(slice_eq(property_get(properties, SLICE("TAGS")), SLICE("red")));
    assert_true(slice_eq(property_get(properties, SLICE("DELAY")), SLICE("1")));
    assert_true(slice_eq(property_get(properties, SLICE("REAL_TOPIC")), SLICE("orders")));
}

/* Goal: levels do not wait for each other; within one the order is kept.
 * Method: a long delay first, then short ones; run when the short ones are due. */
static void a_long_delay_does_not_hold_up_a_short_one(void **state)
{
    struct fixture *f = *state;
    put_delayed(f, "long", 3, START_MS);
    put_delayed(f, "a", 1, START_MS + 1);
    put_delayed(f, "b", 1, START_MS + 2);
    assert_int_equal(run(f, START_MS + 1002, 100), START_MS + 10000);
    assert_delivered(f, (const char *const[]){ "a", "b" }, 2);
}

/* Goal: a run does no more than its budget, serves the levels in turn, and says that it is not
 * done. Method: three messages on each of two levels, all due, delivered two at a time. */
static void a_run_keeps_to_its_budget_and_takes_turns(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        put_delayed(f, "one", 1, START_MS);
        put_delayed(f, "two", 2, START_MS);
    }
    int64_t late_ms = START_MS + 60000;
    assert_int_equal(run(f, late_ms, 2), late_ms);
    assert_delivered(f, (const char *const[]){ "one", "two" }, 2);
    assert_int_equal(run(f, late_ms, 2), late_ms);
    delay_run(f->delay, late_ms, 2);
    assert_int_equal(f->delivered_count, 6);
    assert_int_equal(run(f, late_ms, 2), INT64_MAX);
}

/* Goal: a message whose put fails is tried again, before what follows it.
 * Method: let two puts fail; look at the times asked for and the order. */
static void a_failed_put_is_tried_again(void **state)
{
    struct fixture *f = *state;
    put_delayed(f, "a", 1, START_MS);
    put_delayed(f, "b", 1, START_MS);
    f->refusals = 2;
    int64_t now_ms = START_MS + 1000;
    assert_int_equal(run(f, now_ms, 100), now_ms + DELAY_RETRY_MS);
    assert_int_equal(f->delivered_count, 0);
    assert_int_equal(delay_progress(f->delay)->next[1], 0);
    assert_int_equal(run(f, now_ms + 10, 100), now_ms + DELAY_RETRY_MS);
    now_ms += DELAY_RETRY_MS;
    delay_run(f->delay, now_ms, 100);
    delay_run(f->delay, now_ms + DELAY_RETRY_MS, 100);
    assert_delivered(f, (const char *const[]){ "a", "b" }, 2);
}

/* Goal: after a restart delivery goes on where it stood; offsets that the queue does not have are
 * corrected.
 * Method: deliver one of two, open again with the progress; then with offsets beyond the end. */
static void progress_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    put_delayed(f, "a", 1, START_MS);
    put_delayed(f, "b", 1, START_MS + 500);
    delay_run(f->delay, START_MS + 1000, 100);
    struct delay_offsets saved = *delay_progress(f->delay);
    assert_int_equal(saved.next[1], 1);
    assert_int_equal(saved.next[2], -1);
    delay_free(f->delay);
    open_delay(f, &saved);
    delay_run(f->delay, START_MS + 2000, 100);
    assert_delivered(f, (const char *const[]){ "a", "b" }, 2);

    delay_free(f->delay);
    saved.next[1] = 99;
    open_delay(f, &saved);
    assert_int_equal(delay_progress(f->delay)->next[1], 2);
    put_delayed(f, "c", 1, START_MS);
    delay_run(f->delay, START_MS + 2000, 100);
    assert_int_equal(f->delivered_count, 3);
}

/* Goal: a level counts from its first message on, also after a crash before anything was saved.
 * Method: put one on level 3, deliver nothing; open again with nothing saved. */
static void a_level_shows_what_waits_before_it_delivered_anything(void **state)
{
    struct fixture *f = *state;
    struct delay_offsets none = *delay_progress(f->delay);
    assert_int_equal(none.next[3], -1);
    put_delayed(f, "a", 3, START_MS);
    assert_int_equal(delay_progress(f->delay)->next[3], 0);
    delay_free(f->delay);
    open_delay(f, &none);
    assert_int_equal(delay_progress(f->delay)->next[3], 0);
    assert_int_equal(delay_progress(f->delay)->next[2], -1);
}

/* Goal: nothing asks to be called while nothing waits, and an arrival changes that.
 * Method: run an empty service, then put. */
static void an_idle_service_does_not_ask_to_run(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, START_MS, 100), INT64_MAX);
    assert_int_equal(delay_next_due(f->delay, START_MS), INT64_MAX);
    put_delayed(f, "a", 1, START_MS);
    assert_int_equal(delay_next_due(f->delay, START_MS), START_MS);
    assert_int_equal(run(f, START_MS, 100), START_MS + 1000);
    delay_arrived(f->delay, 77);
    assert_int_equal(delay_next_due(f->delay, START_MS), START_MS + 1000);
}

/* Goal: a message that names no real topic, or the topic of half messages, does not block its
 * level. Method: put such records straight into the delay topic, a good one behind them. */
static void undeliverable_messages_are_passed_over(void **state)
{
    struct fixture *f = *state;
    struct record nameless = { .topic = SLICE(TOPIC_SCHEDULE),
                               .body = SLICE("x"),
                               .properties = SLICE("DELAY\0011\002") };
    struct record half = nameless;
    half.properties =
        SLICE("DELAY\0011\002REAL_TOPIC\001RMQ_SYS_TRANS_HALF_TOPIC\002REAL_QID\0010\002");
    put_record(f, &nameless, START_MS);
    put_record(f, &half, START_MS);
    put_delayed(f, "a", 1, START_MS);
    delay_run(f->delay, START_MS + 1000, 100);
    assert_delivered(f, (const char *const[]){ "a" }, 1);
    assert_int_equal(delay_progress(f->delay)->next[1], 3);
}

/* Goal: when the clock was set back, no message waits longer than its level's delay from now.
 * Method: store at a late time, run at an early one. */
static void a_clock_set_back_does_not_hold_messages_longer(void **state)
{
    struct fixture *f = *state;
    put_delayed(f, "a", 1, START_MS + 3600000);
    assert_int_equal(run(f, START_MS, 100), START_MS + 1000);
    delay_run(f->delay, START_MS + 1000, 100);
    assert_int_equal(f->delivered_count, 1);
}

/* Goal: the same when the time had been looked up before, or a put had failed: neither holds up the
 * level until the clock is there again. */
static void what_was_noted_before_the_clock_was_set_back_does_not_hold_either(void **state)
{
    struct fixture *f = *state;
    int64_t ahead_ms = START_MS + 3600000;
    put_delayed(f, "a", 1, ahead_ms);
    assert_int_equal(run(f, ahead_ms, 100), ahead_ms + 1000);
    assert_int_equal(run(f, START_MS, 100), START_MS + 1000);
    put_delayed(f, "b", 2, ahead_ms);
    f->refusals = 1;
    delay_run(f->delay, ahead_ms + 5000, 100);
    assert_int_equal(f->delivered_count, 1);
    delay_run(f->delay, START_MS, 100);
    delay_run(f->delay, START_MS + 5000, 100);
    assert_delivered(f, (const char *const[]){ "b", "a" }, 2);
}

/* ---- the model ------------------------------------------------------------------------------- */

enum { LEVELS = 3, MODEL_MESSAGES = 400, BUDGET_MOST = 40 };

/* Levels as plainly as it can be said: a queue each, how far it was delivered, how far when that
 * was saved. */
struct delay_model {
    int sent;
    int level_of[MODEL_MESSAGES];
    int64_t due_ms[MODEL_MESSAGES];
    struct {
        int ids[MODEL_MESSAGES];
        int count, at, saved_at;
    } levels[LEVELS + 1];
    struct delay_offsets saved;
    int64_t now_ms;
    int64_t retry_ms; /* a put failed: until then a level may wait */
};

static void model_save(struct fixture *f, struct delay_model *m)
{
    m->saved = *delay_progress(f->delay);
    for (int level = 1; level <= LEVELS; level++)
        m->levels[level].saved_at = m->levels[level].at;
}

static void model_send(struct fixture *f, struct delay_model *m)
{
    static const int64_t delays_ms[LEVELS + 1] = { 0, 1000, 5000, 10000 };
    char body[16];
    int level = 1 + (int)(random() % LEVELS);
    if (m->sent == MODEL_MESSAGES)
        return;
    snprintf(body, sizeof body, "%d", m->sent);
    put_delayed(f, body, level, m->now_ms);
    m->level_of[m->sent] = level;
    m->due_ms[m->sent] = m->now_ms + delays_ms[level];
    m->levels[level].ids[m->levels[level].count++] = m->sent++;
}

/* What came is the next of its level and is due; what did not come is not due. */
static void model_run(struct fixture *f, struct delay_model *m, int budget)
{
    int refusals = f->refusals;
    bool is_done = run(f, m->now_ms, budget) > m->now_ms;
    if (f->refusals < refusals)
        m->retry_ms = m->now_ms + DELAY_RETRY_MS;
    for (int i = 0; i < f->delivered_count; i++) {
        int id = atoi(f->delivered[i].body);
        int level = m->level_of[id];
        assert_int_equal(m->levels[level].ids[m->levels[level].at++], id);
        assert_true(m->due_ms[id] <= m->now_ms);
    }
    f->delivered_count = 0;
    for (int level = 1; level <= LEVELS && is_done && m->now_ms >= m->retry_ms; level++)
        assert_true(m->levels[level].at == m->levels[level].count ||
                    m->due_ms[m->levels[level].ids[m->levels[level].at]] > m->now_ms);
}

/* The service ends: with its progress saved, or killed, and goes on from what was. */
static void model_restart(struct fixture *f, struct delay_model *m, bool is_killed)
{
    if (!is_killed)
        model_save(f, m);
    delay_free(f->delay);
    open_delay(f, &m->saved);
    for (int level = 1; level <= LEVELS; level++)
        m->levels[level].at = m->levels[level].saved_at;
    m->retry_ms = m->now_ms;
}

static void model_step(struct fixture *f, struct delay_model *m)
{
    switch (random() % 16) {
    case 0:
        model_save(f, m);
        break;
    case 1:
        model_restart(f, m, true);
        break;
    case 2:
        model_restart(f, m, false);
        break;
    case 3:
        f->refusals = (int)(random() % 4);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        model_send(f, m);
        break;
    default:
        m->now_ms += random() % 1500;
        model_run(f, m, 1 + (int)(random() % BUDGET_MOST));
    }
}

/* Goal: over random sends, times, budgets, failed puts, saves, restarts and kills each level
 * delivers its messages in their order, none early, none late, none left out, and again only those
 * since the last save before a kill. Method: a model beside it; many seeds. */
static void random_use_agrees_with_the_model(void **state)
{
    struct fixture *f = *state;
    static struct delay_model m;
    m = (struct delay_model){ .now_ms = START_MS, .saved = *delay_progress(f->delay) };
    for (unsigned seed = 1; seed <= 4; seed++) {
        srandom(seed);
        for (int i = 0; i < 500; i++)
            model_step(f, &m);
        f->refusals = 0;
        for (int i = 0; i < MODEL_MESSAGES; i++) {
            m.now_ms += DELAY_RETRY_MS + 10000;
            model_run(f, &m, BUDGET_MOST);
        }
        for (int level = 1; level <= LEVELS; level++)
            assert_int_equal(m.levels[level].at, m.levels[level].count);
    }
    assert_int_equal(m.sent, MODEL_MESSAGES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_is_delivered_when_due_and_not_before, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_delivered_message_is_what_was_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_delay_does_not_hold_up_a_short_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_run_keeps_to_its_budget_and_takes_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_put_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(progress_survives_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_level_shows_what_waits_before_it_delivered_anything,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_idle_service_does_not_ask_to_run, setup, teardown),
        cmocka_unit_test_setup_teardown(undeliverable_messages_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_set_back_does_not_hold_messages_longer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            what_was_noted_before_the_clock_was_set_back_does_not_hold_either, setup, teardown),
        cmocka_unit_test_setup_teardown(random_use_agrees_with_the_model, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
