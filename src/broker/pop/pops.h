/* pops.h - runs popping on the broker's loop: writes checkpoints and acks to the revive log, puts
 * again what nobody acknowledged in time, reads the log back, keeps consumerOrderInfo.json.
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

/* Reads consumerOrderInfo.json and begins. What it costs does not grow with what waits in the log:
 * that is read afterwards. */
MUST_CHECK int pops_open(struct broker *broker, struct pops **pops);

/* After a crash consumer offsets are brought up to what the log says was popped, by a worker. Until
 * then nobody may pop; pop_hold is told when it is done. */
bool pops_are_recovering(const struct pops *pops);
/* Somebody has set this consumer offset: what the log says of it does not count any more. */
void pops_keep_offset(struct pops *pops, struct slice topic, struct slice group, int32_t queue_id);

struct pop_table *pops_table(struct pops *pops);
struct pop_order *pops_order(struct pops *pops);
/* The revive queue the next pop writes to. */
int32_t pops_next_revive_queue(struct pops *pops);
int32_t pops_revive_queue_count(const struct pops *pops);

/* Writes a checkpoint to the log and keeps it; its messages come back when nobody acknowledges
 * them. next_offset: the group's consumer offset from now on, -1: as it is. ERR_EXISTS: the same
 * queue was popped from the same offset in this very millisecond. */
MUST_CHECK int pops_put_checkpoint(struct pops *pops, const struct pop_checkpoint *checkpoint,
                                   int32_t revive_queue_id, int64_t next_offset,
                                   int64_t *end_phy_offset);
/* Writes an ack to the log, due at due_ms (0: at once). */
MUST_CHECK int pops_put_ack(struct pops *pops, const struct pop_log_ack *ack,
                            int32_t revive_queue_id, int64_t due_ms, int64_t *end_phy_offset);
/* Up to when the log has brought everything that was due. */
int64_t pops_log_time(const struct pops *pops);

/* Something was added or has changed its time: look again when it is due. */
void pops_changed(struct pops *pops);
/* What is out of queues popped in order is different now. */
void pops_order_changed(struct pops *pops);

/* A message was stored in this topic and queue, at this place. */
void pops_arrived(struct pops *pops, struct slice topic, int32_t queue_id, int64_t queue_offset);

/* Notes in the table of consumer offsets, which is about to be saved, where the log ends: what is
 * behind that is not in the table yet. While recovering, the notes of the last save stand. */
void pops_note_log_end(struct pops *pops);

void pops_stop(struct pops *pops);
/* True when no worker is busy for it any more. */
bool pops_are_idle(const struct pops *pops);
/* After pops_stop(), when idle, before the store is closed. */
void pops_close(struct pops *pops);

#endif
