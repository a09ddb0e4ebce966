#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/pop/pop_hold.h"

enum { HELD_MAX = 6, PER_QUEUE = 2 };
#define NO_PROPERTIES slice_of(NULL, 0)

struct fixture {
    struct loop *loop;
    struct pop_hold *hold;
    struct list owner;
    struct loop_timer step;
    void (*in_pass)(struct fixture *f);
    struct held_pop held[HELD_MAX + 1];
    int served[HELD_MAX + 1]; /* how often each was */
    int dropped;
};

static void serve(void *ctx, struct held_pop *held)
{
    struct fixture *f = ctx;
    f->served[held - f->held]++;
}

static void drop(void *ctx, struct held_pop *held)
{
    (void)held;
    ((struct fixture *)ctx)->dropped++;
}

static int setup(void **state)
{
    static const int64_t max_count = HELD_MAX;
    static const int per_queue = PER_QUEUE;
    static struct fixture f;
    f = (struct fixture){ 0 };
    list_init(&f.owner);
    assert_int_equal(loop_new("test", &f.loop), 0);
    struct pop_hold_options options = {
        .loop = f.loop,
        .max_count = &max_count,
        .max_count_per_queue = &per_queue,
        .max_filter_bytes = 1000,
        .serve = serve,
        .drop = drop,
        .ctx = &f,
    };
    assert_int_equal(pop_hold_new(&options, &f.hold), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    pop_hold_drop_owner(f->hold, &f->owner);
    pop_hold_free(f->hold);
    loop_free(f->loop);
    return 0;
}

#define HOLD_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static int try_park(struct fixture *f, int i, const char *group, int32_t queue_id, int64_t wait_ms)
{
    return pop_hold_park(f->hold, &f->held[i], SLICE("t"), slice_str(group), queue_id, wait_ms,
                         &f->owner);
}

static void park(struct fixture *f, int i, const char *group, int32_t queue_id, int64_t wait_ms)
{
    assert_int_equal(try_park(f, i, group, queue_id, wait_ms), 0);
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

static void assert_served(const struct fixture *f, const char *expected)
{
    for (int i = 0; expected[i] != '\0'; i++)
        assert_int_equal(f->served[i], expected[i] - '0');
}

static void arrives_in_1(struct fixture *f)
{
    pop_hold_arrived(f->hold, SLICE("t"), 1, 0, NO_PROPERTIES);
    assert_int_equal(f->served[0], 0); /* at the end of the pass */
}

/* Goal: a message wakes one pop of each line it concerns: of any queue and of its own, of each
 * group; the one whose time is over first. */
static void an_arrival_wakes_one_of_each_line(void **state)
{
    struct fixture *f = *state;
    park(f, 0, "g", -1, 60000);
    park(f, 1, "g", -1, 50000);
    park(f, 2, "g", 1, 60000);
    park(f, 3, "g", 2, 60000);
    park(f, 4, "h", -1, 60000);
    pass(f, arrives_in_1);
    assert_served(f, "01101");
    assert_int_equal(pop_hold_count(f->hold), 2);
    assert_int_equal(pop_hold_count_of(f->hold, SLICE("t"), SLICE("g"), -1), 1);
}

/* Goal: of notifications the one that can wait longest is told; pops and notifications do not take
 * each other's place. */
static void notifications_are_told_from_the_end(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++)
        f->held[i].kind = HELD_NOTIFICATION;
    park(f, 0, "g", -1, 50000);
    park(f, 1, "g", -1, 60000);
    park(f, 2, "g", -1, 60000);
    pass(f, arrives_in_1);
    assert_served(f, "011");
}

static void comes_back(struct fixture *f)
{
    pop_hold_arrived(f->hold, SLICE("%RETRY%g_t"), 0, 0, NO_PROPERTIES);
}

static void comes_back_v2(struct fixture *f)
{
    pop_hold_arrived(f->hold, SLICE("%RETRY%g+t"), 0, 0, NO_PROPERTIES);
}

/* Goal: a message put again wakes one pop of the group, of whatever queue, under both names of the
 * retry topic. */
static void what_comes_back_wakes_its_group(void **state)
{
    struct fixture *f = *state;
    park(f, 0, "g", 3, 60000);
    park(f, 1, "g", -1, 60000);
    park(f, 2, "h", -1, 60000);
    pass(f, comes_back);
    assert_served(f, "010");
    pass(f, comes_back_v2);
    assert_served(f, "110");
    pass(f, comes_back);
    assert_served(f, "110");
}

static void other_tag_arrives(struct fixture *f)
{
    pop_hold_arrived(f->hold, SLICE("t"), 1, 5, NO_PROPERTIES);
}

static void tag_arrives(struct fixture *f)
{
    pop_hold_arrived(f->hold, SLICE("t"), 1, 7, NO_PROPERTIES);
}

/* Goal: a message that the filter does not take wakes nobody; among different filters the one that
 * takes it is found. */
static void filters_are_asked(void **state)
{
    struct fixture *f = *state;
    static const int32_t seven = 7;
    static const int32_t five = 5;
    struct message_filter sevens = { .tags = { .codes = &seven, .count = 1 } };
    struct message_filter fives = { .tags = { .codes = &five, .count = 1 } };
    f->held[0] = (struct held_pop){ .filter = &sevens, .filter_id = 7 };
    park(f, 0, "g", -1, 50000);
    pass(f, other_tag_arrives);
    assert_served(f, "0");
    f->held[1] = (struct held_pop){ .filter = &fives, .filter_id = 5 };
    park(f, 1, "g", -1, 60000);
    pass(f, other_tag_arrives);
    assert_served(f, "01");
    pass(f, tag_arrives);
    assert_served(f, "11");
}

static void is_woken(struct fixture *f)
{
    pop_hold_wake(f->hold, SLICE("t"), SLICE("g"), 1);
}

/* Goal: who is woken without a message looks again whatever its filter; any queue goes first. */
static void waking_asks_no_filter(void **state)
{
    struct fixture *f = *state;
    static const int32_t seven = 7;
    struct message_filter sevens = { .tags = { .codes = &seven, .count = 1 } };
    f->held[0] = (struct held_pop){ .filter = &sevens, .filter_id = 7 };
    park(f, 0, "g", 1, 50000);
    park(f, 1, "g", -1, 60000);
    pass(f, is_woken);
    assert_served(f, "01");
    pass(f, is_woken);
    assert_served(f, "11");
}

/* Goal: too many in one line, or in all, are refused; a place that is free again can be taken. */
static void lines_are_bounded(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i <= PER_QUEUE; i++)
        park(f, i, "g", -1, 60000);
    assert_int_equal(try_park(f, 3, "g", -1, 60000), ERR_TOO_BIG);
    for (int i = 3; i < HELD_MAX; i++)
        park(f, i, "g", i, 60000);
    assert_int_equal(try_park(f, HELD_MAX, "h", -1, 60000), ERR_TOO_BIG);
    pass(f, is_woken);
    park(f, HELD_MAX, "h", -1, 60000);
}

static void nothing(struct fixture *f)
{
    (void)f;
}

/* Goal: everything is served when it is told to be, and dropped with its connection. */
static void all_can_be_let_go(void **state)
{
    struct fixture *f = *state;
    park(f, 0, "g", -1, 60000);
    park(f, 1, "g", 2, 60000);
    park(f, 2, "h", -1, 60000);
    pop_hold_release_all(f->hold);
    assert_served(f, "111");
    park(f, 0, "g", -1, 60000);
    pop_hold_drop_owner(f->hold, &f->owner);
    assert_int_equal(f->dropped, 1);
    pass(f, nothing);
    assert_int_equal(pop_hold_count(f->hold), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOLD_TEST(an_arrival_wakes_one_of_each_line),
        HOLD_TEST(notifications_are_told_from_the_end),
        HOLD_TEST(what_comes_back_wakes_its_group),
        HOLD_TEST(filters_are_asked),
        HOLD_TEST(waking_asks_no_filter),
        HOLD_TEST(lines_are_bounded),
        HOLD_TEST(all_can_be_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
