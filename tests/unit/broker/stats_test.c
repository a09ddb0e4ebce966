#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "broker/figures/stats.h"

#define SECOND INT64_C(1000000000)
/* Some time at the start of a minute, an hour and a day of the windows. */
#define START (INT64_C(250) * 3600 * SECOND)

/* Its clock stands still; only the timer that looks after what is idle would use it. */
static struct loop *loop;

static int set_up(void **state)
{
    (void)state;
    return loop_new("test", &loop);
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static struct stats_sum sum_of(struct stats_series *series, struct slab *slab,
                               enum stats_window window, int64_t now_ns)
{
    return stats_series_sum(series, slab, window, STATS_MESSAGES, now_ns);
}

/* Goal: what was counted leaves the minute, the hour and the day as time passes, and rates are over
 * the time that was counted. */
static void windows_forget(void **state)
{
    struct stats_series series;
    struct slab *slab = slab_new();
    (void)state;
    stats_series_init(&series, START);
    stats_series_add(&series, slab, &(struct stats_slot){ .messages = 6, .times = 2 }, START);
    struct stats_sum sum = sum_of(&series, slab, STATS_MINUTE, START + 1);
    assert_int_equal(sum.sum, 6);
    assert_true(sum.per_second > 0.59 && sum.per_second < 0.61);
    assert_true(sum.per_time > 2.9 && sum.per_time < 3.1);
    sum = sum_of(&series, slab, STATS_MINUTE, START + 60 * SECOND);
    assert_int_equal(sum.sum, 6);
    assert_true(sum.per_second > 0.09 && sum.per_second < 0.11);
    assert_int_equal(sum_of(&series, slab, STATS_MINUTE, START + 70 * SECOND).sum, 0);
    assert_int_equal(sum_of(&series, slab, STATS_HOUR, START + 70 * SECOND).sum, 6);
    assert_int_equal(sum_of(&series, slab, STATS_HOUR, START + 70 * 60 * SECOND).sum, 0);
    assert_int_equal(sum_of(&series, slab, STATS_DAY, START + 70 * 60 * SECOND).sum, 6);
    assert_int_equal(sum_of(&series, slab, STATS_DAY, START + 25 * 3600 * SECOND).sum, 0);
    stats_series_fini(&series, slab);
    slab_free(slab);
}

/* Goal: a series that is seldom used has memory for what it counts only, also after a busy time. */
static void an_idle_series_is_small(void **state)
{
    struct stats_series series;
    struct slab *slab = slab_new();
    const struct stats_slot one = { .messages = 1, .times = 1 };
    (void)state;
    stats_series_init(&series, START);
    stats_series_add(&series, slab, &one, START);
    assert_int_equal(series.other_cap, 0);
    for (int64_t minute = 0; minute < 3 * 24 * 60; minute++)
        stats_series_add(&series, slab, &one, START + minute * 60 * SECOND);
    assert_true(series.slot_count > STATS_DAY_SLOTS && series.slot_count <= STATS_SLOTS);
    stats_series_add(&series, slab, &one, START + INT64_C(100) * 24 * 3600 * SECOND);
    assert_int_equal(series.other_cap, 0);
    assert_int_equal(series.slot_count, 1);
    stats_series_fini(&series, slab);
    slab_free(slab);
}

/* Goal: what a burst took goes when it has left the minute, though nobody counts or asks again.
 * Method: counts in each 10 s of a minute; looked after within it, and ten minutes later. */
static void a_series_left_alone_shrinks(void **state)
{
    struct stats_series series;
    struct slab *slab = slab_new();
    (void)state;
    stats_series_init(&series, START);
    for (int64_t s = 0; s < 60; s += 10)
        stats_series_add(&series, slab, &(struct stats_slot){ .messages = 1 }, START + s * SECOND);
    stats_series_settle(&series, slab, START + 60 * SECOND);
    assert_int_equal(series.slot_count, 6);
    stats_series_settle(&series, slab, START + 200 * SECOND);
    assert_int_equal(series.slot_count, 1);
    assert_null(series.others);
    assert_int_equal(sum_of(&series, slab, STATS_HOUR, START + 200 * SECOND).sum, 6);
    stats_series_fini(&series, slab);
    slab_free(slab);
}

/* Goal: counts in each second of two hours; each window has exactly what falls into it.
 * Method: a count per second, compared with the number of seconds the window reaches back. */
static void windows_count_each_second(void **state)
{
    struct stats_series series;
    struct slab *slab = slab_new();
    (void)state;
    stats_series_init(&series, START);
    for (int64_t s = 0; s < 7200; s++) {
        int64_t now_ns = START + s * SECOND;
        stats_series_add(&series, slab, &(struct stats_slot){ .messages = 1, .times = 1 }, now_ns);
        int64_t minute = s / 10 < 6 ? s + 1 : s - (s / 10 - 6) * 10 + 1;
        int64_t hour = s / 600 < 6 ? s + 1 : s - (s / 600 - 6) * 600 + 1;
        assert_int_equal(sum_of(&series, slab, STATS_MINUTE, now_ns).sum, minute);
        assert_int_equal(sum_of(&series, slab, STATS_HOUR, now_ns).sum, hour);
        assert_int_equal(sum_of(&series, slab, STATS_DAY, now_ns).sum, s + 1);
    }
    stats_series_fini(&series, slab);
    slab_free(slab);
}

static int64_t count_of(struct stats *stats, const char *name, const char *key)
{
    struct stats_view view;
    if (!stats_find(stats, slice_str(name), slice_str(key), START, &view))
        return -1;
    return view.windows[STATS_MINUTE].sum;
}

static struct stats *some_traffic(bool by_queue)
{
    struct stats *stats;
    struct stats_got got = { .topic = SLICE("t"),
                             .group = SLICE("g"),
                             .queue_id = 3,
                             .messages = 5,
                             .bytes = 500,
                             .took_ms = 7,
                             .from_disk = true };
    assert_int_equal(stats_new(SLICE("cluster"), by_queue, loop, &stats), 0);
    stats_put(stats, NULL, SLICE("t"), 3, 100, START);
    stats_put(stats, NULL, SLICE("t"), 3, 150, START);
    stats_put_took(stats, 9, START);
    stats_put(stats, NULL, SLICE("TBW102"), 0, 10, START);
    stats_get(stats, &got, START);
    stats_count(stats, STATS_ACKED, SLICE("t"), SLICE("g"), 4, START);
    return stats;
}

/* Goal: every name of the field gives its figure under its key. */
static void names_and_keys(void **state)
{
    static const struct {
        const char *name;
        const char *key;
        int64_t sum;
    } rows[] = {
        { "TOPIC_PUT_NUMS", "t", 2 },
        { "TOPIC_PUT_SIZE", "t", 250 },
        { "TOPIC_PUT_LATENCY", "3@t", 9 },
        { "QUEUE_PUT_NUMS", "t@3", 2 },
        { "QUEUE_PUT_SIZE", "t@3", 250 },
        { "GROUP_GET_NUMS", "t@g", 5 },
        { "GROUP_GET_SIZE", "t@g", 500 },
        { "GROUP_GET_LATENCY", "3@t@g", 7 },
        { "QUEUE_GET_NUMS", "t@3@g", 5 },
        { "QUEUE_GET_SIZE", "t@3@g", 500 },
        { "GROUP_GET_FROM_DISK_NUMS", "t@g", 5 },
        { "GROUP_GET_FROM_DISK_SIZE", "t@g", 500 },
        { "GROUP_ACK_NUMS", "t@g", 4 },
        { "BROKER_PUT_NUMS", "cluster", 3 },
        { "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC", "cluster", 2 },
        { "BROKER_GET_NUMS", "cluster", 5 },
        { "BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC", "cluster", 5 },
        { "BROKER_GET_FROM_DISK_NUMS", "cluster", 5 },
        { "BROKER_ACK_NUMS", "cluster", 4 },
    };
    struct stats *stats = some_traffic(true);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(count_of(stats, rows[i].name, rows[i].key), rows[i].sum);
    stats_free(stats);
}

/* Goal: what was never counted is not there; nor are keys of another form. */
static void nothing_under_other_names(void **state)
{
    static const char *const rows[][2] = {
        { "TOPIC_PUT_NUMS", "u" },       { "TOPIC_PUT_NUMS", "t@g" },  { "TOPIC_PUT_NUMS", "" },
        { "QUEUE_PUT_NUMS", "t" },       { "QUEUE_PUT_NUMS", "t@4" },  { "QUEUE_PUT_NUMS", "t@-1" },
        { "QUEUE_PUT_NUMS", "t@99999" }, { "QUEUE_PUT_NUMS", "t@x" },  { "GROUP_GET_NUMS", "t@h" },
        { "GROUP_GET_NUMS", "@" },       { "SNDBCK_PUT_NUMS", "t@g" }, { "BROKER_PUT_NUMS", "t" },
        { "GROUP_CK_NUMS", "t@g" },      { "NO_SUCH_NAME", "t" },      { "", "" },
        { "BROKER_CK_NUMS", "cluster" },
    };
    struct stats *stats = some_traffic(true);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(count_of(stats, rows[i][0], rows[i][1]), -1);
    stats_free(stats);
}

/* Goal: without enableDetailStat queues are not counted, and a group's latency is by topic@group.
 */
static void without_detail(void **state)
{
    struct stats *stats = some_traffic(false);
    (void)state;
    assert_int_equal(count_of(stats, "TOPIC_PUT_NUMS", "t"), 2);
    assert_int_equal(count_of(stats, "QUEUE_PUT_NUMS", "t@3"), -1);
    assert_int_equal(count_of(stats, "GROUP_GET_LATENCY", "t@g"), 7);
    assert_int_equal(count_of(stats, "GROUP_GET_LATENCY", "3@t@g"), -1);
    stats_free(stats);
}

/* Goal: a topic or a group that is gone takes its figures along. */
static void what_is_gone_is_forgotten(void **state)
{
    struct stats *stats = some_traffic(true);
    (void)state;
    stats_forget_group(stats, SLICE("g"));
    assert_int_equal(count_of(stats, "GROUP_GET_NUMS", "t@g"), -1);
    assert_int_equal(count_of(stats, "TOPIC_PUT_NUMS", "t"), 2);
    stats_forget_topic(stats, SLICE("t"));
    assert_int_equal(count_of(stats, "TOPIC_PUT_NUMS", "t"), -1);
    stats_put_took(stats, 5, START);
    stats_free(stats);
}

/* Goal: who keeps where a topic is counted is not led to one that was forgotten, and nothing is
 * counted by name while that is paused. */
static void a_place_is_looked_up_anew(void **state)
{
    struct stats *stats;
    struct stats_place place = { 0 };
    (void)state;
    assert_int_equal(stats_new(SLICE("cluster"), true, loop, &stats), 0);
    stats_put(stats, &place, SLICE("t"), 0, 1, START);
    stats_put(stats, &place, SLICE("t"), 0, 1, START);
    stats_pause_names(stats, true);
    stats_put(stats, &place, SLICE("t"), 0, 1, START);
    stats_pause_names(stats, false);
    assert_int_equal(count_of(stats, "TOPIC_PUT_NUMS", "t"), 2);
    stats_forget_topic(stats, SLICE("t"));
    stats_put(stats, &place, SLICE("t"), 0, 1, START);
    assert_int_equal(count_of(stats, "TOPIC_PUT_NUMS", "t"), 1);
    assert_int_equal(count_of(stats, "BROKER_PUT_NUMS", "cluster"), 4);
    stats_free(stats);
}

/* Goal: names made up without end are not counted without end. */
static void is_bounded(void **state)
{
    struct stats *stats;
    (void)state;
    assert_int_equal(stats_new(SLICE("cluster"), true, loop, &stats), 0);
    for (int i = 0; i < STATS_SERIES_MAX; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "topic%d", i);
        stats_put(stats, NULL, slice_of(name, (size_t)len), 0, 1, START);
    }
    assert_int_equal(count_of(stats, "TOPIC_PUT_NUMS", "topic0"), 1);
    assert_int_equal(count_of(stats, "TOPIC_PUT_NUMS", "topic65535"), -1);
    assert_int_equal(count_of(stats, "BROKER_PUT_NUMS", "cluster"), STATS_SERIES_MAX);
    struct stats_place place = { 0 };
    stats_put(stats, &place, SLICE("late"), 0, 1, START);
    stats_put(stats, &place, SLICE("late"), 0, 1, START);
    assert_int_equal(count_of(stats, "TOPIC_PUT_NUMS", "late"), -1);
    stats_forget_topic(stats, SLICE("topic0"));
    stats_put(stats, &place, SLICE("late"), 0, 1, START);
    assert_int_equal(count_of(stats, "TOPIC_PUT_NUMS", "late"), 1);
    stats_free(stats);
}

