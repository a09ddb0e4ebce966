/* memory.h - memory of the heap, and what becomes of a process that gets none. The rule:
 *
 *     a constructor that is called at start (..._new, ..._open)    ERR_NO_MEMORY: no start
 *     what a peer makes us keep: a connection, its input, its TLS  that connection ends, which frees
 *     everything else: these calls, arena, buf, map, slab          the process ends by abort()
 *
 * Ending is a kill: what was acknowledged is kept (docs/durability.md), and who starts again has
 * memory again. The other way, an error passed up by each caller of each table, was rejected: it is
 * code that runs in tests only, and a table that is changed by half costs more than a start. Never
 * is a failed allocation told as something else: a table that could not be read for want of memory
 * is not a damaged one.
 *
 * Sizes are bounded by who asks (a frame's limit, a table's count), and no length from outside gets
 * here as it came.
 *
 * Units      bytes.
 * Ownership  the caller's, who gives it to free().
 * Threads    any.
 * Errors     none: NULL is never returned.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/slice.h"

#define MEMORY_NEVER_NULL __attribute__((returns_nonnull, warn_unused_result))

void *memory_take(size_t bytes) MEMORY_NEVER_NULL;
void *memory_zeroed(size_t count, size_t element_bytes) MEMORY_NEVER_NULL;
/* As reallocarray(). `block` may be NULL. */
void *memory_resize(void *block, size_t count, size_t element_bytes) MEMORY_NEVER_NULL;
/* A copy that ends with a NUL. */
char *memory_text(struct slice text) MEMORY_NEVER_NULL;

/* Room for one element more in an array that holds `count` of `cap`: it begins with `first` and
 * doubles. The arguments are read more than once. */
#define MEMORY_GROW(array, count, cap, first)                                                      \
    do {                                                                                           \
        if ((count) == (cap)) {                                                                    \
            (cap) = (cap) == 0 ? (first) : 2 * (cap);                                              \
            (array) = memory_resize((array), (size_t)(cap), sizeof *(array));                      \
        }                                                                                          \
    } while (0)

/* At the start of the process: what is large is mapped, and goes when it is given back. The C
 * library would raise that limit to 32 MiB with the first such block; from then on the text of a
 * table, a few MiB made anew for each file and answer, lies between what stays and leaves holes. */
void memory_begin(void);

/* For libraries that say that they got none: one line on stderr, then abort(). */
_Noreturn void memory_none(size_t bytes);

#endif
