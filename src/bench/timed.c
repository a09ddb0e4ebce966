#include "bench/timed.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "wire/codes.h"
#include "wire/properties.h"

enum { FILL_CONNECTIONS = 4, FILL_OUTSTANDING = 64, FILL_HOURS = 2, FILL_TRIES = 20 };

int timed_frame(const struct run *run, const struct run_broker *broker, const char *topic,
                const struct timed_due *due, struct send_frame *frame)
{
    const struct send_frame_options options = {
        .type = run->frame.type,
        .topic = topic,
        .queue_count = 1,
        .body_bytes = run->frame.body_bytes,
        .due_after_ms = due->after_ms,
        .due_span_ms = due->span_ms,
        .due_at_ms = due->at_ms,
    };
    int err = send_frame_init(frame, &options);
    return err == 0 ? 0 : run_complain(run, broker, "a message with a timer", err);
}

int timed_send(struct run *run, const struct run_broker *broker, const struct send_frame *frame,
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
    plan.duration_ns = FILL_HOURS * INT64_C(3600) * 1000000000;
    int64_t left = count;
    int err = 0;
    for (int tries = 0; tries < FILL_TRIES && left > 0 && err == 0; tries++) {
        plan.message_count = left; /* a broker that is busy has refused some */
        err = load_run(&plan, result);
        left -= (int64_t)result->accepted;
    }
    if (err != 0)
        run_complain(run, broker, result->why, err);
    else if (left > 0)
        err = run_complain(run, broker, "messages were refused again and again", ERR_INVALID);
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

int timed_await_taken_in(struct run *run, const struct run_broker *broker)
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

int64_t timed_wall_ns(int64_t monotonic_ns)
{
    enum { CLOSE_NS = 20000, TRIES = 10 };
    int64_t before_ns, wall_ns;
    int tries = 0;
    do { /* the thread may be put aside between the two; never charge less than was */
        before_ns = clock_monotonic_ns();
        wall_ns = clock_wall_ns();
    } while (clock_monotonic_ns() - before_ns > CLOSE_NS && ++tries < TRIES);
    return wall_ns - (before_ns - monotonic_ns);
}

static bool note(void *ctx, const struct record *record, int64_t arrived_ns)
{
    struct timed_receiver *c = ctx;
    uint32_t number;
    int64_t due_ms;
    struct slice key = property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY));
    struct slice due = property_get(record->properties, SLICE(PROPERTY_TIMER_DELIVER_MS));
    if (key.data == NULL || !send_frame_number(c->frame, key, &number) ||
        !slice_to_i64(due, &due_ms))
        return false; /* of an earlier round, or somebody else's */
    int64_t late_ns = timed_wall_ns(arrived_ns) - due_ms * 1000000;
    if (late_ns < 0) {
        c->result->refused++;
        return false;
    }
    histogram_record(&c->result->latency, late_ns);
    series_record(&c->result->series, arrived_ns, late_ns);
    return true;
}

int timed_receiver_start(struct timed_receiver *c, struct run *run, const struct run_broker *broker,
                         const char *topic, int64_t span_ns)
{
    c->receiver = (struct receiver){
        .place = { .topic = topic, .group = "ramjet_bench_timer" },
        .each = note,
        .ctx = c,
    };
    series_init(&c->result->series, clock_monotonic_ns(), span_ns);
    int err =
        receiver_start(&c->receiver, &broker->address, run->settings.timeout_ms * INT64_C(1000000));
    return err == 0 ? 0 : run_complain(run, broker, "a consumer", err);
}

int timed_receiver_stop(struct timed_receiver *c, struct run *run, const struct run_broker *broker)
{
    int err = receiver_stop(&c->receiver);
    return err == 0 ? 0 : run_complain(run, broker, "consuming", err);
}

int timed_load_run(const struct timed_load *load, struct run *run, const struct run_broker *broker,
                   const struct send_frame *frame)
{
    struct timed_receiver c = { .frame = frame, .result = &load->delivered->load };
    struct load_plan plan = run_plan(run, broker);
    plan.frame = frame;
    int err = timed_receiver_start(&c, run, broker, run->settings.topic,
                                   plan.duration_ns + load->due_ms * INT64_C(1000000));
    if (err != 0)
        return err;
    int load_err = run_load(run, broker, &plan, load->sends);
    int64_t deadline_ns = clock_monotonic_ns() + load->drain_ms * INT64_C(1000000);
    if (load_err == 0)
        receiver_await(&c.receiver, load->sends->load.accepted, deadline_ns);
    if (load_err == 0 && load->also != NULL)
        receiver_await(&load->also->receiver, load->also_count, deadline_ns);
    err = timed_receiver_stop(&c, run, broker);
    if (err == 0 && load_err == 0)
        receiver_sum_up(&c.receiver, load->delivered, load->sends);
    return load_err != 0 ? load_err : err;
}