/* Goal: while names are paused only the broker's own series go on, and all go on afterwards. */
static void names_can_be_paused(void **state)
{
    struct stats *stats;
    (void)state;
    assert_int_equal(stats_new(SLICE("cluster"), true, loop, &stats), 0);
    stats_put(stats, NULL, SLICE("t"), 3, 100, START);
    stats_pause_names(stats, true);
    stats_put(stats, NULL, SLICE("t"), 3, 100, START);
    stats_put(stats, NULL, SLICE("u"), 3, 100, START);
    stats_count(stats, STATS_ACKED, SLICE("t"), SLICE("g"), 4, START);
    stats_pause_names(stats, false);
    stats_put(stats, NULL, SLICE("t"), 3, 100, START);
    struct stats_view view;
    assert_true(stats_find(stats, SLICE("TOPIC_PUT_NUMS"), SLICE("t"), START, &view));
    assert_int_equal(view.windows[STATS_MINUTE].sum, 2);
    assert_true(stats_find(stats, SLICE("BROKER_PUT_NUMS"), SLICE("cluster"), START, &view));
    assert_int_equal(view.windows[STATS_MINUTE].sum, 4);
    assert_false(stats_find(stats, SLICE("TOPIC_PUT_NUMS"), SLICE("u"), START, &view));
    assert_false(stats_find(stats, SLICE("GROUP_ACK_NUMS"), SLICE("t@g"), START, &view));
    stats_free(stats);
}

