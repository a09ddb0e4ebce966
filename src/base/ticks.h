/* ticks.h - the cheapest clock there is: the processor's own counter where that counts evenly on
 * all cores, else the monotonic clock. For intervals on a path where reading a real clock would
 * show.
 *
 * Units      ticks, of which only differences mean something: ticks_to_ns().
 * Threads    ticks_init() once, before others use it; calls again do nothing. The rest: any.
 */
#ifndef BASE_TICKS_H
#define BASE_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#ifdef __x86_64__
extern bool ticks_are_counted; /* by the processor; false until ticks_init() found it so */
#endif

/* Takes a fraction of a millisecond. */
void ticks_init(void);

static inline uint64_t ticks_now(void)
{
#ifdef __x86_64__
    if (ticks_are_counted)
        return __builtin_ia32_rdtsc();
#endif
    return (uint64_t)clock_monotonic_ns();
}

/* Of a difference; a negative one (two cores a hair apart) is 0. */
int64_t ticks_to_ns(uint64_t later, uint64_t earlier);

#endif
