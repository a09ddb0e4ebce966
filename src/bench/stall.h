/* stall.h - what the machine itself withholds: a thread that wants to run every millisecond and
 * notes how late it was let.
 *
 * A broker cannot answer while its thread does not run. What this probe saw in the same seconds
 * (other processes, the hypervisor, interrupts) is not the broker's doing.
 *
 * Threads    start and stop: one caller. The histogram is the probe thread's between them.
 * Errors     0, or a negative code of base/err.h; nothing runs then.
 */
#ifndef BENCH_STALL_H
#define BENCH_STALL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/histogram.h"

struct stall_probe {
    pthread_t thread;
    atomic_bool stopping;
    struct histogram *lateness; /* borrowed from the caller until stall_probe_stop() */
};

/* Adds to `lateness` until stopped. */
MUST_CHECK int stall_probe_start(struct stall_probe *probe, struct histogram *lateness);
void stall_probe_stop(struct stall_probe *probe);

#endif
