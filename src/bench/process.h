/* process.h - what a running process costs, as the kernel counts it (/proc and its CPU clock).
 *
 * Units      nanoseconds of processor time of all its threads together; KiB of memory.
 * Threads    any.
 * Errors     0, or ERR_NOT_FOUND: there is no such process (any more).
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct process_usage {
    int64_t cpu_ns;
    int64_t resident_kib;      /* all that is mapped and present */
    int64_t resident_anon_kib; /* of which its own memory, not files */
    int64_t threads;
    int64_t context_switches; /* of the threads alive now, voluntary or not */
};

MUST_CHECK int process_usage(pid_t pid, struct process_usage *usage);

#endif
