/* scenario_timer.c - how long after its time a message with a timer reaches a consumer that waits
 * for it (long poll, one queue), while many others wait for times hours away.
 *
 *     prepare   --pending messages, due in 6 to 18 hours
 *     measure   messages due in 2 to 4 seconds, at --rate; the consumer, a thread of its own:
 *               receives -> wall clock -> less TIMER_DELIVER_MS of the record
 *
 * Both clocks are the wall clock of one machine, so nothing but the broker and the way to the
 * consumer is measured. What arrives before its time is counted as refused, code 0.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "bench/pull.h"
#include "bench/run.h"
#include "wire/codes.h"
#include "wire/properties.h"
#include "wire/record.h"

enum { DELIVERED, SENDS };
enum { RATE = 1000, SUSPEND_MS = 15000, LOOK_MS = 20 };
enum { DUE_AFTER_MS = 2000, DUE_SPAN_MS = 2000, HOUR_MS = 3600 * 1000 };
enum { FILL_CONNECTIONS = 4, FILL_OUTSTANDING = 64, FILL_HOURS = 2 };

struct consumer {
    const struct run *run;
    const struct send_frame *frame;
    struct line line;
    struct pull_place place;
    struct load_result *result;
    atomic_ullong delivered; /* read by the main thread */
    atomic_bool is_stopping;
    int err;
};

static int64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void count_message(struct consumer *c, const struct record *record, int64_t arrived_ns)
{
    uint32_t number;
    int64_t due_ms;
    struct slice key = property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY));
    struct slice due = property_get(record->properties, SLICE(PROPERTY_TIMER_DELIVER_MS));
    if (key.data == NULL || !send_frame_number(c->frame, key, &number) ||
        !slice_to_i64(due, &due_ms))
        return; /* of an earlier round, or somebody else's */
    int64_t late_ns = arrived_ns - due_ms * 1000000;
    if (late_ns < 0) {
        c->result->refused++;
        return;
    }
    histogram_record(&c->result->latency, late_ns);
    series_record(&c->result->series, clock_monotonic_ns(), late_ns);
    atomic_fetch_add(&c->delivered, 1);
}

static void count_records(struct consumer *c, const struct line_answer *answer)
{
    /* the time of the arrival, told by the monotonic clock, on the wall clock */
    int64_t arrived_ns = wall_ns() - (clock_monotonic_ns() - answer->arrived_ns);
    struct slice rest = answer->body;
    struct record record;
    while (rest.len > 0 && record_decode(rest, RECORD_CHECK_LENGTHS, &record) == 0) {
        count_message(c, &record, arrived_ns);
        rest = slice_from(rest, (size_t)record.total_bytes);
    }
}

static void *consumer_main(void *arg)
{
    struct consumer *c = arg;
    struct line_answer answer;
    c->err = pull_ask(&c->line, &c->place, SUSPEND_MS);
    while (c->err == 0 && !atomic_load(&c->is_stopping)) {
        c->err = line_receive(&c->line, LOOK_MS, &answer);
        if (c->err == ERR_INCOMPLETE) {
            c->err = 0;
            continue;
        }
        if (c->err == 0 && pull_advance(&c->place, &answer))
            count_records(c, &answer);
        if (c->err == 0)
            c->err = pull_ask(&c->line, &c->place, SUSPEND_MS);
    }
    return NULL;
}

/* Waits until all that was accepted has come, or the time for it is over. */
static void await_deliveries(struct consumer *c, uint64_t accepted)
{
    const struct timespec pause = { .tv_nsec = 10000000 };
    int64_t patience_ms = DUE_AFTER_MS + DUE_SPAN_MS + c->run->settings.timeout_ms;
    int64_t deadline_ns = clock_monotonic_ns() + patience_ms * INT64_C(1000000);
    while (atomic_load(&c->delivered) < accepted && clock_monotonic_ns() < deadline_ns)
        nanosleep(&pause, NULL);
}

static int consume_beside(struct run *run, const struct run_broker *broker, struct consumer *c,
                          struct round **rounds)
{
    struct load_plan plan = run_plan(run, broker);
    pthread_t thread;
    plan.frame = c->frame;
    series_init(&c->result->series, clock_monotonic_ns(),
                plan.duration_ns + (DUE_AFTER_MS + DUE_SPAN_MS) * INT64_C(1000000));
    int cause = pthread_create(&thread, NULL, consumer_main, c);
    if (cause != 0)
        return run_complain(run, broker, "a consumer's thread", err_from_errno(cause));
    int err = run_load(run, broker, &plan, rounds[SENDS]);
    if (err == 0)
        await_deliveries(c, rounds[SENDS]->load.accepted);
    atomic_store(&c->is_stopping, true);
    pthread_join(thread, NULL);
    return err != 0 ? err : c->err == 0 ? 0 : run_complain(run, broker, "consuming", c->err);
}

/* The figures of what was delivered, out of those of the sends. */
static void sum_up(struct consumer *c, struct round **rounds)
{
    struct load_result *delivered = &rounds[DELIVERED]->load;
    const struct load_result *sent = &rounds[SENDS]->load;
    series_end(&delivered->series);
    delivered->due = sent->accepted;
    delivered->accepted = delivered->accepted_in_time = atomic_load(&c->delivered);
    delivered->lost =
        delivered->due > delivered->accepted ? delivered->due - delivered->accepted : 0;
    delivered->elapsed_ns = sent->elapsed_ns;
    rounds[DELIVERED]->stall = rounds[SENDS]->stall;
    rounds[DELIVERED]->cpu_ns = rounds[SENDS]->cpu_ns;
    rounds[DELIVERED]->resident_kib = rounds[SENDS]->resident_kib;
}

