/* scenario_deliver.c - end to end: from when a message was due to be sent until a consumer that
 * waits for it (long poll, one queue) has read it. The consumer is a thread of its own:
 *
 *     load_run   writes start_log[i], sends message i
 *     consumer   receives -> clock -> for each record: unique key -> i -> start_log[i]
 */
#include <stdlib.h>

#include "base/clock.h"
#include "bench/receiver.h"
#include "bench/run.h"
#include "wire/properties.h"

enum { DELIVERED, SENDS };
enum { RATE = 1000, FIRST_MESSAGES = 200 };
#define DELIVERED_ALREADY INT64_C(-1)

struct starts {
    const struct send_frame *frame;
    _Atomic int64_t *log; /* by message; DELIVERED_ALREADY once it came */
    int64_t count;
    struct load_result *result;
};

static bool note(void *ctx, const struct record *record, int64_t arrived_ns)
{
    struct starts *starts = ctx;
    uint32_t number;
    struct slice key = property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY));
    if (key.data == NULL || !send_frame_number(starts->frame, key, &number) ||
        number >= (uint64_t)starts->count)
        return false; /* of an earlier round, or somebody else's */
    int64_t start_ns = atomic_exchange(&starts->log[number], DELIVERED_ALREADY);
    if (start_ns == DELIVERED_ALREADY)
        return false;
    histogram_record(&starts->result->latency, arrived_ns - start_ns);
    series_record(&starts->result->series, arrived_ns, arrived_ns - start_ns);
    return true;
}

static int consume_beside(struct run *run, const struct run_broker *broker, struct starts *starts,
                          struct round **rounds)
{
    struct load_plan plan = run_plan(run, broker);
    struct receiver c = {
        .place = { .topic = run->settings.topic, .group = "ramjet_bench_deliver" },
        .each = note,
        .ctx = starts,
    };
    plan.start_log = starts->log;
    plan.start_log_count = starts->count;
    series_init(&starts->result->series, clock_monotonic_ns(), plan.duration_ns);
    int err = receiver_start(&c, &broker->address, plan.timeout_ns);
    if (err != 0)
        return run_complain(run, broker, "a consumer", err);
    int load_err = run_load(run, broker, &plan, rounds[SENDS]);
    if (load_err == 0)
        receiver_await(&c, rounds[SENDS]->load.accepted, clock_monotonic_ns() + plan.timeout_ns);
    err = receiver_stop(&c);
    if (load_err != 0)
        return load_err;
    if (err != 0)
        return run_complain(run, broker, "consuming", err);
    receiver_sum_up(&c, rounds[DELIVERED], rounds[SENDS]);
    return 0;
}

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    struct starts starts = {
        .frame = &run->frame,
        .count = run_plan(run, broker).rate_per_s * run->settings.seconds + 1,
        .result = &rounds[DELIVERED]->load,
    };
    starts.log = calloc((size_t)starts.count, sizeof *starts.log);
    if (starts.log == NULL)
        return run_complain(run, broker, "a log of starts", ERR_NO_MEMORY);
    int err = consume_beside(run, broker, &starts, rounds);
    free(starts.log);
    return err;
}

/* The first messages make the topic. */
static int prepare(struct run *run, const struct run_broker *broker)
{
    struct load_plan plan = run_plan(run, broker);
    struct load_result *result = malloc(sizeof *result);
    if (result == NULL)
        return run_complain(run, broker, "first messages", ERR_NO_MEMORY);
    plan.rate_per_s = 0;
    plan.outstanding = 1;
    plan.message_count = FIRST_MESSAGES;
    int err = load_run(&plan, result);
    if (err != 0)
        run_complain(run, broker, result->why, err);
    free(result);
    return err;
}

static const char *const variants[] = { [DELIVERED] = "", [SENDS] = " sends" };

const struct scenario scenario_deliver = {
    .name = "deliver",
    .text = "end to end: from the send of a message to the consumer that waits for it",
    .help = "Sends to one queue over one connection, at --rate (1000) a second, while a consumer\n"
            "waits there by long polling. Latency counts from when a message was due.",
    .is_single = true,
    .rate_per_s = RATE,
    .variants = variants,
    .variant_count = 2,
    .prepare = prepare,
    .measure = measure,
};
