/* scenario_read.c - groups that catch up with old data as fast as they can, and what that does to
 * the sends beside them: hot sends alone, the same with the readers, and the readers themselves.
 *
 * A reader is a thread that pulls each queue from its start to its end, then the next one, and
 * begins again; readers start at different queues.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"
#include "bench/pull.h"
#include "bench/run.h"
#include "wire/codes.h"

enum { ALONE, BESIDE, READERS };
enum { LOOK_MS = 50, READERS_MAX = 64, GROUP_BYTES = 48 };

struct reader_thread {
    const struct run *run;
    const struct run_broker *broker;
    pthread_t thread;
    struct line line;
    char group[GROUP_BYTES];
    int first_queue;
    int64_t end_ns; /* of what counts in time */
    const atomic_bool *is_stopping;
    struct load_result *result;
    int err;
};

/* One pull: 1 when messages came, 0 when the place is at the queue's end. */
static int read_some(struct reader_thread *r, struct pull_place *place)
{
    struct line_answer answer;
    int64_t start_ns = clock_monotonic_ns(), from = place->queue_offset;
    int err = pull_ask(&r->line, place, 0);
    while (err == 0 && (err = line_receive(&r->line, LOOK_MS, &answer)) == ERR_INCOMPLETE)
        err = atomic_load(r->is_stopping) ? ERR_CLOSED : 0;
    if (err != 0)
        return err;
    if (!pull_advance(place, &answer))
        return place->queue_offset > from; /* moved on: nothing matched, or the start is gone */
    uint64_t count = (uint64_t)(place->queue_offset - from);
    histogram_record(&r->result->latency, answer.arrived_ns - start_ns);
    r->result->accepted += count;
    if (answer.arrived_ns <= r->end_ns) {
        r->result->accepted_in_time += count;
        r->result->bytes_in_time += answer.body.len;
    }
    return 1;
}

static void *reader_main(void *arg)
{
    struct reader_thread *r = arg;
    struct pull_place place = { .topic = r->run->settings.read_topic, .group = r->group };
    int64_t timeout_ns = r->run->settings.timeout_ms * INT64_C(1000000);
    for (int i = r->first_queue; r->err == 0 && !atomic_load(r->is_stopping); i++) {
        place.queue_id = i % r->run->settings.queues;
        r->err = pull_queue_end(&r->line, REQ_GET_MIN_OFFSET, place.topic, place.queue_id,
                                timeout_ns, &place.queue_offset);
        int got = 1;
        while (r->err == 0 && got > 0 && !atomic_load(r->is_stopping))
            got = read_some(r, &place);
        if (got < 0 && !atomic_load(r->is_stopping))
            r->err = got;
    }
    return NULL;
}

static int start_reader(struct reader_thread *r, const struct run *run,
                        const struct run_broker *broker, int index, const atomic_bool *is_stopping)
{
    *r = (struct reader_thread){ .run = run,
                                 .broker = broker,
                                 .first_queue = index,
                                 .is_stopping = is_stopping,
                                 .result = calloc(1, sizeof *r->result) };
    r->end_ns = clock_monotonic_ns() + (int64_t)run->settings.seconds * 1000000000;
    snprintf(r->group, sizeof r->group, "ramjet_bench_reader_%d", index);
    if (r->result == NULL)
        return ERR_NO_MEMORY;
    int err = line_open(&r->line, &broker->address, run->settings.timeout_ms * INT64_C(1000000));
    if (err != 0)
        goto fail;
    err = thread_start(&r->thread, "reader", reader_main, r);
    if (err != 0)
        goto fail_line;
    return 0;
fail_line:
    line_close(&r->line);
fail:
    free(r->result);
    return err;
}

static int end_reader(struct reader_thread *r, struct load_result *all)
{
    pthread_join(r->thread, NULL);
    line_close(&r->line);
    histogram_merge(&all->latency, &r->result->latency);
    all->accepted += r->result->accepted;
    all->accepted_in_time += r->result->accepted_in_time;
    all->bytes_in_time += r->result->bytes_in_time;
    all->due = all->accepted;
    free(r->result);
    return r->err;
}

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    struct reader_thread readers[READERS_MAX];
    struct load_plan plan = run_plan(run, broker);
    struct load_result *all = &rounds[READERS]->load;
    atomic_bool is_stopping = false;
    int started = 0;
    int err = run_load(run, broker, &plan, rounds[ALONE]);
    while (err == 0 && started < run->settings.readers) {
        err = start_reader(&readers[started], run, broker, started, &is_stopping);
        started += err == 0;
        if (err != 0)
            run_complain(run, broker, "starting a reader", err);
    }
    if (err == 0)
        err = run_load(run, broker, &plan, rounds[BESIDE]);
    atomic_store(&is_stopping, true);
    for (int i = 0; i < started; i++) {
        int reader_err = end_reader(&readers[i], all);
        if (err == 0 && reader_err != 0)
            err = run_complain(run, broker, "reading", reader_err);
    }
    all->elapsed_ns = (int64_t)run->settings.seconds * 1000000000;
    return err;
}

static const char *const variants[] = {
    [ALONE] = "", [BESIDE] = " with readers", [READERS] = " readers"
};

const struct scenario scenario_read = {
    .name = "read",
    .text = "catch-up reads, and what they do to the sends beside them",
    .help =
        "Sends as `send` does, alone and then while --readers groups pull --read-topic from its\n"
        "start. The readers' latencies are of pulls, their rates of messages.",
    .rate_per_s = 1000,
    .variants = variants,
    .variant_count = 3,
    .measure = measure,
};