/* Goal: what a burst took goes when it has left the minute, though nobody counts or asks again, and
 * what was counted stays. Method: many topics and groups, counted in each 10 s of a minute; all are
 * looked after within it, and a minute later. */
static void what_is_idle_is_looked_after(void **state)
{
    enum { NAMES = 700, STEPS_MOST = 100 };
    struct stats *stats;
    int steps = 0;
    (void)state;
    assert_int_equal(stats_new(SLICE("cluster"), true, loop, &stats), 0);
    for (int64_t s = 0; s < 60; s += 10)
        for (int i = 0; i < NAMES; i++) {
            char name[32];
            int len = snprintf(name, sizeof name, "topic%d", i);
            struct slice topic = slice_of(name, (size_t)len);
            stats_put(stats, NULL, topic, 3, 1, START + s * SECOND);
            stats_count(stats, STATS_ACKED, topic, SLICE("g"), 1, START + s * SECOND);
        }
    for (int i = 0; i < STEPS_MOST; i++)
        assert_true(stats_settle(stats, START + 50 * SECOND)); /* all is in the minute */
    while (stats_settle(stats, START + 130 * SECOND))
        assert_in_range(++steps, 1, STEPS_MOST);
    struct stats_view view;
    assert_true(stats_find(stats, SLICE("QUEUE_PUT_NUMS"), SLICE("topic699@3"),
                           START + 130 * SECOND, &view));
    assert_int_equal(view.windows[STATS_MINUTE].sum, 0);
    assert_int_equal(view.windows[STATS_HOUR].sum, 6);
    assert_true(
        stats_find(stats, SLICE("GROUP_ACK_NUMS"), SLICE("topic0@g"), START + 130 * SECOND, &view));
    assert_int_equal(view.windows[STATS_HOUR].sum, 6);
    stats_free(stats);
}

