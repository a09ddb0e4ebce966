/* delay_levels.h - the setting messageDelayLevel: how long a message of each delay level waits.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_DELAY_LEVELS_H
#define WIRE_DELAY_LEVELS_H

#include "base/err.h"
#include "base/slice.h"

enum { DELAY_LEVELS_MAX = 64 };

struct delay_levels {
    int count; /* levels 1..count */
    int64_t ms[DELAY_LEVELS_MAX + 1];
};

/* "1s 5s 10s ..." (units s m h d). ERR_INVALID: not of that form, or more than DELAY_LEVELS_MAX. */
MUST_CHECK int delay_levels_parse(struct slice text, struct delay_levels *levels);

#endif
