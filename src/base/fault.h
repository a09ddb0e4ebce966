/* fault.h - named points where a test can make the world fail, be slow, or measure what it was
 * told.
 *
 * A point that is not armed costs one relaxed load. Points are named after the call they stand
 * before, e.g. "disk.sync_range", or after what is measured there, e.g. "overload.delay_ns". A test
 * of another process arms them through src/main/fault_socket.h.
 * Threads: any.
 * Bounds: 16 points; names of at most 47 bytes.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdatomic.h>
#include <stdint.h>

extern atomic_int fault_armed; /* number of armed points */

/* Arms `point`: after `skip` passes, the next `times` passes fail with `err`. */
void fault_arm(const char *point, int64_t skip, int64_t times, int err);
/* The same, but these passes pause, for `pause_ms` or until all is disarmed. */
void fault_arm_pause(const char *point, int64_t skip, int64_t times, int64_t pause_ms);
/* What is measured at `point` is `value` from now on; arming it again changes the value. */
void fault_arm_value(const char *point, int64_t value);
void fault_disarm_all(void);
/* How many passes pause now. */
int fault_pausing(void);

int fault_check_slow(const char *point);
int64_t fault_value_slow(const char *point, int64_t measured);

/* 0, or the error the armed point is to fail with. */
static inline int fault_check(const char *point)
{
    if (atomic_load_explicit(&fault_armed, memory_order_relaxed) == 0)
        return 0;
    return fault_check_slow(point);
}

/* `measured`, or the value the point was armed with. */
static inline int64_t fault_value(const char *point, int64_t measured)
{
    if (atomic_load_explicit(&fault_armed, memory_order_relaxed) == 0)
        return measured;
    return fault_value_slow(point, measured);
}

#endif
