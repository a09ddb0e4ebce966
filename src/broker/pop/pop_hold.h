/* pop_hold.h - pops and notifications that wait for something to pop.
 *
 * They wait by topic, group and queue (-1: any). A message that arrives wakes one of each: a
 * message is popped once. Of pops the one that has waited longest goes first, of notifications the
 * one that can wait longest. Messages of a group's retry topic, put there again, wake those who
 * wait for its topic. Who was woken is served at the end of the loop's pass, and may park again.
 *
 * Ownership  the struct held_pop is the caller's (in the request's arena); between pop_hold_park()
 *            and a callback it belongs to the hold.
 * Threads    the broker's loop.
 * Bounds     max_count parked in all, max_count_per_queue for one topic, group and queue;
 *            max_filter_bytes for their filters together.
 */
#ifndef BROKER_POP_HOLD_H
#define BROKER_POP_HOLD_H

#include "broker/pull/message_filter.h"
#include "net/loop.h"

struct pop_hold;
struct held_line;
struct request;

enum held_kind { HELD_POP, HELD_NOTIFICATION };

struct held_pop {
    /* set by the caller */
    struct request *req;
    enum held_kind kind;
    const struct message_filter *filter; /* NULL: all */
    uint64_t filter_id;                  /* the same for the same filter */
    /* the hold's */
    struct pop_hold *hold;
    struct held_line *line; /* NULL: woken */
    size_t filter_bytes;
    struct list line_link; /* in its line, or among the woken */
    struct list owner_link;
    struct loop_timer deadline;
};

struct pop_hold_options {
    struct loop *loop;
    const int64_t *max_count;       /* maxPopPollingSize; may change at run time */
    const int *max_count_per_queue; /* popPollingSize */
    size_t max_filter_bytes;
    /* The request is to look again; it is parked no more. */
    void (*serve)(void *ctx, struct held_pop *held);
    /* Its connection is gone. */
    void (*drop)(void *ctx, struct held_pop *held);
    void *ctx;
};

MUST_CHECK int pop_hold_new(const struct pop_hold_options *options, struct pop_hold **hold);
/* Nothing is parked any more. */
void pop_hold_free(struct pop_hold *hold);

/* ERR_TOO_BIG: too many are parked. */
MUST_CHECK int pop_hold_park(struct pop_hold *hold, struct held_pop *held, struct slice topic,
                             struct slice group, int32_t queue_id, int64_t wait_ms,
                             struct list *owner);

/* A message with these properties is there to be read. */
void pop_hold_arrived(struct pop_hold *hold, struct slice topic, int32_t queue_id,
                      int64_t tags_code, struct slice properties);
/* There may be something for the group in this queue of the topic (or, -1, in any): one who waits
 * for any queue looks again, else one who waits for this one. */
void pop_hold_wake(struct pop_hold *hold, struct slice topic, struct slice group, int32_t queue_id);

/* How many pops wait for this topic, group and queue. */
int pop_hold_count_of(const struct pop_hold *hold, struct slice topic, struct slice group,
                      int32_t queue_id);
int pop_hold_count(const struct pop_hold *hold);

/* A connection is gone: drops what its list holds. */
void pop_hold_drop_owner(struct pop_hold *hold, struct list *owner);
/* Serves everything now. */
void pop_hold_release_all(struct pop_hold *hold);

#endif
