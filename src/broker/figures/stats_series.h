/* stats_series.h - how often something was counted in the last minute, hour and day.
 *
 *     minute  | 10 s | 10 s | 10 s | 10 s | 10 s | 10 s | now |     six whole slots and the one at
 *     hour    | 10 min ...                              | now |     hand; the day has 24 hours
 *     day     | 1 h ...                                 | now |
 *
 * Counting is one addition: what a tick brings is added to the slots of the windows when it is
 * over, or asked for. Slots that were passed without any count are cleared by the next one. Nothing
 * wakes to keep them. A slot has memory from its first count on until it is cleared, so that a
 * queue which is seldom used costs a tenth of a busy one.
 *
 * Units      a count has messages, their bytes, the ms they took, and the times it was made.
 * Ownership  stats_series_fini() ends what stats_series_init() began.
 * Threads    one (the broker's loop). Time: monotonic, ns.
 */
#ifndef BROKER_STATS_SERIES_H
#define BROKER_STATS_SERIES_H

#include <stdint.h>

enum stats_window { STATS_MINUTE, STATS_HOUR, STATS_DAY, STATS_WINDOWS };
enum stats_column { STATS_MESSAGES, STATS_BYTES, STATS_TOOK_MS, STATS_COLUMNS };
enum { STATS_MINUTE_SLOTS = 7, STATS_HOUR_SLOTS = 7, STATS_DAY_SLOTS = 25 };
enum { STATS_SLOTS = STATS_MINUTE_SLOTS + STATS_HOUR_SLOTS + STATS_DAY_SLOTS };

struct stats_slot {
    int64_t bytes;
    uint32_t messages;
    uint32_t took_ms;
    uint32_t times;
    uint8_t place; /* the series': which of the STATS_SLOTS it is */
};

struct stats_series {
    int64_t born_ns;           /* the first count */
    int64_t tick;              /* of 10 s, in which the latest count fell */
    struct stats_slot at_hand; /* what the tick brought that no window has yet */
    struct stats_slot *slots;  /* in which something was counted */
    uint8_t slot_count;
    uint8_t slot_cap;
};

/* All zeros but the time of birth. */
void stats_series_init(struct stats_series *series, int64_t now_ns);
void stats_series_fini(struct stats_series *series);

void stats_series_add(struct stats_series *series, struct stats_slot count, int64_t now_ns);

struct stats_sum {
    int64_t sum;
    double per_second;
    double per_time;
};
/* Over at least one slot's length, so that a first count makes no absurd rate. */
struct stats_sum stats_series_sum(struct stats_series *series, enum stats_window window,
                                  enum stats_column column, int64_t now_ns);

#endif
