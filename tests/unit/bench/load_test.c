#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "bench/fake_broker.h"
#include "bench/load.h"

#define MS INT64_C(1000000)

struct rig {
    struct fake_broker broker;
    struct send_frame frame;
    struct load_plan plan;
    struct load_result result;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    const struct send_frame_options options = {
        .type = SERIALIZE_JSON, .topic = "t", .queue_count = 8, .body_bytes = 64
    };
    assert_int_equal(send_frame_init(&rig->frame, &options), 0);
    rig->plan = (struct load_plan){
        .frame = &rig->frame,
        .connections = 1,
        .outstanding = 1,
        .duration_ns = 3600 * 1000 * MS,
        .timeout_ns = 3000 * MS,
        .now_ns = fake_now_ns,
    };
    fake_clock_reset();
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    send_frame_fini(&rig->frame);
    free(rig);
    return 0;
}

static int run(struct rig *rig, struct fake_answer (*script)(int index))
{
    fake_broker_start(&rig->broker, script);
    rig->plan.address = rig->broker.address;
    int err = load_run(&rig->plan, &rig->result);
    fake_broker_join(&rig->broker);
    return err;
}

static struct fake_answer mostly_1_ms(int index)
{
    int64_t takes_ms = index % 1000 == 500 ? 400 : index % 100 == 50 ? 30 : index % 10 == 5 ? 5 : 1;
    return (struct fake_answer){ .takes_ns = takes_ms * MS };
}

static void assert_about(int64_t got_ns, int64_t true_ns)
{
    assert_in_range(got_ns, true_ns, true_ns + true_ns / 128);
}

/* Goal: in closed loop the latencies are the server's, each once, and the rate follows from them.
 * Method: a clock that only the server moves: 88.9 % take 1 ms, 10 % 5 ms, 1 % 30 ms, 0.1 % 400 ms.
 */
static void closed_loop_measures_known_delays(void **state)
{
    struct rig *rig = *state;
    rig->plan.message_count = 10000;
    assert_int_equal(run(rig, mostly_1_ms), 0);
    const struct histogram *h = &rig->result.latency;
    assert_int_equal(rig->result.accepted, 10000);
    assert_int_equal(rig->result.due, 10000);
    assert_int_equal(rig->result.lost, 0);
    assert_about(histogram_percentile(h, 50), 1 * MS);
    assert_about(histogram_percentile(h, 88.9), 1 * MS);
    assert_about(histogram_percentile(h, 88.91), 5 * MS);
    assert_about(histogram_percentile(h, 98.9), 5 * MS);
    assert_about(histogram_percentile(h, 98.91), 30 * MS);
    assert_about(histogram_percentile(h, 99.9), 30 * MS);
    assert_about(histogram_percentile(h, 99.91), 400 * MS);
    assert_int_equal(h->max_ns, 400 * MS);
    int64_t all_ms = 8890 * 1 + 1000 * 5 + 100 * 30 + 10 * 400;
    assert_int_equal(h->sum_ns, all_ms * MS);
    assert_int_equal(rig->result.elapsed_ns, all_ms * MS);
}

/* Goal: a closed loop ends with its duration, and what was under way then is still counted as a
 * latency, but not as throughput.
 * Method: 400 ms per answer, a duration of 1 s: two answers in time, the third at 1.2 s. */
static struct fake_answer always_400_ms(int index)
{
    (void)index;
    return (struct fake_answer){ .takes_ns = 400 * MS };
}

static void closed_loop_ends_with_its_duration(void **state)
{
    struct rig *rig = *state;
    rig->plan.duration_ns = 1000 * MS;
    assert_int_equal(run(rig, always_400_ms), 0);
    assert_int_equal(rig->result.accepted, 3);
    assert_int_equal(rig->result.accepted_in_time, 2);
    assert_int_equal(rig->result.elapsed_ns, 1000 * MS);
    assert_true(load_rate(&rig->result) == 2);
}

static struct fake_answer every_100th_silent(int index)
{
    if (index % 100 == 7)
        return (struct fake_answer){ .takes_ns = 3001 * MS, .what = FAKE_SILENCE };
    return (struct fake_answer){ .takes_ns = 2 * MS };
}

/* Goal: a message that is never answered is counted as lost, once, and the rest goes on.
 * Method: the server swallows one request in a hundred and lets the timeout pass. */
