#include "bench/receiver.h"

#include <time.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/thread_rank.h"
#include "wire/codes.h"

enum { LOOK_MS = 20 }; /* how soon it sees that it is to end */

void receiver_take_records(struct receiver *c, const struct line_answer *answer)
{
    struct slice rest = answer->body;
    struct record record;
    while (rest.len > 0 && record_decode(rest, RECORD_CHECK_LENGTHS, &record) == 0) {
        if (c->each(c->ctx, &record, answer->arrived_ns))
            atomic_fetch_add(&c->delivered, 1);
        rest = slice_from(rest, (size_t)record.total_bytes);
    }
}

static int ask_pull(struct receiver *c)
{
    return pull_ask(&c->line, &c->place, RECEIVER_SUSPEND_MS);
}

static int take_pull(struct receiver *c, const struct line_answer *answer)
{
    if (pull_advance(&c->place, answer))
        receiver_take_records(c, answer);
    return 0;
}

static void *receiver_main(void *arg)
{
    struct receiver *c = arg;
    struct line_answer answer;
    thread_go_first();
    c->err = c->ask(c);
    while (c->err == 0 && !atomic_load(&c->is_stopping)) {
        c->err = line_receive(&c->line, LOOK_MS, &answer);
        if (c->err == ERR_INCOMPLETE) {
            c->err = 0;
            continue;
        }
        if (c->err == 0)
            c->err = c->take(c, &answer);
        if (c->err == 0)
            c->err = c->ask(c);
    }
    return NULL;
}

int receiver_start(struct receiver *c, const struct sockaddr_in *address, int64_t timeout_ns)
{
    int err = line_open(&c->line, address, timeout_ns);
    if (err == 0 && c->ask == NULL) {
        c->ask = ask_pull;
        c->take = take_pull;
        err = pull_queue_end(&c->line, REQ_GET_MAX_OFFSET, c->place.topic, c->place.queue_id,
                             timeout_ns, &c->place.queue_offset);
    }
    if (err == 0)
        err = thread_start(&c->thread, "receiver", receiver_main, c);
    if (err != 0)
        line_close(&c->line);
    return err;
}

void receiver_await(const struct receiver *c, uint64_t count, int64_t deadline_ns)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    while (atomic_load(&c->delivered) < count && clock_monotonic_ns() < deadline_ns)
        nanosleep(&pause, NULL);
}

int receiver_stop(struct receiver *c)
{
    atomic_store(&c->is_stopping, true);
    pthread_join(c->thread, NULL);
    line_close(&c->line);
    return c->err;
}

void receiver_sum_up(const struct receiver *c, struct round *delivered, const struct round *sends)
{
    struct load_result *to = &delivered->load;
    const struct load_result *sent = &sends->load;
    series_end(&to->series);
    to->due = sent->accepted;
    to->accepted = to->accepted_in_time = atomic_load(&c->delivered);
    to->lost = to->due > to->accepted ? to->due - to->accepted : 0;
    to->elapsed_ns = sent->elapsed_ns;
    delivered->stall = sends->stall;
    delivered->cpu_ns = sends->cpu_ns;
    delivered->resident_kib = sends->resident_kib;
}
