#include "bench/stall.h"

#include <time.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/thread_rank.h"

/* Often enough to meet most stalls longer than it, rarely enough to cost a thousandth of a core. */
#define STALL_PERIOD_NS INT64_C(1000000)

static void *stall_main(void *arg)
{
    struct stall_probe *probe = arg;
    int64_t due_ns = clock_monotonic_ns() + STALL_PERIOD_NS;
    thread_go_first();
    while (!atomic_load_explicit(&probe->stopping, memory_order_relaxed)) {
        struct timespec due = { .tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000 };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        int64_t now_ns = clock_monotonic_ns();
        if (now_ns < due_ns)
            continue; /* a signal */
        histogram_record(probe->lateness, now_ns - due_ns);
        due_ns = now_ns + STALL_PERIOD_NS;
    }
    return NULL;
}

int stall_probe_start(struct stall_probe *probe, struct histogram *lateness)
{
    atomic_init(&probe->stopping, false);
    probe->lateness = lateness;
    return thread_start(&probe->thread, "stall_probe", stall_main, probe);
}

void stall_probe_stop(struct stall_probe *probe)
{
    atomic_store_explicit(&probe->stopping, true, memory_order_relaxed);
    pthread_join(probe->thread, NULL);
}
