/* consume_queue_tail.c - the entries of a queue that are not in its files yet: in one piece of
 * memory, from `first` on. It grows with what comes between two rounds of the flusher, and goes
 * when the flusher has taken all of it: of many queues at once, and for long, so it is of a slab.
 */
#include "store/consume_queue_internal.h"

enum { TAIL_COUNT_LEAST = 2 }; /* many queues may be dirty at once, and little used */
enum { MOVED_MOST = 1024 };    /* entries moved, under the lock */
enum { USED_PART = 4 };        /* of its room that a round has to use, or half of it goes */

uint8_t *queue_tail_at(const struct consume_queue *queue, int64_t place)
{
    struct queue_tail *tail = queue->tail;
    int64_t written = queue_written(queue);
    assert(tail != NULL);
    assert(place >= written && place - written < tail->count);
    return tail->entries + (tail->first + (size_t)(place - written)) * queue_entry_size(queue);
}

static struct slab *slab_of(const struct consume_queue *queue)
{
    return queue->of->kind->files->tails;
}

static size_t tail_bytes(const struct consume_queue *queue, uint32_t cap)
{
    return slab_piece_bytes(sizeof(struct queue_tail) + cap * queue_entry_size(queue));
}

static uint32_t cap_of(const struct consume_queue *queue, size_t bytes)
{
    uint32_t cap = (uint32_t)((bytes - sizeof(struct queue_tail)) / queue_entry_size(queue));
    assert(tail_bytes(queue, cap) == bytes);
    return cap;
}

/* An empty one with room for so many, or some more. */
static struct queue_tail *new_tail(const struct consume_queue *queue, uint32_t cap)
{
    size_t bytes = tail_bytes(queue, cap);
    struct queue_tail *tail = slab_take(slab_of(queue), bytes);
    *tail = (struct queue_tail){ .cap = cap_of(queue, bytes) };
    assert(tail->cap >= cap);
    return tail;
}

static void double_cap(struct consume_queue *queue)
{
    struct queue_tail *before = queue->tail;
    size_t bytes = tail_bytes(queue, before->cap * 2);
    struct queue_tail *tail =
        slab_resize(slab_of(queue), before, tail_bytes(queue, before->cap), bytes);
    tail->cap = cap_of(queue, bytes);
    queue->tail = tail;
}

void queue_tail_free(const struct consume_queue *queue, struct queue_tail *tail)
{
    if (tail != NULL)
        slab_give_back(slab_of(queue), tail, tail_bytes(queue, tail->cap));
}

static void move_to_front(struct consume_queue *queue)
{
    struct queue_tail *tail = queue->tail;
    size_t size = queue_entry_size(queue);
    memmove(tail->entries, tail->entries + tail->first * size, tail->count * size);
    tail->first = 0;
}

static void make_room(struct consume_queue *queue)
{
    const struct queue_tail *tail = queue->tail;
    if (tail == NULL)
        queue->tail = new_tail(queue, TAIL_COUNT_LEAST);
    else if (tail->first + tail->count < tail->cap)
        return;
    else if (tail->first >= tail->count && tail->count <= MOVED_MOST)
        move_to_front(queue);
    else
        double_cap(queue);
}

/* The entry belongs behind the one at `before`, of either kind: both begin alike. */
static bool is_behind(const uint8_t *before, const struct store_queue_entry *entry)
{
    const struct store_queue_entry last = { .phy_offset = (int64_t)get_be64(before + CQ_PHY_OFFSET),
                                            .bytes = (int32_t)get_be32(before + CQ_LENGTH) };
    return queue_entries_are_in_order(&last, entry);
}

void queue_tail_add(struct consume_queue *queue, const struct store_queue_entry *entry)
{
    assert(lock_is_held(&consume_queue_locks(queue)->lock));
    int64_t max = atomic_load_explicit(&queue->max, memory_order_relaxed);
    make_room(queue);
    struct queue_tail *tail = queue->tail;
    assert(tail->first + tail->count < tail->cap);
    uint8_t *at = tail->entries + (tail->first + tail->count) * queue_entry_size(queue);
    assert(tail->count == 0 || is_behind(at - queue_entry_size(queue), entry));
    queue_entry_put(queue, at, entry);
    tail->count++;
    atomic_store_explicit(&queue->max, max + 1, memory_order_release);
}

struct queue_tail *queue_tail_drop(struct consume_queue *queue, uint32_t count, bool *is_wide)
{
    assert(lock_is_held(&consume_queue_locks(queue)->lock));
    struct queue_tail *tail = queue->tail;
    assert(tail != NULL && tail->count >= count);
    tail->first += count;
    tail->count -= count;
    *is_wide = false;
    if (tail->count == 0) {
        queue->tail = NULL;
        return tail;
    }
    if (tail->count <= MOVED_MOST && tail->cap > 4 * MOVED_MOST) {
        *is_wide = tail->first + tail->count < tail->cap / USED_PART;
        move_to_front(queue);
    }
    return NULL;
}

struct queue_tail *queue_tail_half(const struct consume_queue *queue, uint32_t cap)
{
    return new_tail(queue, cap / 2);
}

struct queue_tail *queue_tail_exchange(struct consume_queue *queue, struct queue_tail *other)
{
    assert(lock_is_held(&consume_queue_locks(queue)->lock));
    struct queue_tail *tail = queue->tail;
    if (tail == NULL || tail->count > MOVED_MOST)
        return other;
    assert(tail->count <= other->cap);
    other->count = tail->count;
    memcpy(other->entries, tail->entries + tail->first * queue_entry_size(queue),
           tail->count * queue_entry_size(queue));
    queue->tail = other;
    return tail;
}

void queue_tail_cut(struct consume_queue *queue, int64_t place)
{
    assert(lock_is_held(&consume_queue_locks(queue)->lock));
    int64_t written = queue_written(queue);
    assert(place >= 0 && place <= atomic_load(&queue->max));
    if (place > written)
        queue->tail->count = (uint32_t)(place - written);
    else if (queue->tail != NULL)
        queue->tail->count = 0;
    atomic_store(&queue->max, place);
    assert(queue_written(queue) == (place < written ? place : written));
}
