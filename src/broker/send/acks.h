/* acks.h - sends parked until what their answer promises is true.
 *
 * Threads    the broker's loop, but for acks_flushed().
 * Errors     acks_new(): ERR_NO_MEMORY.
 */
#ifndef BROKER_ACKS_H
#define BROKER_ACKS_H

#include "broker/internal.h"

/* A topic came to be by itself: answers to sends wait until the table that has it is saved. */
void acks_topic_created(struct broker *broker);

/* Sends the reply when everything below end_phy_offset is on disk (at once with asynchronous flush
 * or `wait` false); after syncFlushTimeout it is sent with FLUSH_DISK_TIMEOUT instead of its code.
 * Slices of the reply must live in the request's arena. Takes req over. */
void acks_reply(struct broker *broker, struct request *req, const struct reply *reply,
                int64_t end_phy_offset, bool wait);

MUST_CHECK int acks_new(struct broker *broker, struct acks **acks);
/* The store's on_flushed; any thread. */
void acks_flushed(struct acks *acks);
/* How long the oldest answer has waited for the disk, and what it stood for still does when it was
 * answered with FLUSH_DISK_TIMEOUT; 0: none does. */
int64_t acks_oldest_ns(const struct acks *acks);
/* Nothing is parked, nothing of the flusher's is on its way, and no sync is under way. */
bool acks_are_idle(const struct acks *acks);
/* When idle. */
void acks_free(struct acks *acks);

#endif
