/* pop_order.h - queues popped in order: what is out of each, and until when it blocks the queue.
 *
 * An ordered pop takes a set of messages off a queue and blocks it for the group until each message
 * of the set is acknowledged or visible again. The group's consumer offset stays at the first one
 * that is not acknowledged; what was acknowledged behind it is not given again. The same attempt (a
 * client that did not get the answer) gets the same set again. Kept in consumerOrderInfo.json in
 * the reference's form.
 *
 * Units      times: wall clock, ms.
 * Ownership  names are copied.
 * Threads    one (the broker's loop).
 */
#ifndef DELIVERY_POP_ORDER_H
#define DELIVERY_POP_ORDER_H

#include "base/bytes.h"
#include "wire/pop_info.h"

enum { POP_ORDER_MESSAGES_MAX = 32 };

struct pop_order;

struct pop_order_queue {
    struct slice topic;
    struct slice group;
    int32_t queue_id;
};

MUST_CHECK int pop_order_new(struct pop_order **order);
/* As new, with what the file holds; without a file there is nothing. ERR_CORRUPT: file and .bak are
 * damaged. */
MUST_CHECK int pop_order_open(const char *path, struct pop_order **order);
void pop_order_free(struct pop_order *order);

/* What a queue's set allows a pop to do: the queue is blocked, or it may be read from the consumer
 * offset on. A consumer offset that is not the set's is a reset: the set is forgotten. */
bool pop_order_is_blocked(struct pop_order *order, const struct pop_order_queue *queue,
                          int64_t consumer_offset, struct slice attempt_id, int64_t now_ms);

/* Acknowledged out of order: a pop passes it over. */
bool pop_order_is_acked(const struct pop_order *order, const struct pop_order_queue *queue,
                        int64_t queue_offset);

struct pop_order_set {
    struct slice attempt_id; /* data NULL: none */
    int64_t pop_time_ms;
    int64_t invisible_ms;
    int64_t begin_offset;         /* the consumer offset, where reading began */
    const int64_t *queue_offsets; /* at least one, at most POP_ORDER_MESSAGES_MAX, ascending */
    int count;
};
/* A set was popped; how often each message was before is appended to `counts` (orderCountInfo). */
void pop_order_took(struct pop_order *order, const struct pop_order_queue *queue,
                    const struct pop_order_set *set, int64_t now_ms, struct buf *counts);

enum pop_order_answer {
    POP_ORDER_COMMIT,     /* *next is the consumer offset now */
    POP_ORDER_NOT_ITS,    /* the message is not out of this queue */
    POP_ORDER_OTHER_TIME, /* it was popped again since: no effect */
};
/* A message is acknowledged. After a crash that took the set it is NOT_ITS, and comes again: an
 * offset that a handle names alone would pass over what is out before it. */
enum pop_order_answer pop_order_ack(struct pop_order *order, const struct pop_order_queue *queue,
                                    int64_t queue_offset, int64_t pop_time_ms, int64_t now_ms,
                                    int64_t *next);
/* A message is to be visible at another time. False: it is not out, or was popped again since. */
bool pop_order_change(struct pop_order *order, const struct pop_order_queue *queue,
                      int64_t queue_offset, int64_t pop_time_ms, int64_t visible_ms,
                      int64_t now_ms);

/* Forgets sets of a topic or group that is gone. */
void pop_order_remove_topic(struct pop_order *order, struct slice topic);
void pop_order_remove_group(struct pop_order *order, struct slice group);

/* A queue whose time of being blocked is over and was not told yet; false: none. Borrowed until the
 * next call. */
bool pop_order_take_freed(struct pop_order *order, int64_t now_ms, struct pop_order_queue *queue);
/* When the next one is; INT64_MAX: none. */
int64_t pop_order_next_free(const struct pop_order *order);

/* True since the last text: there is something to save. */
bool pop_order_changed(const struct pop_order *order);
/* The file's text; sets that nobody asked for in a day are left out and forgotten. */
void pop_order_text(struct pop_order *order, int64_t now_ms, struct buf *out);

#endif