/* A frame whose messages have timers. */
static int make_frame(const struct run *run, const struct run_broker *broker, int64_t after_ms,
                      int64_t span_ms, struct send_frame *frame)
{
    const struct send_frame_options options = {
        .type = run->frame.type,
        .topic = run->settings.topic,
        .queue_count = 1,
        .body_bytes = run->frame.body_bytes,
        .due_after_ms = after_ms,
        .due_span_ms = span_ms,
    };
    int err = send_frame_init(frame, &options);
    return err == 0 ? 0 : run_complain(run, broker, "a message with a timer", err);
}

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    struct send_frame frame;
    struct consumer c = {
        .run = run,
        .frame = &frame,
        .place = { .topic = run->settings.topic, .group = "ramjet_bench_timer" },
        .result = &rounds[DELIVERED]->load,
    };
    int64_t timeout_ns = run->settings.timeout_ms * INT64_C(1000000);
    int err = make_frame(run, broker, DUE_AFTER_MS, DUE_SPAN_MS, &frame);
    if (err != 0)
        return err;
    err = line_open(&c.line, &broker->address, timeout_ns);
    if (err == 0)
        err = pull_queue_end(&c.line, REQ_GET_MAX_OFFSET, c.place.topic, 0, timeout_ns,
                             &c.place.queue_offset);
    if (err != 0) {
        run_complain(run, broker, "finding the end of the queue", err);
    } else {
        err = consume_beside(run, broker, &c, rounds);
        if (err == 0)
            sum_up(&c, rounds);
    }
    line_close(&c.line);
    send_frame_fini(&frame);
    return err;
}

/* The messages that wait all the while, and a first one that makes the topic. */
static int fill(struct run *run, const struct run_broker *broker, const struct send_frame *frame,
                int64_t count)
{
    struct load_result *result = malloc(sizeof *result);
    if (result == NULL)
        return run_complain(run, broker, "messages that wait", ERR_NO_MEMORY);
    struct load_plan plan = run_plan(run, broker);
    plan.frame = frame;
    plan.rate_per_s = 0;
    plan.connections = count == 1 ? 1 : FILL_CONNECTIONS;
    plan.outstanding = count == 1 ? 1 : FILL_OUTSTANDING;
    plan.message_count = count;
    plan.duration_ns = FILL_HOURS * INT64_C(3600) * 1000000000;
    int err = load_run(&plan, result);
    if (err != 0)
        run_complain(run, broker, result->why, err);
    else if (result->accepted < (uint64_t)count)
        err = run_complain(run, broker, "a message with a timer was refused", ERR_INVALID);
    free(result);
    return err;
}

/* Whether the broker has taken in what was sent: its check point has reached the queue's end. */
static int is_taken_in(struct line *line, int64_t timeout_ns, bool *taken_in)
{
    enum { CHECK_BYTES = 32, CHECK_QUEUE_OFFSET = 16 };
    struct line_answer answer;
    int64_t end;
    int err = pull_queue_end(line, REQ_GET_MAX_OFFSET, "rmq_sys_wheel_timer", 0, timeout_ns, &end);
    if (err == 0)
        err = line_call(line, REQ_GET_TIMER_CHECK_POINT, NULL, NULL, slice_of(NULL, 0), timeout_ns,
                        &answer);
    if (err == 0 && answer.body.len < CHECK_BYTES)
        err = ERR_CORRUPT;
    if (err == 0)
        *taken_in = (int64_t)get_be64(answer.body.data + CHECK_QUEUE_OFFSET) >= end;
    return err;
}

static int await_taken_in(struct run *run, const struct run_broker *broker)
{
    const struct timespec pause = { .tv_nsec = 100000000 };
    int64_t timeout_ns = run->settings.timeout_ms * INT64_C(1000000);
    int64_t deadline_ns = clock_monotonic_ns() + INT64_C(600) * 1000000000;
    bool taken_in = false;
    struct line line;
    int err = line_open(&line, &broker->address, timeout_ns);
    while (err == 0 && !taken_in && clock_monotonic_ns() < deadline_ns) {
        err = is_taken_in(&line, timeout_ns, &taken_in);
        nanosleep(&pause, NULL);
    }
    line_close(&line);
    if (err == 0 && !taken_in)
        err = ERR_TIMEOUT;
    return err == 0 ? 0 : run_complain(run, broker, "waiting for the wheel to take all in", err);
}

static int prepare(struct run *run, const struct run_broker *broker)
{
    struct send_frame frame;
    int err = fill(run, broker, &run->frame, 1);
    if (err != 0 || run->settings.pending == 0)
        return err;
    err = make_frame(run, broker, 6 * HOUR_MS, 12 * HOUR_MS, &frame);
    if (err != 0)
        return err;
    err = fill(run, broker, &frame, run->settings.pending);
    send_frame_fini(&frame);
    return err != 0 ? err : await_taken_in(run, broker);
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
