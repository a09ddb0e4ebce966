#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/pull/hold.h"

enum { FOR_EVER_MS = 3600 * 1000, HELD_MAX = 3, FILTER_BYTES_MAX = 64 };
#define NO_PROPERTIES slice_of(NULL, 0)

struct fixture {
    struct loop *loop;
    struct hold *hold;
    struct list owner;
    struct loop_timer step;
    void (*in_pass)(struct fixture *f);
    struct held_request held[HELD_MAX + 1];
    int served[HELD_MAX + 1]; /* how often each was */
    int dropped;
};

static void serve(void *ctx, struct held_request *held)
{
    struct fixture *f = ctx;
    f->served[held - f->held]++;
}

static void drop(void *ctx, struct held_request *held)
{
    (void)held;
    ((struct fixture *)ctx)->dropped++;
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){ 0 };
    list_init(&f.owner);
    assert_int_equal(loop_new("test", &f.loop), 0);
    struct hold_options options = {
        .loop = f.loop,
        .max_count = HELD_MAX,
        .max_filter_bytes = FILTER_BYTES_MAX,
        .serve = serve,
        .drop = drop,
        .ctx = &f,
    };
    assert_int_equal(hold_new(&options, &f.hold), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    hold_drop_owner(f->hold, &f->owner);
    hold_free(f->hold);
    loop_free(f->loop);
    return 0;
}

static void park(struct fixture *f, int i, const char *topic, int32_t queue_id,
                 int64_t queue_offset)
{
    f->held[i].queue_offset = queue_offset;
    assert_int_equal(
        hold_park(f->hold, &f->held[i], slice_str(topic), queue_id, FOR_EVER_MS, &f->owner), 0);
}

static void run_step(struct loop_timer *timer)
{
    struct fixture *f = (struct fixture *)((char *)timer - offsetof(struct fixture, step));
    f->in_pass(f);
    loop_stop(f->loop);
}

/* One pass of the loop, in which `in_pass` runs. */
static void pass(struct fixture *f, void (*in_pass)(struct fixture *f))
{
    f->in_pass = in_pass;
    loop_timer_init(&f->step, run_step);
    loop_timer_start(f->loop, &f->step, 0);
    loop_run(f->loop);
}

static void two_arrive(struct fixture *f)
{
    hold_arrived(f->hold, SLICE("t"), 1, 7, 0, NO_PROPERTIES);
    assert_int_equal(f->served[0], 0);
    hold_arrived(f->hold, SLICE("t"), 1, 8, 0, NO_PROPERTIES);
}

/* Goal: what arrives in one pass wakes a request once, at the end of the pass.
 * Method: two arrivals in a pass; look between them and after it. */
static void arrivals_of_one_pass_wake_once(void **state)
{
    struct fixture *f = *state;
    park(f, 0, "t", 1, 7);
    pass(f, two_arrive);
    assert_int_equal(f->served[0], 1);
    assert_int_equal(hold_count(f->hold), 0);
}

static void one_arrives(struct fixture *f)
{
    hold_arrived(f->hold, SLICE("t"), 1, 7, 0, NO_PROPERTIES);
}

/* Goal: an arrival concerns its own queue only, and only those who want this offset or an earlier
 * one. */
static void only_those_concerned_are_woken(void **state)
{
    struct fixture *f = *state;
    park(f, 0, "t", 1, 7);
    park(f, 1, "t", 2, 7);
    park(f, 2, "t", 1, 8);
    pass(f, one_arrives);
    assert_int_equal(f->served[0], 1);
    assert_int_equal(f->served[1], 0);
    assert_int_equal(f->served[2], 0);
}

static void tags_arrive(struct fixture *f)
{
    hold_arrived(f->hold, SLICE("t"), 1, 7, 1000, NO_PROPERTIES);
}

/* Goal: a message that a filter does not take wakes nobody who filters.
 * Method: one filter of the tag that arrives, one of another. */
static void filters_decide_before_waking(void **state)
{
    static const int32_t wanted[] = { 1000 }, other[] = { 2000 };
    struct message_filter takes = { .tags = { .codes = wanted, .count = 1 } };
    struct message_filter refuses = { .tags = { .codes = other, .count = 1 } };
    struct fixture *f = *state;
    f->held[0].filter = &takes;
    f->held[1].filter = &refuses;
    park(f, 0, "t", 1, 7);
    park(f, 1, "t", 1, 7);
    pass(f, tags_arrive);
    assert_int_equal(f->served[0], 1);
    assert_int_equal(f->served[1], 0);
}

static void nothing(struct fixture *f)
{
    (void)f;
}

/* Goal: a request whose time is over is served without an arrival.
 * Method: a deadline of now, then a pass. */
