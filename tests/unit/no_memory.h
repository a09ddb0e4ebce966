/* no_memory.h - a piece of work done again and again, each time with another allocation that fails.
 *
 * The work runs in a child process, so that it may end as base/memory.h says: it comes to its usual
 * end (the allocation was not needed after all), returns ERR_NO_MEMORY, or ends by abort() with
 * "out_of_memory" on stderr. All else fails the test: a crash, another assertion, and another
 * answer, such as that what it read was damaged.
 *
 * What fails are calls of malloc(), calloc(), realloc() and what the C library makes of them, from
 * libraries as well: a test that has this file has its own malloc(). Whoever calls has no thread
 * beside; the work may.
 */
#ifndef UNIT_NO_MEMORY_H
#define UNIT_NO_MEMORY_H

/* 0: done and as it should be; else an error of base/err.h. */
typedef int work_fn(void *ctx);

/* Returns how many allocations the work made, the last time. */
int no_memory_at_each(work_fn *work, void *ctx);

#endif
