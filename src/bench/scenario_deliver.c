/* scenario_deliver.c - end to end: from when a message was due to be sent until a consumer that
 * waits for it (long poll, one queue) has read it. The consumer is a thread of its own:
 *
 *     load_run   writes start_log[i], sends message i
 *     consumer   receives -> clock -> for each record: unique key -> i -> start_log[i]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "bench/pull.h"
#include "bench/run.h"
#include "wire/codes.h"
#include "wire/properties.h"
#include "wire/record.h"

enum { DELIVERED, SENDS };
enum { RATE = 1000, SUSPEND_MS = 15000, LOOK_MS = 20, FIRST_MESSAGES = 200 };
#define DELIVERED_ALREADY INT64_C(-1)

struct consumer {
    const struct run *run;
    struct line line;
    struct pull_place place;
    _Atomic int64_t *start_log; /* by message; DELIVERED_ALREADY once it came */
    int64_t start_count;
    struct load_result *result;
    atomic_ullong delivered; /* read by the main thread */
    atomic_bool is_stopping;
    int err;
};

static void count_message(struct consumer *c, const struct record *record, int64_t arrived_ns)
{
    uint32_t number;
    struct slice key = property_get(record->properties, SLICE(PROPERTY_UNIQ_KEY));
    if (key.data == NULL || !send_frame_number(&c->run->frame, key, &number) ||
        number >= (uint64_t)c->start_count)
        return; /* of an earlier round, or somebody else's */
    int64_t start_ns = atomic_exchange(&c->start_log[number], DELIVERED_ALREADY);
    if (start_ns == DELIVERED_ALREADY)
        return;
    histogram_record(&c->result->latency, arrived_ns - start_ns);
    series_record(&c->result->series, arrived_ns, arrived_ns - start_ns);
    atomic_fetch_add(&c->delivered, 1);
}

static void count_records(struct consumer *c, const struct line_answer *answer)
{
    struct slice rest = answer->body;
    struct record record;
    while (rest.len > 0 && record_decode(rest, RECORD_CHECK_LENGTHS, &record) == 0) {
        count_message(c, &record, answer->arrived_ns);
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
    const struct timespec pause = { .tv_nsec = 1000000 };
    int64_t deadline_ns = clock_monotonic_ns() + c->run->settings.timeout_ms * INT64_C(1000000);
    while (atomic_load(&c->delivered) < accepted && clock_monotonic_ns() < deadline_ns)
        nanosleep(&pause, NULL);
}

static int consume_beside(struct run *run, const struct run_broker *broker, struct consumer *c,
                          struct round **rounds)
{
    struct load_plan plan = run_plan(run, broker);
    pthread_t thread;
    plan.start_log = c->start_log;
    plan.start_log_count = c->start_count;
    series_init(&c->result->series, clock_monotonic_ns(), plan.duration_ns);
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

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    struct load_plan plan = run_plan(run, broker);
    struct consumer c = {
        .run = run,
        .place = { .topic = run->settings.topic, .group = "ramjet_bench_deliver" },
        .start_count = plan.rate_per_s * run->settings.seconds + 1,
        .result = &rounds[DELIVERED]->load,
    };
    c.start_log = calloc((size_t)c.start_count, sizeof *c.start_log);
    if (c.start_log == NULL)
        return run_complain(run, broker, "a log of starts", ERR_NO_MEMORY);
    int err = line_open(&c.line, &broker->address, plan.timeout_ns);
    if (err == 0)
        err = pull_queue_end(&c.line, REQ_GET_MAX_OFFSET, c.place.topic, 0, plan.timeout_ns,
                             &c.place.queue_offset);
    if (err != 0) {
        run_complain(run, broker, "finding the end of the queue", err);
    } else {
        err = consume_beside(run, broker, &c, rounds);
        if (err == 0)
            sum_up(&c, rounds);
    }
    line_close(&c.line);
    free(c.start_log);
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
