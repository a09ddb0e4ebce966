/* histogram.h - how often each duration was seen, in fixed memory.
 *
 * Buckets are linear below 256 ns and then 128 to each doubling, so a value is known to within
 * 1/128 (0.8 %) up to HISTOGRAM_LIMIT_NS (18 minutes); the least and the greatest are kept exactly.
 * What cannot be known is rounded against us: a percentile is its bucket's upper end.
 *
 * Units      nanoseconds; negative durations count as 0.
 * Ownership  a plain value of HISTOGRAM_BUCKETS * 8 bytes, best on the heap; zeroed is empty.
 * Threads    one at a time.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 7, HISTOGRAM_LIMIT_BITS = 40 };
enum { HISTOGRAM_BUCKETS = (HISTOGRAM_LIMIT_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };
#define HISTOGRAM_LIMIT_NS (INT64_C(1) << HISTOGRAM_LIMIT_BITS)

struct histogram {
    uint64_t count;
    int64_t min_ns; /* meaningful when count > 0 */
    int64_t max_ns;
    uint64_t sum_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *h, int64_t elapsed_ns);
/* The same `times` times: for what is seen of one in so many. */
void histogram_record_many(struct histogram *h, int64_t elapsed_ns, uint64_t times);

/* Durations that are written later, many at a time. A histogram written to now and then is not in
 * the processor's cache: one by one each write waits for memory, together they wait once. */
enum { HISTOGRAM_NOTES_MAX = 32 };
struct histogram_notes {
    int count; /* zeroed is empty */
    struct {
        struct histogram *into;
        int64_t elapsed_ns;
        uint64_t times;
    } notes[HISTOGRAM_NOTES_MAX];
};
/* Writes all when full. */
void histogram_note(struct histogram_notes *notes, struct histogram *h, int64_t elapsed_ns,
                    uint64_t times);
/* To be called before a histogram is read. */
void histogram_write_notes(struct histogram_notes *notes);

/* Adds what `from` has seen. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The least duration that `percent` of all recorded ones do not exceed (nearest rank); 0 when
 * empty. 0 <= percent <= 100; 100 gives the exact maximum. */
int64_t histogram_percentile(const struct histogram *h, double percent);

/* How many durations are known to be at most `limit_ns`. */
uint64_t histogram_count_within(const struct histogram *h, int64_t limit_ns);

/* The greatest duration that falls into a bucket. */
int64_t histogram_bucket_upper_ns(int bucket);

#endif
