/* receiver.h - a thread that waits for messages, one request at a time, and notes each as it comes.
 *
 *     start ──> ask ──> (long poll) ──> take ──> ask ──> ... ──> stop
 *
 * By default it pulls from one queue by long polling, from its end on, and `each` gets every
 * record; with `ask` and `take` it does what these do.
 *
 * Ownership  the caller's struct, set up before receiver_start(); what it points to is borrowed
 *            until receiver_stop(), which must follow a start that succeeded.
 * Threads    `ask`, `take` and `each` run on the receiver's own thread; the rest: one caller.
 * Errors     0, or a negative code.
 */
#ifndef BENCH_RECEIVER_H
#define BENCH_RECEIVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "bench/pull.h"
#include "bench/report.h"
#include "wire/record.h"

enum { RECEIVER_SUSPEND_MS = 15000 };

struct receiver {
    struct pull_place place;
    /* True when the record is one of those that are waited for. arrived_ns: monotonic. */
    bool (*each)(void *ctx, const struct record *record, int64_t arrived_ns);
    void *ctx;
    int (*ask)(struct receiver *c);                                    /* NULL: pulls */
    int (*take)(struct receiver *c, const struct line_answer *answer); /* an error ends it */

    struct line line;
    atomic_ullong delivered;
    atomic_bool is_stopping;
    int err; /* the thread's, until it has ended */
    pthread_t thread;
};

MUST_CHECK int receiver_start(struct receiver *c, const struct sockaddr_in *address,
                              int64_t timeout_ns);
/* Waits until so many were delivered, or deadline_ns (monotonic). */
void receiver_await(const struct receiver *c, uint64_t count, int64_t deadline_ns);
/* Ends the thread: 0, or what had ended it before. */
MUST_CHECK int receiver_stop(struct receiver *c);

/* Hands each record of an answer to `each`, and counts those waited for. */
void receiver_take_records(struct receiver *c, const struct line_answer *answer);
/* The round of what was delivered, out of that of its sends. */
void receiver_sum_up(const struct receiver *c, struct round *delivered, const struct round *sends);

#endif
