/* ladder.h - how far to degrade, decided from measured delays; and rates that may not be exceeded.
 * Pure: time is an argument.
 *
 * Units      monotonic nanoseconds; events per second.
 * Threads    one at a time per struct.
 */
#ifndef BROKER_LADDER_H
#define BROKER_LADDER_H

#include <stdbool.h>
#include <stdint.h>

enum rung {
    RUNG_NONE,
    RUNG_TRACE,
    RUNG_INDEX,
    RUNG_STATISTICS,
    RUNG_COLD_READS,
    RUNG_TIMER_CATCH_UP,
    RUNG_LOW_PRIORITY,
    RUNG_COUNT
};
/* "trace": what is left off on this rung and on those above. Static text. */
const char *rung_name(enum rung rung);

/* How long the delay must stay above the limit before each step up, and below half of it before
 * each step down: quick to protect, slow to trust. */
#define LADDER_CLIMB_NS INT64_C(500000000)
#define LADDER_DESCEND_NS INT64_C(1000000000)

/* Zeroed: at the foot. */
struct ladder {
    enum rung rung;
    int64_t above_since_ns; /* 0: it is not above */
    int64_t below_since_ns; /* 0: it is not below half */
};

/* A delay was measured. True: the rung changed, by one. limit_ns <= 0: down at once. */
bool ladder_measure(struct ladder *ladder, int64_t delay_ns, int64_t limit_ns, int64_t now_ns);
/* Must it be measured again although nothing happens? */
bool ladder_is_moving(const struct ladder *ladder);

/* Zeroed: nothing was taken yet. A second's worth may be taken at once. */
struct rate_limit {
    int64_t due_ns; /* when all that was taken would have been due */
};
/* False: over the rate, and nothing was taken. per_s <= 0: no limit. */
bool rate_limit_take(struct rate_limit *limit, int64_t per_s, int64_t now_ns);

#endif
