/* start_report.h - what the runs of `bench start` found.
 *
 * Units      nanoseconds; KiB; per second.
 * Threads    one at a time.
 */
#ifndef BENCH_START_REPORT_H
#define BENCH_START_REPORT_H

#include <stdio.h>

#include "base/bytes.h"

enum { START_RUNS_MAX = 100 };

struct start_run {
    int64_t first_send_ns; /* exec to the answer that accepts the first send */
    int64_t stop_ns;       /* signal to exit */
    int exit_code;         /* 128 + signal when it was killed by one */
    /* while idle */
    int64_t resident_kib;
    int64_t resident_anon_kib;
    int64_t threads;
    double switches_per_s;
    double cpu_percent; /* of one core */
};

struct start_report {
    const char *name;
    const char *command;
    int run_count;
    struct start_run runs[START_RUNS_MAX];
};

void start_report_print(const struct start_report *report, FILE *out);
void start_report_json(const struct start_report *report, struct buf *out);

#endif
