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
#include "bench/disk_floor.h"
#include "bench/load.h"

enum { REPORT_TARGETS_MAX = 42, REPORT_ROUNDS_MAX = 240, REPORT_NAME_BYTES = 48 };

struct round {
    struct load_result load;
    struct histogram stall; /* what the probe saw meanwhile */
    int64_t cpu_ns;         /* the server's processor time; -1: not known */
    int64_t resident_kib;   /* of the server, at the end; -1: not known */
    int64_t device_bytes;   /* written by the disk meanwhile, for whomever; -1: not known */
};

struct target {
    char name[REPORT_NAME_BYTES];
    const char *address;
    bool is_floor;
    int variant; /* which of the things its scenario measures; -1: a floor under all of them */
    int round_count;
    struct round *rounds[REPORT_ROUNDS_MAX];
};

/* How the messages were sent, for the reader of the report. */
struct report {
    const char *scenario;
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
    int disk_sample_count;
    struct disk_sample *disk_samples[REPORT_ROUNDS_MAX];
};

/* A new, empty round of the target; NULL: no memory or too many. */
struct round *report_add_round(struct target *target);
/* A new, zeroed sample of the disk's floor; NULL as above. */
struct disk_sample *report_add_disk_sample(struct report *report);
void report_fini(struct report *report);

/* For people. */
void report_print(const struct report *report, FILE *out);
/* For machines: one JSON object; docs/performance.md names its members. */
void report_json(const struct report *report, struct buf *out);

/* ---- what both are made of, visible for tests ----------------------------------------------- */

enum {
    SUMMARY_P50,
    SUMMARY_P90,
    SUMMARY_P99,
    SUMMARY_P999,
    SUMMARY_P9999,
    SUMMARY_MAX,
    SUMMARY_PERCENTILES
};

struct report_percentile {
    const char *label;
    const char *key; /* in JSON */
    double percent;
};
extern const struct report_percentile report_percentiles[SUMMARY_PERCENTILES];

struct summary {
    double rate_per_s;
    double bytes_per_s;
    double latency_ns[SUMMARY_PERCENTILES];
    double cpu_ns_per_message; /* negative: not known */
    double resident_kib;       /* negative: not known */
    double device_bytes;       /* negative: not known */
    double refusal_p99_ns;     /* negative: nothing was refused */
    uint64_t due, accepted, refused, lost;
    double within_1ms, within_10ms, within_100ms; /* of all messages that were due */
};
struct summary report_summary(const struct target *target);

/* What the stall probe saw in all rounds of all targets together. The caller frees it. */
struct histogram *report_stalls(const struct report *report);

/* The median over the samples; 0 when there are none. */
enum disk_figure {
    DISK_FDATASYNC_P50, /* ns */
    DISK_FDATASYNC_P99,
    DISK_WRITE, /* bytes per second */
    DISK_GROWING,
    DISK_READ,
    DISK_MEMCPY,
};
double report_disk_figure(const struct report *report, enum disk_figure which);

/* "52.1us", "1.23ms": three digits and a unit. `out` has 16 bytes. */
void report_duration(double elapsed_ns, char out[16]);

#endif
