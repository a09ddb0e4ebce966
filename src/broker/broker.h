/* broker.h - the broker as clients see it: takes messages, hands them to consumers, keeps their
 * offsets, and tells name servers what it has.
 *
 * Threads    everything runs on the loop given at start: broker state has this one owner and no
 *            locks. What may wait (cold reads, index, table files) goes to the workers and comes
 *            back.
 * Ownership  the options are copied; loop and workers stay the caller's and outlive the broker.
 * Errors     0, or a negative code of base/err.h; the cause is in the log.
 */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "broker/broker_conf.h"
#include "net/loop.h"
#include "net/workers.h"

struct broker;

/* Opens the store and the tables, listens, registers at the name servers. */
MUST_CHECK int broker_start(struct loop *loop, struct workers *workers,
                            const struct broker_conf *conf, struct broker **broker);
int broker_port(const struct broker *broker);

/* Begins a clean end: unregisters, takes no new connections and requests, answers what was
 * accepted, then flushes, writes tables and checkpoint, and calls `stopped` on the loop: `err` is
 * what store_close() gave. */
void broker_stop(struct broker *broker, void (*stopped)(void *ctx, int err), void *ctx);
/* After `stopped`. */
void broker_free(struct broker *broker);

#endif
