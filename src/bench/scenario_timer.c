/* scenario_timer.c - how long after its time a message with a timer reaches a consumer that waits
 * for it (long poll, one queue), while many others wait for times hours away.
 *
 *     prepare   --pending messages, due in 6 to 18 hours
 *     measure   messages due in 2 to 4 seconds, at --rate; the consumer, a thread of its own:
 *               receives -> wall clock -> less TIMER_DELIVER_MS of the record
 */
#include "bench/timed.h"

enum { DELIVERED, SENDS };
enum { RATE = 1000, DUE_AFTER_MS = 2000, DUE_SPAN_MS = 2000, HOUR_MS = 3600 * 1000 };

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    const struct timed_due due = { .after_ms = DUE_AFTER_MS, .span_ms = DUE_SPAN_MS };
    struct send_frame frame;
    int err = timed_frame(run, broker, run->settings.topic, &due, &frame);
    if (err != 0)
        return err;
    const struct timed_load load = {
        .due_ms = DUE_AFTER_MS + DUE_SPAN_MS,
        .drain_ms = DUE_AFTER_MS + DUE_SPAN_MS + run->settings.timeout_ms,
        .delivered = rounds[DELIVERED],
        .sends = rounds[SENDS],
    };
    err = timed_load_run(&load, run, broker, &frame);
    send_frame_fini(&frame);
    return err;
}

/* A first message makes the topic; then those that wait all the while. */
static int prepare(struct run *run, const struct run_broker *broker)
{
    const struct timed_due due = { .after_ms = 6 * HOUR_MS, .span_ms = 12 * HOUR_MS };
    struct send_frame frame;
    int err = timed_send(run, broker, &run->frame, 1);
    if (err != 0 || run->settings.pending == 0)
        return err;
    err = timed_frame(run, broker, run->settings.topic, &due, &frame);
    if (err != 0)
        return err;
    err = timed_send(run, broker, &frame, run->settings.pending);
    send_frame_fini(&frame);
    return err != 0 ? err : timed_await_taken_in(run, broker);
}

static const char *const variants[] = { [DELIVERED] = "", [SENDS] = " sends" };

const struct scenario scenario_timer = {
    .name = "timer",
    .text = "how late a message with a timer reaches its consumer, with --pending others waiting",
    .help =
        "Before the first round, --pending (1000000) messages due in 6 to 18 hours. Then messages\n"
        "due in 2 to 4 seconds, over one connection, at --rate (1000) a second, while a consumer\n"
        "waits for them by long polling. Latency counts from TIMER_DELIVER_MS; what comes before\n"
        "that is shown as refused. Ramjet or the reference.",
    .is_single = true,
    .rate_per_s = RATE,
    .variants = variants,
    .variant_count = 2,
    .prepare = prepare,
    .measure = measure,
};