static void losses_are_counted(void **state)
{
    struct rig *rig = *state;
    rig->plan.message_count = 1000;
    assert_int_equal(run(rig, every_100th_silent), 0);
    assert_int_equal(rig->broker.requests, 1000);
    assert_int_equal(rig->result.lost, 10);
    assert_int_equal(rig->result.accepted, 990);
    assert_int_equal(rig->result.latency.max_ns, 2 * MS);
}

static struct fake_answer some_refused(int index)
{
    int32_t code = index % 4 == 0 ? 2 : index % 4 == 1 ? 14 : 0;
    return (struct fake_answer){ .takes_ns = code == 0 ? 1 * MS : 500 * MS, .code = code };
}

/* Goal: refused messages are counted by code and have no part in the latencies. */
static void refusals_are_counted_by_code(void **state)
{
    struct rig *rig = *state;
    rig->plan.message_count = 400;
    assert_int_equal(run(rig, some_refused), 0);
    assert_int_equal(rig->result.accepted, 200);
    assert_int_equal(rig->result.refused, 200);
    assert_int_equal(rig->result.lost, 0);
    assert_int_equal(rig->result.refusal.count, 200);
    assert_int_equal(rig->result.refusal.max_ns, 500 * MS);
    assert_int_equal(rig->result.refusals[0].code, 2);
    assert_int_equal(rig->result.refusals[0].count, 100);
    assert_int_equal(rig->result.refusals[1].code, 14);
    assert_int_equal(rig->result.refusals[1].count, 100);
    assert_int_equal(rig->result.latency.max_ns, 1 * MS);
}

static struct fake_answer always_twice(int index)
{
    (void)index;
    return (struct fake_answer){ .takes_ns = 1 * MS, .what = FAKE_TWICE };
}

/* Goal: an answer that comes again counts once. */
static void repeated_answers_count_once(void **state)
{
    struct rig *rig = *state;
    rig->plan.message_count = 500;
    rig->plan.outstanding = 16;
    assert_int_equal(run(rig, always_twice), 0);
    assert_int_equal(rig->result.accepted, 500);
    assert_int_equal(rig->result.latency.count, 500);
}

enum { STALL_AT = 50, OPEN_RATE = 1000 };

static struct fake_answer one_long_stall(int index)
{
    return (struct fake_answer){ .takes_ns = index == STALL_AT ? 1000 * MS : 0 };
}

/* Goal: no coordinated omission: a stall of a second is charged to every message that was due in
 * it, though the generator could send none of them meanwhile. Method: the real clock, jumped ahead
 * by one second at the 50th of 1,200 messages due within 1.2 s. A generator that starts its watch
 * when it sends would see one slow message and a p90 near zero; here the waits fall evenly from 1 s
 * to 0, so a tenth of a second is exceeded by 900 of 1,200. */
static void open_loop_charges_a_stall_to_all_it_met(void **state)
{
    struct rig *rig = *state;
    rig->plan.now_ns = fake_real_now_ns;
    rig->plan.rate_per_s = OPEN_RATE;
    rig->plan.duration_ns = 1200 * MS;
    rig->plan.outstanding = 16;
    rig->plan.timeout_ns = 600000 * MS;
    assert_int_equal(run(rig, one_long_stall), 0);
    const struct histogram *h = &rig->result.latency;
    assert_int_equal(rig->result.due, 1200);
    assert_int_equal(rig->result.accepted, 1200);
    assert_true(h->max_ns >= 1000 * MS);
    assert_true(histogram_percentile(h, 90) >= 850 * MS);
    assert_true(histogram_percentile(h, 50) >= 380 * MS);
    assert_true(h->count - histogram_count_within(h, 100 * MS) >= 890);
}

static struct fake_answer never(int index)
{
    (void)index;
    return (struct fake_answer){ .what = FAKE_SILENCE };
}

/* Goal: an open loop ends even when the server answers nothing, and then every message that was due
 * is lost, sent or not. */
static void open_loop_gives_up_on_a_silent_server(void **state)
{
    struct rig *rig = *state;
    rig->plan.now_ns = fake_real_now_ns;
    rig->plan.rate_per_s = OPEN_RATE;
    rig->plan.duration_ns = 60 * MS;
    rig->plan.outstanding = 4;
    rig->plan.timeout_ns = 20 * MS;
    assert_int_equal(run(rig, never), 0);
    assert_int_equal(rig->result.due, 60);
    assert_int_equal(rig->result.lost, 60);
    assert_int_equal(rig->result.accepted, 0);
}

