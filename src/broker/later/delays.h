/* delays.h - runs the delay levels on the broker's loop: wakes when a message is due, fetches cold
 * ones on a worker, keeps delayOffset.json. Nothing wakes while no message waits.
 *
 * Threads    the broker's loop.
 * Ownership  between open and close the broker's store, loop and workers are in use.
 */
#ifndef BROKER_DELAYS_H
#define BROKER_DELAYS_H

#include "broker/internal.h"
#include "delivery/delivery.h"

struct delays;

/* Reads the offsets at `path` (delayOffset.json) and begins to deliver. ERR_CORRUPT: they are no
 * table of offsets. */
MUST_CHECK int delays_open(struct broker *broker, const char *path, struct delays **delays);

/* A message was stored in queue `queue_id` of TOPIC_SCHEDULE. */
void delays_arrived(struct delays *delays, int32_t queue_id);

/* How far each level is, as the body of GET_ALL_DELAY_OFFSET and as numbers. */
void delays_body(const struct delays *delays, struct buf *out);
const struct delay_offsets *delays_progress(const struct delays *delays);

/* The same as timers_pace(), for the delay levels. */
void delays_pace(struct delays *delays, bool pace);

/* Delivers nothing any more. */
void delays_stop(struct delays *delays);
/* True when no worker is busy for it any more. */
bool delays_are_idle(const struct delays *delays);
/* Saves the offsets and frees it. After delays_stop(), when idle, before the store is closed. */
void delays_close(struct delays *delays);

#endif
