/* clock.h - the two clocks. Only loops, threads' outermost functions and tests read them; below,
 * time is an argument.
 *
 * Threads    any.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

int64_t clock_wall_ms(void);       /* milliseconds since the epoch; may jump */
int64_t clock_wall_ns(void);       /* the same clock, finer */
int64_t clock_monotonic_ns(void);  /* nanoseconds since some start; never goes back */
int64_t clock_thread_cpu_ns(void); /* what the calling thread has had of a core */

#endif
