/* scenario_topics.c - what topics cost: the same sends to one and to many, in turn.
 */
#include "bench/run.h"

enum { ONE, MANY };

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    struct send_frame_options options = run_frame_options(run);
    struct load_plan many = run_plan(run, broker), one = many;
    struct send_frame frame;
    options.topic_count = 0;
    int err = send_frame_init(&frame, &options);
    if (err != 0)
        return run_complain(run, broker, "making a message", err);
    one.frame = &frame;
    err = run_load(run, broker, &one, rounds[ONE]);
    if (err == 0)
        err = run_load(run, broker, &many, rounds[MANY]);
    send_frame_fini(&frame);
    return err;
}

static const char *const variants[] = { [ONE] = " one topic", [MANY] = " many topics" };

const struct scenario scenario_topics = {
    .name = "topics",
    .text = "sends to one topic, and the same to many",
    .help =
        "Sends as `send` does to --topic, and the same to --topics of them, in turn. Queues that\n"
        "were made lately are written behind the sends: --pause-ms before each pair.",
    .variants = variants,
    .variant_count = 2,
    .prepare = run_make_topics,
    .measure = measure,
};
