/* limits.h - what each topic and each group may take, by name: rates, and a window that slides over
 * what a group has read from the disk.
 *
 *     bytes from the disk   | 3 s ago | 2 s ago | last second | this one |
 *
 * Units      monotonic nanoseconds; events per second; bytes.
 * Ownership  names are copied.
 * Bounds     65,536 names of each kind; then all of that kind begin anew.
 * Threads    one (the broker's loop).
 */
#ifndef BROKER_LIMITS_H
#define BROKER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

struct limits;

enum limit_kind { LIMIT_TOPIC, LIMIT_GROUP, LIMIT_KINDS };
enum { LIMITS_WINDOW_S = 5 };

MUST_CHECK int limits_new(struct limits **limits);
/* NULL is fine. */
void limits_free(struct limits *limits);

/* False: over the rate, and nothing was taken. per_s <= 0: no limit. */
bool limits_take(struct limits *limits, enum limit_kind kind, struct slice name, int64_t per_s,
                 int64_t now_ns);

/* A group read so much from the disk. */
void limits_read_cold(struct limits *limits, struct slice group, int64_t bytes, int64_t now_ns);
/* What it read from there in the window; an empty name: all groups together. */
int64_t limits_cold_bytes(struct limits *limits, struct slice group, int64_t now_ns);

#endif
