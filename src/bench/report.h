/* report.h - what a run of `bench send` found: the rounds of each target, summed up.
 *
 * A figure of a target is the median over its rounds, so that one disturbed round does not decide;
 * maximum, losses and fractions are of all rounds together, so that none is hidden.
 *
 * Ownership  report_add_round() allocates a round, report_fini() frees them; texts are borrowed.
 * Threads    one at a time.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdio.h>

#include "base/bytes.h"
#include "bench/load.h"

enum { REPORT_TARGETS_MAX = 9, REPORT_ROUNDS_MAX = 100, REPORT_NAME_BYTES = 32 };

struct round {
    struct load_result load;
    struct histogram stall; /* what the probe saw meanwhile */
    int64_t cpu_ns;         /* the server's processor time; -1: not known */
    int64_t resident_kib;   /* of the server, at the end; -1: not known */
};

struct target {
    char name[REPORT_NAME_BYTES];
    const char *address;
    bool is_floor;
    int round_count;
    struct round *rounds[REPORT_ROUNDS_MAX];
};

/* How the messages were sent, for the reader of the report. */
struct report {
    const char *name;
    const char *topic;
    const char *header;
    int64_t body_bytes;
    int64_t frame_bytes;
    int connections;
    int outstanding;
    int64_t rate_per_s; /* 0: closed loop */
    int64_t seconds;    /* per round */
    int64_t messages;   /* per round, when that ends it sooner; 0: no bound */
    int target_count;
    struct target targets[REPORT_TARGETS_MAX];
};

/* A new, empty round of the target; NULL: no memory or too many. */
struct round *report_add_round(struct target *target);
void report_fini(struct report *report);

/* For people. */
void report_print(const struct report *report, FILE *out);
/* For machines: one JSON object; docs/performance.md names its members. */
void report_json(const struct report *report, struct buf *out);

/* ---- what both are made of, visible for tests ---------------------------------------------------
 */

enum {
    SUMMARY_P50,
    SUMMARY_P90,
    SUMMARY_P99,
    SUMMARY_P999,
    SUMMARY_P9999,
    SUMMARY_MAX,
    SUMMARY_PERCENTILES
};

struct summary {
    double rate_per_s;
    double latency_ns[SUMMARY_PERCENTILES];
    double cpu_ns_per_message; /* negative: not known */
    double resident_kib;       /* negative: not known */
    uint64_t due, accepted, refused, lost;
    double within_1ms, within_10ms, within_100ms; /* of all messages that were due */
};
struct summary report_summary(const struct target *target);

/* "52.1us", "1.23ms": three digits and a unit. `out` has 16 bytes. */
void report_duration(double elapsed_ns, char out[16]);

#endif
