/* traffic.h - how many messages a second came and went lately, for tools.
 *
 *     seconds   ... | 12:00:07 | 12:00:08 |          | 12:00:11 |      a slot for each second in
 *                   |   240    |   251    |  (none)  |    3     |      which something was counted
 *
 * Counting is an addition to the slot of the second at hand; nothing wakes to keep the slots.
 *
 * Units      times: monotonic, ns.
 * Threads    one (the broker's loop).
 */
#ifndef BROKER_TRAFFIC_H
#define BROKER_TRAFFIC_H

#include <stdint.h>

enum traffic_kind {
    TRAFFIC_PUT,         /* messages stored */
    TRAFFIC_TRANSFERRED, /* messages handed to consumers */
    TRAFFIC_FOUND,       /* pulls that found messages */
    TRAFFIC_MISSED,      /* pulls that found none */
    TRAFFIC_KINDS
};

enum { TRAFFIC_SECONDS = 600 };

struct traffic {
    int64_t totals[TRAFFIC_KINDS];    /* since the start */
    int64_t today[TRAFFIC_KINDS];     /* the totals this morning, */
    int64_t yesterday[TRAFFIC_KINDS]; /* and the morning before */
    int64_t next_morning;             /* the second in which they move on */
    struct {
        int64_t second; /* since the monotonic clock's start */
        uint32_t counts[TRAFFIC_KINDS];
    } slots[TRAFFIC_SECONDS];
};

void traffic_count(struct traffic *traffic, enum traffic_kind kind, uint32_t count, int64_t now_ns);

/* `seconds`: to the next midnight. Later ones follow a day apart each. */
void traffic_init(struct traffic *traffic, int64_t seconds, int64_t now_ns);
/* Moves the morning totals on when midnight has passed; counting does so, too. */
void traffic_advance(struct traffic *traffic, int64_t now_ns);

/* Per second over the last `seconds` (1 to TRAFFIC_SECONDS - 1) whole seconds. */
double traffic_rate(const struct traffic *traffic, enum traffic_kind kind, int seconds,
                    int64_t now_ns);

#endif
