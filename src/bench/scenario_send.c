/* scenario_send.c - latency and throughput of sends, in closed or open loop, to one topic or many.
 */
#include "bench/run.h"

static int prepare(struct run *run, const struct run_broker *broker)
{
    return run->settings.topics > 0 ? run_make_topics(run, broker) : 0;
}

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    struct load_plan plan = run_plan(run, broker);
    return run_load(run, broker, &plan, rounds[0]);
}

static const char *const variants[] = { "" };

const struct scenario scenario_send = {
    .name = "send",
    .text = "latency and throughput of sends, beside an echo and other brokers",
    .help = "Sends messages and measures the answers. Several brokers and the echo floor are\n"
            "measured in turn; figures are medians over the rounds.",
    .variants = variants,
    .variant_count = 1,
    .prepare = prepare,
    .measure = measure,
};
