/* timed.h - messages with timers, for the scenarios that measure how late these are delivered.
 *
 * Both clocks are the wall clock of one machine, so nothing but the broker and the way to the
 * consumer is measured. What arrives before its time is counted as refused, code 0.
 *
 * Errors     0, or a negative code whose reason was said on stderr.
 * Threads    the main thread.
 */
#ifndef BENCH_TIMED_H
#define BENCH_TIMED_H

#include "bench/receiver.h"
#include "bench/run.h"

/* When messages are due: by the fields of send_frame_options. */
struct timed_due {
    int64_t after_ms;
    int64_t span_ms;
    int64_t at_ms;
};
/* A frame of the run whose messages, to this topic, have timers. */
MUST_CHECK int timed_frame(const struct run *run, const struct run_broker *broker,
                           const char *topic, const struct timed_due *due,
                           struct send_frame *frame);
/* Sends `count` messages of the frame, as fast as they are accepted. */
MUST_CHECK int timed_send(struct run *run, const struct run_broker *broker,
                          const struct send_frame *frame, int64_t count);
/* Waits until the wheel has taken in all that was sent. */
MUST_CHECK int timed_await_taken_in(struct run *run, const struct run_broker *broker);

/* The wall clock at a moment of the monotonic one that is not long ago. */
int64_t timed_wall_ns(int64_t monotonic_ns);

/* A consumer that notes in `result` how late the messages of a frame come. */
struct timed_receiver {
    const struct send_frame *frame;
    struct load_result *result;
    struct receiver receiver;
};
/* Waits at the end of the topic's queue 0; the series of the result begins now and covers span_ns.
 */
MUST_CHECK int timed_receiver_start(struct timed_receiver *c, struct run *run,
                                    const struct run_broker *broker, const char *topic,
                                    int64_t span_ns);
MUST_CHECK int timed_receiver_stop(struct timed_receiver *c, struct run *run,
                                   const struct run_broker *broker);

/* A load of messages that are due within due_ms, and the consumer that receives them beside. */
struct timed_load {
    int64_t due_ms;
    int64_t drain_ms; /* how long after the last send all are waited for */
    struct round *delivered;
    struct round *sends;
    struct timed_receiver *also; /* waited for as well, for so many; NULL: none */
    uint64_t also_count;
};
MUST_CHECK int timed_load_run(const struct timed_load *load, struct run *run,
                              const struct run_broker *broker, const struct send_frame *frame);

#endif
