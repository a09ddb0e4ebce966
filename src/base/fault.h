/* fault.h - named points where a test can make the world fail.
 *
 * A point that is not armed costs one relaxed load. Points are named after the call they stand
 * before, e.g. "flush.fdatasync".
 * Threads: any.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

extern atomic_int fault_armed; /* number of armed points */

/* Arms `point`: after `skip` passes, the next `times` passes fail with `err`. */
void fault_arm(const char *point, int64_t skip, int64_t times, int err);
void fault_disarm_all(void);

int fault_check_slow(const char *point);

/* 0, or the error the armed point is to fail with. */
static inline int fault_check(const char *point)
{
    if (atomic_load_explicit(&fault_armed, memory_order_relaxed) == 0)
        return 0;
    return fault_check_slow(point);
}

#endif
