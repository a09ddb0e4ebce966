/* body_slow_requests.h - the answer to GET_SLOW_REQUESTS, a request of Ramjet's own: the histogram
 * of each stage of a request, and the slowest recent requests. docs/protocol/requests.md.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_SLOW_REQUESTS_H
#define WIRE_BODY_SLOW_REQUESTS_H

#include "wire/json.h"

struct stage_summary {
    struct slice name;
    int64_t count;
    int64_t p50_ns, p99_ns, p99_9_ns, max_ns;
};

/* A name and a number: a stage's microseconds, or a counter of the kernel. */
struct named_number {
    struct slice name;
    int64_t value;
};

struct slow_request_entry {
    int64_t at_ms; /* wall clock, when it was over */
    int32_t code;
    int32_t requests; /* handled in the same pass */
    struct slice peer;
    int64_t total_us;
    const struct named_number *stages; /* microseconds */
    int stage_count;
    const struct named_number *kernel; /* none when the counters were not read */
    int kernel_count;
};

struct slow_requests {
    int64_t threshold_us;
    const struct stage_summary *stages;
    int stage_count;
    const struct slow_request_entry *slow; /* the latest first */
    int slow_count;
};

void slow_requests_encode(const struct slow_requests *body, struct buf *out);
MUST_CHECK int slow_requests_decode(struct slice text, struct arena *arena,
                                    struct slow_requests *body);

#endif
