/* kernel_facts.h - what the kernel says it did to one thread and to the machine's memory and disk,
 * from /proc. Counters grow; what cannot be read is 0.
 *
 * Threads    any; reading takes some tens of microseconds: not on a loop.
 */
#ifndef BROKER_KERNEL_FACTS_H
#define BROKER_KERNEL_FACTS_H

#include <stdint.h>

#define KERNEL_FACTS(X)                                                                            \
    X(run_queue_us, "runQueueMicros")        /* the thread was ready and had no core */            \
    X(minor_faults, "minorFaults")           /* pages mapped without the disk */                   \
    X(major_faults, "majorFaults")           /* pages that came from the disk */                   \
    X(direct_reclaim_pages, "reclaimPages")  /* looked at by whoever wanted memory: it waited */   \
    X(allocation_stalls, "allocationStalls") /* times somebody waited for memory */                \
    X(written_kib, "writtenKib")             /* page cache to the disk */                          \
    X(memory_stall_us, "memoryStallMicros")  /* PSI "some": somebody waited for memory */          \
    X(io_stall_us, "ioStallMicros")          /* PSI "some": somebody waited for the disk */        \
    X(cpu_stall_us, "cpuStallMicros")        /* PSI "some": somebody waited for a core */

struct kernel_facts {
#define MEMBER(member, name) int64_t member;
    KERNEL_FACTS(MEMBER)
#undef MEMBER
    int64_t read_ns; /* monotonic; 0: never read */
};

/* Of a thread of this process, by its kernel id. */
void kernel_facts_read(struct kernel_facts *facts, int tid);
/* What happened between two readings; read_ns is the time between them. */
struct kernel_facts kernel_facts_between(const struct kernel_facts *earlier,
                                         const struct kernel_facts *later);

#endif