/* Goal: nor is one forgotten that is counted when it was just looked at, and is the only busy one.
 * Method: more topics than one step looks at; the first is counted, again and again, in the midst
 * of a round. */
static void what_is_counted_in_the_midst_of_a_round_is_looked_after(void **state)
{
    enum { NAMES = 400 };
    struct stats *stats;
    (void)state;
    assert_int_equal(stats_new(SLICE("cluster"), false, loop, &stats), 0);
    for (int i = 0; i < NAMES; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "topic%d", i);
        stats_put(stats, NULL, slice_of(name, (size_t)len), 0, 1, START);
    }
    assert_true(stats_settle(stats, START)); /* the first is among those */
    for (int64_t s = 10; s < 60; s += 10)
        stats_put(stats, NULL, SLICE("topic0"), 0, 1, START + s * SECOND);
    assert_true(stats_settle(stats, START + 60 * SECOND));
    stats_free(stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_forget),
        cmocka_unit_test(windows_count_each_second),
        cmocka_unit_test(an_idle_series_is_small),
        cmocka_unit_test(a_series_left_alone_shrinks),
        cmocka_unit_test(names_and_keys),
        cmocka_unit_test(nothing_under_other_names),
        cmocka_unit_test(without_detail),
        cmocka_unit_test(what_is_gone_is_forgotten),
        cmocka_unit_test(a_place_is_looked_up_anew),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(names_can_be_paused),
        cmocka_unit_test(what_is_idle_is_looked_after),
        cmocka_unit_test(what_is_counted_in_the_midst_of_a_round_is_looked_after),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
