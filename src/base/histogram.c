/* histogram.c - a value's bucket is its leading bits: the position of the highest one says which
 * doubling, the seven bits behind it which part of that.
 *
 *   value     0 .. 255    256 .. 511    512 .. 1023   ...
 *   bucket    0 .. 255    256 .. 383    384 .. 511    ...
 *   width     1           2             4             ...
 */
#include "base/histogram.h"

#include <assert.h>
#include <math.h>

enum { SUB_COUNT = 1 << HISTOGRAM_SUB_BITS };
static_assert(HISTOGRAM_BUCKETS == 34 * SUB_COUNT,
              "one run of buckets per doubling, two below 256");

static int bucket_of(int64_t value_ns)
{
    if (value_ns >= HISTOGRAM_LIMIT_NS)
        return HISTOGRAM_BUCKETS - 1;
    if (value_ns < 2 * SUB_COUNT)
        return (int)value_ns;
    int highest_bit = 63 - __builtin_clzll((unsigned long long)value_ns);
    int shift = highest_bit - HISTOGRAM_SUB_BITS;
    return shift * SUB_COUNT + (int)(value_ns >> shift);
}

int64_t histogram_bucket_upper_ns(int bucket)
{
    assert(bucket >= 0 && bucket < HISTOGRAM_BUCKETS);
    if (bucket < 2 * SUB_COUNT)
        return bucket;
    int shift = bucket / SUB_COUNT - 1;
    int64_t leading = bucket - (int64_t)shift * SUB_COUNT;
    return ((leading + 1) << shift) - 1;
}

void histogram_record(struct histogram *h, int64_t elapsed_ns)
{
    histogram_record_many(h, elapsed_ns, 1);
}

void histogram_record_many(struct histogram *h, int64_t elapsed_ns, uint64_t times)
{
    if (times == 0)
        return;
    if (elapsed_ns < 0)
        elapsed_ns = 0;
    if (h->count == 0 || elapsed_ns < h->min_ns)
        h->min_ns = elapsed_ns;
    if (elapsed_ns > h->max_ns)
        h->max_ns = elapsed_ns;
    h->count += times;
    h->sum_ns += (uint64_t)elapsed_ns * times;
    h->buckets[bucket_of(elapsed_ns)] += times;
}

void histogram_write_notes(struct histogram_notes *notes)
{
    for (int i = 0; i < notes->count; i++)
        histogram_record_many(notes->notes[i].into, notes->notes[i].elapsed_ns,
                              notes->notes[i].times);
    notes->count = 0;
}

void histogram_note(struct histogram_notes *notes, struct histogram *h, int64_t elapsed_ns,
                    uint64_t times)
{
    assert(notes->count < HISTOGRAM_NOTES_MAX);
    notes->notes[notes->count].into = h;
    notes->notes[notes->count].elapsed_ns = elapsed_ns;
    notes->notes[notes->count].times = times;
    __builtin_prefetch(&h->buckets[bucket_of(elapsed_ns > 0 ? elapsed_ns : 0)], 1);
    if (++notes->count == HISTOGRAM_NOTES_MAX)
        histogram_write_notes(notes);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->min_ns < into->min_ns)
        into->min_ns = from->min_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

int64_t histogram_percentile(const struct histogram *h, double percent)
{
    assert(percent >= 0 && percent <= 100);
    if (h->count == 0)
        return 0;
    /* 99.9 is not exact in binary: without the epsilon the rank of 1000 values would be 1000 */
    uint64_t rank = (uint64_t)ceil(percent / 100 * (double)h->count - 1e-6);
    if (rank >= h->count)
        return h->max_ns;
    if (rank == 0)
        return h->min_ns;
    uint64_t seen = 0;
    int bucket = -1;
    while (seen < rank)
        seen += h->buckets[++bucket];
    int64_t upper_ns = histogram_bucket_upper_ns(bucket);
    return upper_ns < h->max_ns ? upper_ns : h->max_ns;
}

uint64_t histogram_count_within(const struct histogram *h, int64_t limit_ns)
{
    if (h->max_ns <= limit_ns)
        return h->count;
    uint64_t within = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS - 1 && histogram_bucket_upper_ns(i) <= limit_ns; i++)
        within += h->buckets[i];
    return within;
}
