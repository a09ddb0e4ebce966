/* stats_series.h - how often something was counted in the last minute, hour and day.
 *
 *     minute  | 10 s | 10 s | 10 s | 10 s | 10 s | 10 s | now |     six whole slots and the one at
 *     hour    | 10 min ...                              | now |     hand; the day has 24 hours
 *     day     | 1 h ...                                 | now |
 *
 * What is counted goes into one slot of 10 s, which stands in all three windows. Slots that left
 * the minute are put together by ten minutes, those that left the hour by hours, those that left
 * the day are dropped: by the first count of another 10 s, by who asks, or by who looks after those
 * that are idle.
 * The newest slot is part of the series, so that counting touches nothing else, and one which is
 * seldom used has no memory beside it; the others are in a slab, since many come with a crowd, and
 * go with it.
 *
 * Units      a count has messages, their bytes, the ms they took, and the times it was made.
 * Ownership  stats_series_fini() ends what stats_series_init() began. The slab is the caller's, the
 *            same one for all that is done with a series.
 * Threads    one (the broker's loop). Time: monotonic, ns.
 */
#ifndef BROKER_STATS_SERIES_H
#define BROKER_STATS_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slab.h"

enum stats_window { STATS_MINUTE, STATS_HOUR, STATS_DAY, STATS_WINDOWS };
enum stats_column { STATS_MESSAGES, STATS_BYTES, STATS_TOOK_MS, STATS_COLUMNS };
enum { STATS_MINUTE_SLOTS = 7, STATS_HOUR_SLOTS = 7, STATS_DAY_SLOTS = 25 };
/* A slot may stand at the border of two windows, not put together yet. */
enum { STATS_SLOTS = STATS_MINUTE_SLOTS + STATS_HOUR_SLOTS + STATS_DAY_SLOTS + 2 };

struct stats_slot {
    int64_t bytes;
    uint32_t messages;
    uint32_t took_ms;
    uint32_t times;
    uint32_t tick; /* of 10 s: the latest one counted in it */
};

struct stats_series {
    int64_t born_ns; /* the first count */
    struct stats_slot newest;
    struct stats_slot *others; /* of the slab; older ones, the oldest first */
    uint8_t slot_count;
    uint8_t other_cap;
    bool is_begun; /* false in zeroed memory: nothing was ever counted */
};

/* Begins a series in any memory. */
void stats_series_init(struct stats_series *series, int64_t now_ns);
/* Also of zeroed memory. */
void stats_series_fini(struct stats_series *series, struct slab *slab);

void stats_series_add(struct stats_series *series, struct slab *slab,
                      const struct stats_slot *count, int64_t now_ns);
/* Puts together what may be: an idle series shrinks as its windows end. */
void stats_series_settle(struct stats_series *series, struct slab *slab, int64_t now_ns);

struct stats_sum {
    int64_t sum;
    double per_second;
    double per_time;
};
/* Over at least one slot's length, so that a first count makes no absurd rate. */
struct stats_sum stats_series_sum(struct stats_series *series, struct slab *slab,
                                  enum stats_window window, enum stats_column column,
                                  int64_t now_ns);

#endif
