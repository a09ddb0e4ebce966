/* unreadable.h - a queue whose files cannot be read is answered with an error that names it, never
 * with numbers as if it were empty. In a table of queues it is left out, counted and named.
 *
 * Threads    `unreadable_note`, `queues_listed`: any; the answer: the broker's loop.
 */
#ifndef BROKER_UNREADABLE_H
#define BROKER_UNREADABLE_H

#include "broker/internal.h"
#include "wire/record.h"

struct unreadable {
    int err;   /* 0: all could be read */
    int count; /* of queues that could not */
    int32_t queue_id;
    uint8_t topic_len;
    uint8_t topic[RECORD_TOPIC_MAX];
};

/* How many queues of a topic a table lists: counts are not checked when a topic is made. */
int32_t queues_listed(int32_t queue_count);

/* Notes the first queue that could not be read. Returns true when err is 0. */
bool unreadable_note(struct unreadable *unreadable, struct slice topic, int32_t queue_id, int err);
/* True: there was one, and the request is answered. */
bool unreadable_answer(struct request *req, const struct unreadable *unreadable);

/* Answers with a table that has `rows` of the queues that could be read. When it has none and
 * should, as unreadable_answer(). */
void unreadable_answer_table(struct broker *broker, struct request *req,
                             const struct unreadable *unreadable, int rows, struct slice body);

/* The bounds of one queue. False: it cannot be read, and the request is answered. */
bool bounds_or_answer(struct broker *broker, struct request *req, struct slice topic,
                      int32_t queue_id, struct store_bounds *bounds);

#endif
