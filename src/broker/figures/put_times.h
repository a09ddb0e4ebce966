/* put_times.h - how long puts took, from the arrival of their bytes to the stored message.
 *
 * Percentiles are of the last minute or two: two histograms, of which the older is emptied each
 * minute. Totals are since the start.
 * Threads    the broker's loop. Time: monotonic, ns.
 */
#ifndef BROKER_PUT_TIMES_H
#define BROKER_PUT_TIMES_H

#include <stdint.h>

#include "base/bytes.h"

struct put_times;

/* Puts whose end was seen together. */
struct puts {
    int count;
    int messages;
    int64_t bytes;
    int64_t waited_ns;  /* from the arrival of their bytes to when the first of them was begun */
    int64_t elapsed_ns; /* to when all of them were done */
};

struct put_times *put_times_new(int64_t now_ns);

void put_times_record(struct put_times *times, const struct puts *puts, int64_t now_ns);
void put_times_failed(struct put_times *times);

struct put_totals {
    int64_t failed;
    int64_t messages;
    int64_t bytes;
    int64_t max_ns;
};
const struct put_totals *put_times_totals(const struct put_times *times);

/* ns; 0 when nothing was put lately. */
int64_t put_times_percentile(struct put_times *times, double percent, int64_t now_ns);

/* "[<=0ms]:12 [0~10ms]:3 ...", as tools print it. */
void put_times_print(struct put_times *times, int64_t now_ns, struct buf *out);

#endif