static struct fake_answer first_takes_half_a_s(int index)
{
    return (struct fake_answer){ .takes_ns = index == 0 ? 500 * MS : 1 * MS };
}

/* Goal: a load that counts from the write does not charge a message for the time it was overdue in
 * the generator, says when each was written, and ends in time: what was overdue by then is lost.
 * Method: 1000 a second for a second, one under way; the first answer takes half a second, each
 * other 1 ms. */
static void overload_counts_from_the_write(void **state)
{
    struct rig *rig = *state;
    static _Atomic int64_t starts[1000];
    rig->plan.rate_per_s = 1000;
    rig->plan.duration_ns = 1000 * MS;
    rig->plan.counts_from_send = true;
    rig->plan.start_log = starts;
    rig->plan.start_log_count = 1000;
    assert_int_equal(run(rig, first_takes_half_a_s), 0);
    assert_int_equal(rig->result.accepted, 501);
    assert_int_equal(rig->result.lost, 499);
    assert_int_equal(rig->result.latency.max_ns, 500 * MS);
    assert_about(histogram_percentile(&rig->result.latency, 99), 1 * MS);
    assert_int_equal(starts[1] - starts[0], 500 * MS);
    assert_int_equal(starts[500] - starts[499], 1 * MS);
    assert_int_equal(rig->result.bytes_in_time, 64 * rig->result.accepted_in_time);
}

enum { PUNCTUAL_COUNT = 200 };
static _Atomic int64_t punctual_starts[PUNCTUAL_COUNT];
static int64_t stepped_ns, longest_wait_ns;

static int64_t stepping_now_ns(void)
{
    return stepped_ns += MS / 16;
}

static void note_wait(int64_t wait_ns)
{
    bool is_last_put = atomic_load(&punctual_starts[PUNCTUAL_COUNT - 1]) != 0;
    if (!is_last_put && wait_ns > longest_wait_ns)
        longest_wait_ns = wait_ns;
}

static struct fake_answer at_once(int index)
{
    (void)index;
    return (struct fake_answer){ .takes_ns = 0 };
}

/* Goal: an open loop never sleeps past the time of its next message, also when that comes while it
 * makes ready to sleep.
 * Method: a message each millisecond, and a clock that moves on with each reading. */
static void open_loop_does_not_oversleep(void **state)
{
    struct rig *rig = *state;
    stepped_ns = longest_wait_ns = 0;
    rig->plan.now_ns = stepping_now_ns;
    rig->plan.on_wait = note_wait;
    rig->plan.rate_per_s = 1000;
    rig->plan.duration_ns = PUNCTUAL_COUNT * MS;
    rig->plan.outstanding = PUNCTUAL_COUNT;
    rig->plan.timeout_ns = 600000 * MS;
    rig->plan.start_log = punctual_starts;
    rig->plan.start_log_count = PUNCTUAL_COUNT;
    assert_int_equal(run(rig, at_once), 0);
    assert_int_equal(rig->result.accepted, PUNCTUAL_COUNT);
    assert_in_range(longest_wait_ns, 1, MS);
}

static struct fake_answer hang_up_at_10(int index)
{
    return (struct fake_answer){ .what = index == 10 ? FAKE_HANG_UP : FAKE_ANSWER };
}

static struct fake_answer garbage(int index)
{
    (void)index;
    return (struct fake_answer){ .what = FAKE_GARBAGE };
}

/* Goal: a lost connection and an answer that is none are failures that name the server. */
static void broken_server_is_an_error(void **state)
{
    struct rig *rig = *state;
    rig->plan.message_count = 100;
    assert_int_equal(run(rig, hang_up_at_10), ERR_CLOSED);
    assert_non_null(strstr(rig->result.why, "127.0.0.1"));
    assert_true(run(rig, garbage) < 0);
    /* nobody listens there any more */
    assert_int_equal(load_run(&rig->plan, &rig->result), ERR_CLOSED);
    assert_non_null(strstr(rig->result.why, "connecting"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(closed_loop_measures_known_delays),
        TEST(closed_loop_ends_with_its_duration),
        TEST(losses_are_counted),
        TEST(refusals_are_counted_by_code),
        TEST(repeated_answers_count_once),
        TEST(open_loop_charges_a_stall_to_all_it_met),
        TEST(open_loop_gives_up_on_a_silent_server),
        TEST(overload_counts_from_the_write),
        TEST(open_loop_does_not_oversleep),
        TEST(broken_server_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