static void deadline_serves(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(hold_park(f->hold, &f->held[0], SLICE("t"), 1, 0, &f->owner), 0);
    pass(f, nothing);
    if (f->served[0] == 0) /* both timers are due now, in any order */
        pass(f, nothing);
    assert_int_equal(f->served[0], 1);
}

/* Goal: the number of parked requests is bounded, and a refused one leaves no trace. */
static void beyond_the_bound_is_refused(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < HELD_MAX; i++)
        park(f, i, "t", i, 0);
    assert_int_equal(hold_park(f->hold, &f->held[HELD_MAX], SLICE("t"), 9, FOR_EVER_MS, &f->owner),
                     ERR_TOO_BIG);
    assert_int_equal(hold_count(f->hold), HELD_MAX);
}

/* Goal: a topic longer than any is refused and wakes nobody: names come from outside. */
static void a_topic_longer_than_any_is_refused(void **state)
{
    static uint8_t bytes[600];
    struct fixture *f = *state;
    struct slice topic = slice_of(bytes, sizeof bytes);
    park(f, 0, "t", 1, 0);
    assert_int_equal(hold_park(f->hold, &f->held[1], topic, 1, FOR_EVER_MS, &f->owner),
                     ERR_TOO_BIG);
    hold_arrived(f->hold, topic, 1, 7, 0, NO_PROPERTIES);
    hold_release_queue(f->hold, topic, 1);
    assert_int_equal(hold_count(f->hold), 1);
}

/* Goal: the memory of filters is bounded over all who are parked, and given back by who leaves.
 * Method: two filters, each of more than half the bound. */
static void filters_have_a_common_bound(void **state)
{
    static const int32_t wanted[FILTER_BYTES_MAX / 8 + 1] = { 1000 };
    struct message_filter filter = { .tags = { .codes = wanted,
                                               .count = sizeof wanted / sizeof wanted[0] } };
    struct fixture *f = *state;
    f->held[0].filter = &filter;
    f->held[1].filter = &filter;
    park(f, 0, "t", 1, 7);
    assert_int_equal(hold_park(f->hold, &f->held[1], SLICE("t"), 1, FOR_EVER_MS, &f->owner),
                     ERR_TOO_BIG);
    pass(f, tags_arrive);
    assert_int_equal(f->served[0], 1);
    park(f, 1, "t", 1, 7);
}

static void wake_and_drop(struct fixture *f)
{
    hold_arrived(f->hold, SLICE("t"), 1, 7, 0, NO_PROPERTIES);
    hold_drop_owner(f->hold, &f->owner);
}

/* Goal: a connection that closes takes its requests along, also those woken but not yet served. */
static void owner_takes_its_requests_along(void **state)
{
    struct fixture *f = *state;
    park(f, 0, "t", 1, 7);
    park(f, 1, "t", 2, 7);
    pass(f, wake_and_drop);
    assert_int_equal(f->dropped, 2);
    assert_int_equal(f->served[0], 0);
    assert_int_equal(hold_count(f->hold), 0);
}

/* Goal: at the end of the broker everyone is served. */
static void release_serves_all(void **state)
{
    struct fixture *f = *state;
    park(f, 0, "t", 1, 7);
    park(f, 1, "t", 1, 7);
    park(f, 2, "u", 1, 7);
    hold_release_all(f->hold);
    for (int i = 0; i < HELD_MAX; i++)
        assert_int_equal(f->served[i], 1);
    assert_int_equal(hold_count(f->hold), 0);
}

static void release_b(struct fixture *f)
{
    hold_release_queue(f->hold, SLICE("b"), 0);
    hold_release_queue(f->hold, SLICE("nobody waits"), 0);
}

/* Goal: all that wait for a queue are served, and no others. */
static void a_queue_is_released(void **state)
{
    struct fixture *f = *state;
    park(f, 0, "a", 0, 5);
    park(f, 1, "b", 0, 5);
    park(f, 2, "b", 0, 9);
    pass(f, release_b);
    assert_int_equal(f->served[0], 0);
    assert_int_equal(f->served[1], 1);
    assert_int_equal(f->served[2], 1);
    assert_int_equal(hold_count(f->hold), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arrivals_of_one_pass_wake_once, setup, teardown),
        cmocka_unit_test_setup_teardown(only_those_concerned_are_woken, setup, teardown),
        cmocka_unit_test_setup_teardown(filters_decide_before_waking, setup, teardown),
        cmocka_unit_test_setup_teardown(deadline_serves, setup, teardown),
        cmocka_unit_test_setup_teardown(beyond_the_bound_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_topic_longer_than_any_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(filters_have_a_common_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(owner_takes_its_requests_along, setup, teardown),
        cmocka_unit_test_setup_teardown(release_serves_all, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queue_is_released, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
