/* batches.h - a topic with batch queues (queue.type=BatchCQ): inner batches, each one record that
 * takes as many places as it holds messages. What was promised of them.
 */
#ifndef TESTS_CRASH_SIM_BATCHES_H
#define TESTS_CRASH_SIM_BATCHES_H

#include "sim.h"
#include "store/store.h"

/* A new history begins; with batches? */
void batches_reset(bool on);
/* store_options.next_batch_topic */
bool batches_next_topic(void *ctx, size_t *cursor, struct slice *topic);
void batches_put(struct store *store);
/* The store says so. */
void batches_note_flushed(int64_t upto);
/* Looks at the queues after a stop of this kind and holds them against the promises. */
void batches_verify(struct store *store, enum machine_end stop, bool sync_failed);
/* Notes how the queues are; `compare`: they were built from the log, and must be as noted. */
void batches_look(struct store *store, bool compare);

#endif
