/* scenario_burst.c - many timers that are due in the same millisecond, and those that are due
 * before and after it.
 *
 *     --burst messages, all due at T          ──────────────┤ T
 *     messages due 2 to 4 s after they were sent,   ├───────┼───────────────┤
 *       at --rate for --seconds                   T - 3 s
 *
 * Each lot has a topic and a consumer of its own. The latest of the burst tells how long it took to
 * be delivered and read.
 */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "bench/timed.h"

enum { DELIVERED, BURST, SENDS };
enum { RATE = 1000, DUE_AFTER_MS = 2000, DUE_SPAN_MS = 2000 };
enum { LEAD_MS = 3000, SENT_PER_MS = 10 }; /* the burst has to be sent before it is due */
enum { DRAIN_MS = 60 * 1000 };
#define BURST_SHOWN_NS INT64_C(4000000000) /* behind T, in slots of its own */

static void burst_topic(const struct run *run, char *topic)
{
    snprintf(topic, SEND_TOPIC_NAME_BYTES, "%.100s_burst", run->settings.topic);
}

static void sleep_until(int64_t wall_ms)
{
    int64_t left_ms = wall_ms - clock_wall_ms();
    const struct timespec pause = { .tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000 };
    if (left_ms > 0)
        nanosleep(&pause, NULL);
}

static int with_burst(struct run *run, const struct run_broker *broker,
                      const struct send_frame *frame, struct timed_receiver *burst, int64_t due_ms,
                      struct round **rounds)
{
    const struct timed_due due = { .after_ms = DUE_AFTER_MS, .span_ms = DUE_SPAN_MS };
    struct send_frame beside;
    char topic[SEND_TOPIC_NAME_BYTES];
    burst_topic(run, topic);
    int err = timed_frame(run, broker, run->settings.topic, &due, &beside);
    if (err != 0)
        return err;
    err = timed_receiver_start(burst, run, broker, topic,
                               (due_ms - clock_wall_ms()) * 1000000 + BURST_SHOWN_NS);
    if (err == 0) {
        err = timed_send(run, broker, frame, run->settings.burst);
        if (err == 0 && clock_wall_ms() > due_ms)
            err =
                run_complain(run, broker, "the burst was not sent before it was due", ERR_TIMEOUT);
        sleep_until(due_ms - LEAD_MS);
        const struct timed_load load = {
            .due_ms = DUE_AFTER_MS + DUE_SPAN_MS,
            .drain_ms = DRAIN_MS,
            .delivered = rounds[DELIVERED],
            .sends = rounds[SENDS],
            .also = burst,
            .also_count = (uint64_t)run->settings.burst,
        };
        if (err == 0)
            err = timed_load_run(&load, run, broker, &beside);
        int burst_err = timed_receiver_stop(burst, run, broker);
        err = err != 0 ? err : burst_err;
    }
    send_frame_fini(&beside);
    return err;
}

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    struct send_frame frame;
    char topic[SEND_TOPIC_NAME_BYTES];
    const struct timed_due due = {
        .at_ms = clock_wall_ms() + 2 * LEAD_MS + run->settings.burst / SENT_PER_MS,
    };
    burst_topic(run, topic);
    int err = timed_frame(run, broker, topic, &due, &frame);
    if (err != 0)
        return err;
    struct timed_receiver burst = { .frame = &frame, .result = &rounds[BURST]->load };
    err = with_burst(run, broker, &frame, &burst, due.at_ms, rounds);
    if (err == 0) {
        receiver_sum_up(&burst.receiver, rounds[BURST], rounds[SENDS]);
        rounds[BURST]->load.due = (uint64_t)run->settings.burst;
        rounds[BURST]->load.lost = rounds[BURST]->load.due - rounds[BURST]->load.accepted;
    }
    send_frame_fini(&frame);
    return err;
}

/* A first message makes each topic. */
static int prepare(struct run *run, const struct run_broker *broker)
{
    const struct timed_due at_once = { .at_ms = 1 };
    struct send_frame frame;
    char topic[SEND_TOPIC_NAME_BYTES];
    burst_topic(run, topic);
    int err = timed_send(run, broker, &run->frame, 1);
    if (err == 0)
        err = timed_frame(run, broker, topic, &at_once, &frame);
    if (err != 0)
        return err;
    err = timed_send(run, broker, &frame, 1);
    send_frame_fini(&frame);
    return err;
}

static const char *const variants[] = {
    [DELIVERED] = "",
    [BURST] = " burst",
    [SENDS] = " sends",
};

const struct scenario scenario_burst = {
    .name = "burst",
    .text = "timers due in one millisecond, and how late those beside them are",
    .help =
        "Sends --burst (100000) messages that are all due at one time; from three seconds before\n"
        "that on, messages due in 2 to 4 seconds, at --rate (1000) a second. Consumers wait for\n"
        "both by long polling. Latency counts from TIMER_DELIVER_MS.",
    .is_single = true,
    .rate_per_s = RATE,
    .variants = variants,
    .variant_count = 3,
    .prepare = prepare,
    .measure = measure,
};
