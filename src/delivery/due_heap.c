#include "delivery/due_heap.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

enum { CAP_LEAST = 16 };

static void put_at(struct due_heap *heap, uint32_t i, struct due *due)
{
    heap->slots[i] = due;
    due->place = i + 1;
}

static void sift_up(struct due_heap *heap, uint32_t i, struct due *due)
{
    while (i > 0 && heap->slots[(i - 1) / 2]->at_ms > due->at_ms) {
        put_at(heap, i, heap->slots[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put_at(heap, i, due);
}

static void sift_down(struct due_heap *heap, uint32_t i, struct due *due)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->slots[child + 1]->at_ms < heap->slots[child]->at_ms)
            child++;
        if (heap->slots[child]->at_ms >= due->at_ms)
            break;
        put_at(heap, i, heap->slots[child]);
        i = child;
    }
    put_at(heap, i, due);
}

/* To where it belongs, from place i, which is free. */
static void settle(struct due_heap *heap, uint32_t i, struct due *due)
{
    if (i > 0 && heap->slots[(i - 1) / 2]->at_ms > due->at_ms)
        sift_up(heap, i, due);
    else
        sift_down(heap, i, due);
}

void due_heap_fini(struct due_heap *heap)
{
    free(heap->slots);
    *heap = (struct due_heap){ 0 };
}

/* Gives memory back when three quarters of it are free: the heap once held a peak. */
static void resize(struct due_heap *heap, uint32_t cap)
{
    assert(cap >= heap->count);
    heap->slots = memory_resize(heap->slots, cap, sizeof *heap->slots);
    heap->cap = cap;
}

void due_heap_set(struct due_heap *heap, struct due *due, int64_t at_ms)
{
    uint32_t i = due->place;
    due->at_ms = at_ms;
    if (i != 0) {
        assert(heap->slots[i - 1] == due);
        settle(heap, i - 1, due);
        return;
    }
    if (heap->count == heap->cap)
        resize(heap, heap->cap == 0 ? CAP_LEAST : heap->cap * 2);
    sift_up(heap, heap->count++, due);
    assert(due->place > 0 && heap->slots[due->place - 1] == due);
    assert(heap->slots[0]->at_ms <= at_ms);
}

void due_heap_remove(struct due_heap *heap, struct due *due)
{
    uint32_t i = due->place;
    if (i == 0)
        return;
    assert(i <= heap->count && heap->slots[i - 1] == due);
    struct due *last = heap->slots[--heap->count];
    due->place = 0;
    if (last != due)
        settle(heap, i - 1, last);
    if (heap->cap > CAP_LEAST && heap->count < heap->cap / 4)
        resize(heap, heap->cap / 2);
}
