/* hold.h - requests that wait for a message to arrive in a queue: parked pulls.
 *
 * An arrival only marks who is concerned; they are served together at the end of the loop's pass,
 * so that one answer carries all that arrived meanwhile. Each has a timer of its own for its
 * deadline; nothing polls.
 *
 * Ownership  the struct held_request is the caller's (in the request's arena); between hold_park()
 *            and the `serve` callback it belongs to the hold.
 * Threads    the broker's loop.
 * Bounds     at most max_count parked, whose filters have max_filter_bytes together.
 */
#ifndef BROKER_HOLD_H
#define BROKER_HOLD_H

#include "base/map.h"
#include "base/slice.h"
#include "broker/pull/message_filter.h"
#include "net/loop.h"

struct hold;
struct held_queue;
struct request;

struct held_request {
    /* set by the caller */
    struct request *req;
    int64_t queue_offset;                /* wanted; earlier arrivals do not concern it */
    const struct message_filter *filter; /* NULL: all */
    /* the hold's */
    struct hold *hold;
    struct held_queue *queue;
    size_t filter_bytes;
    struct list queue_link; /* in its queue, or among the woken */
    struct list owner_link; /* with the others of its connection */
    struct loop_timer deadline;
};

struct hold_options {
    struct loop *loop;
    int max_count;
    size_t max_filter_bytes;
    /* The request is to be answered; it is parked no more. */
    void (*serve)(void *ctx, struct held_request *held);
    /* Its connection is gone. */
    void (*drop)(void *ctx, struct held_request *held);
    void *ctx;
};

MUST_CHECK int hold_new(const struct hold_options *options, struct hold **hold);
/* Nothing is parked any more. */
void hold_free(struct hold *hold);

/* Parks until a message that passes the filter arrives at or behind queue_offset, or wait_ms are
 * over. `owner` is the list of the request's connection. ERR_TOO_BIG: too many are parked, their
 * filters are too long, or the topic is. */
MUST_CHECK int hold_park(struct hold *hold, struct held_request *held, struct slice topic,
                         int32_t queue_id, int64_t wait_ms, struct list *owner);

/* A message with these properties is there to be read. */
void hold_arrived(struct hold *hold, struct slice topic, int32_t queue_id, int64_t queue_offset,
                  int64_t tags_code, struct slice properties);

/* Serves all that wait for the queue, whatever they wait for. */
void hold_release_queue(struct hold *hold, struct slice topic, int32_t queue_id);

/* A connection is gone: drops what its list holds. */
void hold_drop_owner(struct hold *hold, struct list *owner);

/* Serves everything now. */
void hold_release_all(struct hold *hold);

int hold_count(const struct hold *hold);

#endif
