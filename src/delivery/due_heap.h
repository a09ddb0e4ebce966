/* due_heap.h - what is due first: a binary heap of moments embedded in their owners.
 *
 * Ownership  a struct due lives in its owner, and is removed before that is freed.
 * Threads    one at a time.
 * Errors     none: a failed allocation aborts; whoever fills a heap bounds it.
 */
#ifndef DELIVERY_DUE_HEAP_H
#define DELIVERY_DUE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct due {
    int64_t at_ms;  /* valid while in a heap */
    uint32_t place; /* in the heap, from 1; 0: in none. Zero before first use. */
};

struct due_heap {
    struct due **slots;
    uint32_t count;
    uint32_t cap;
};

void due_heap_fini(struct due_heap *heap);
/* Puts it in, or moves it when it is in. */
void due_heap_set(struct due_heap *heap, struct due *due, int64_t at_ms);
/* No effect when it is in none. */
void due_heap_remove(struct due_heap *heap, struct due *due);

/* The one that is due first; NULL: the heap is empty. */
static inline struct due *due_heap_first(const struct due_heap *heap)
{
    return heap->count == 0 ? NULL : heap->slots[0];
}

#endif
