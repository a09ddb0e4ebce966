/* limits.h - what each topic and each group may take, by name: rates, and a window that slides over
 * what a group has read from the disk.
 *
 *     bytes from the disk   | 3 s ago | 2 s ago | last second | this one |
 *
 * Units      monotonic nanoseconds; events per second; bytes.
 * Ownership  names are copied.
 * Bounds     LIMITS_NAMES_MAX names of each kind; then all of that kind begin anew. Rates are kept
 *            by the first LIMITS_NAME_BYTES of a name, which nobody has looked at yet.
 *            LIMITS_THRESHOLDS_MAX thresholds; then no more are taken.
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
enum { LIMITS_WINDOW_S = 5, LIMITS_NAMES_MAX = 65536, LIMITS_THRESHOLDS_MAX = 4096 };
enum { LIMITS_NAME_BYTES = 255 };

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

/* One of those who read from the disk within the window; false at the end. *cursor is 0 at first;
 * the slice is borrowed until the next call that adds. */
struct cold_reader {
    struct slice group;
    int64_t bytes; /* in the window */
    int64_t first_ns;
    int64_t last_ns;
};
bool limits_next_reader(const struct limits *limits, size_t *cursor, int64_t now_ns,
                        struct cold_reader *reader);

/* The bytes a group may read from the disk in the window, when they are its own and not those of
 * all. ERR_TOO_BIG: too many groups have some. */
MUST_CHECK int limits_set_threshold(struct limits *limits, struct slice group, int64_t bytes);
void limits_remove_threshold(struct limits *limits, struct slice group);
/* So many more may be set. */
int limits_thresholds_left(const struct limits *limits);
int64_t limits_threshold(const struct limits *limits, struct slice group, int64_t others);
/* All of them; false at the end. */
bool limits_next_threshold(const struct limits *limits, size_t *cursor, struct slice *group,
                           int64_t *bytes);

#endif
