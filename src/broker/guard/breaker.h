/* breaker.h - whether sends may be taken while the disk is slow, decided from how long the oldest
 * answer has waited for it. Pure: what is measured is an argument.
 *
 *     CLOSED ──waits `limit`──> OPEN ──the wait is over──> HALF_OPEN ──a sync has passed──> CLOSED
 *                                └────────<─waits `limit`──────┘
 *
 * Half open, one send at a time is taken: the next one when nothing waits for the disk any more. So
 * a disk that stays sick holds up one sender at a time, and not all who came in between.
 *
 * A process that was stopped (SIGSTOP, a suspended machine), or got no processor, finds that
 * everything has waited long. That was not the disk: whoever waits is looked at regularly, and when
 * a look comes a quarter of the limit late, the wait counts from then on.
 *
 * Units      nanoseconds; phy_offset: bytes of the log.
 * Threads    one at a time per struct.
 */
#ifndef BROKER_BREAKER_H
#define BROKER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };
/* "half open". Static text. */
const char *breaker_name(enum breaker_state state);

/* Zeroed: closed. */
struct breaker {
    enum breaker_state state;
    int64_t half_open_phy_offset; /* what was on disk when it became half open */
    int64_t resumed_ns;           /* when the process went on after it had been stopped */
};

/* How much of a wait counts. due_ns: when to look again was planned for, 0: it was not. */
int64_t breaker_wait(struct breaker *breaker, int64_t waited_ns, int64_t now_ns, int64_t due_ns,
                     int64_t limit_ns);

/* The oldest answer has waited so long (0: none waits), the log is on disk up to there.
 * limit_ns <= 0: closed at once. True: the state changed. */
bool breaker_measure(struct breaker *breaker, int64_t waited_ns, int64_t flushed_phy_offset,
                     int64_t limit_ns);
/* May a send be taken? With what was measured last. */
bool breaker_admits(const struct breaker *breaker, int64_t waited_ns);

#endif
