/* pops.h - runs popping on the broker's loop: wakes when something is due, has workers read what is
 * not in memory, makes retry topics, has the tables saved.
 *
 * Threads    the broker's loop.
 * Ownership  between open and close the broker's store, tables, loop and workers are in use.
 * Errors     0, or a negative code of base/err.h; nothing was written then.
 */
#ifndef BROKER_POPS_H
#define BROKER_POPS_H

#include "broker/internal.h"
#include "delivery/delivery.h"

struct pops;

/* What it costs does not grow with what waits in the log: that is read afterwards. */
MUST_CHECK int pops_open(struct broker *broker, struct pops **pops);

struct pop_keeper *pops_keeper(const struct pops *pops);
int32_t pops_revive_queue_count(const struct pops *pops);

/* After a crash consumer offsets are brought up to what the log says was popped. Until then nobody
 * may pop; pop_hold is told when it is done. */
bool pops_are_recovering(const struct pops *pops);
/* Somebody has set this consumer offset: what the log says of it does not count any more. */
void pops_keep_offset(struct pops *pops, struct slice topic, struct slice group, int32_t queue_id);
/* The table of consumer offsets is about to be saved. */
void pops_note_log_end(struct pops *pops);

/* A message was stored in this topic and queue, at this place. */
void pops_arrived(struct pops *pops, struct slice topic, int32_t queue_id, int64_t queue_offset);

void pops_stop(struct pops *pops);
/* True when no worker is busy for it any more. */
bool pops_are_idle(const struct pops *pops);
/* After pops_stop(), when idle, before the store is closed. */
void pops_close(struct pops *pops);

#endif
