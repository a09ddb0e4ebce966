/* pull.h - pulls from one queue over a line, with the subscription in the request: no heartbeat is
 * needed, and any group will do.
 *
 * Threads    the one that owns the line.
 */
#ifndef BENCH_PULL_H
#define BENCH_PULL_H

#include "bench/line.h"

enum { PULL_MESSAGES = 32 };

struct pull_place {
    const char *topic;
    const char *group;
    int32_t queue_id;
    int64_t queue_offset; /* of the next message */
};

/* Asks for what is at the place; suspend_ms > 0: waits there for so long when nothing is. */
MUST_CHECK int pull_ask(struct line *line, const struct pull_place *place, int64_t suspend_ms);
/* Moves the place behind what the answer holds; true when it holds messages. */
bool pull_advance(struct pull_place *place, const struct line_answer *answer);

/* The ends of a queue: REQ_GET_MIN_OFFSET or REQ_GET_MAX_OFFSET. ERR_NOT_FOUND: the broker has no
 * such queue. */
MUST_CHECK int pull_queue_end(struct line *line, int32_t code, const char *topic, int32_t queue_id,
                              int64_t timeout_ns, int64_t *queue_offset);

#endif
