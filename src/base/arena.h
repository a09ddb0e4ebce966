/* arena.h - memory that is given back all at once: what lives as long as one request.
 *
 * Ownership  everything allocated lives until arena_reset() or arena_fini().
 * Threads    one at a time.
 * Errors     none: a failed allocation aborts the process, the sizes asked for are bounded by the
 *            frame limit.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first; arena_reset() keeps the oldest */
    uint8_t *next;
    uint8_t *end;
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a);

/* Frees all but the first chunk, which is used again unless it is large. */
void arena_reset(struct arena *a);

/* `bytes` bytes aligned for any type, not zeroed. */
void *arena_alloc(struct arena *a, size_t bytes);
void *arena_zalloc(struct arena *a, size_t bytes);

/* A copy of the slice that lives in the arena, followed by a NUL that its length does not count. */
struct slice arena_copy(struct arena *a, struct slice s);
struct slice arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
