/* queue_locks.h - which client consumes which queue in order. A lock lasts QUEUE_LOCK_MS from its
 * latest renewal; clients renew each 20 s.
 *
 * Threads    the broker's loop. Time is an argument (wall clock, ms).
 * Bounds     QUEUE_LOCKS_MAX locks; beyond, after expired ones were swept, nobody gets a new one.
 *            Nor with names and an id that have more than 1,024 bytes together.
 * Errors     queue_locks_new(): ERR_NO_MEMORY.
 */
#ifndef BROKER_QUEUE_LOCKS_H
#define BROKER_QUEUE_LOCKS_H

#include "wire/body_queue.h"

enum { QUEUE_LOCK_MS = 60000, QUEUE_LOCKS_MAX = 1 << 20 };

struct queue_locks;

MUST_CHECK int queue_locks_new(struct queue_locks **locks);
void queue_locks_free(struct queue_locks *locks);

/* True: the queue is the client's, from now or still. */
bool queue_locks_take(struct queue_locks *locks, struct slice group,
                      const struct message_queue *queue, struct slice client_id, int64_t now_ms);
/* Without effect when another client has it. */
void queue_locks_release(struct queue_locks *locks, struct slice group,
                         const struct message_queue *queue, struct slice client_id);
/* Whether anyone of the group holds a lock: the group consumes in order. */
bool queue_locks_group_has(const struct queue_locks *locks, struct slice group, int64_t now_ms);

#endif
