/* series.h - how latencies went over time: percentiles per slot of a run, in fixed memory.
 *
 * A run is cut into at most SERIES_SLOTS slots of equal length. While one fills, its latencies are
 * in a histogram; when time has passed it, its percentiles are kept and the histogram is emptied.
 * A slot counts what was answered in it: a stall shows as slots without answers and then one whose
 * maximum is the stall's length.
 *
 * Units      nanoseconds, monotonic.
 * Ownership  a plain value, best on the heap.
 * Threads    one at a time.
 */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include "base/histogram.h"

enum { SERIES_SLOTS = 240 };

struct series_slot {
    uint64_t count;
    int64_t p50_ns, p90_ns, p99_ns, p99_9_ns, max_ns;
};

struct series {
    int64_t start_ns;
    int64_t slot_ns;
    int slot_count; /* that are complete, empty ones among them */
    struct series_slot slots[SERIES_SLOTS];
    struct histogram filling;
};

void series_init(struct series *s, int64_t start_ns, int64_t duration_ns);
/* What comes behind the last slot counts in it. Times do not go back. */
void series_record(struct series *s, int64_t at_ns, int64_t elapsed_ns);
/* Completes the slot that was filling. */
void series_end(struct series *s);

#endif
