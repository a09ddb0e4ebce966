/* slab.c - a chunk is found by its pieces' addresses, since it lies at a multiple of its length.
 *
 * A chunk's pieces are handed out in order at first, so that no page is touched before it is
 * needed; those given back are a list. Chunks that are empty are kept for the next crowd: mapping
 * and unmapping wait for whoever else changes the address space. slab_trim() unmaps what was never
 * needed since it was last called. New ones are mapped several at a time.
 */
#include "base/slab.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/memory.h"

enum { CHUNK_BYTES = 64 << 10, HEAD_BYTES = 64, CLASSES = 7, SPARE_CHUNKS = 2 };
enum { MAPPED_AT_ONCE = 16 };
static_assert(SLAB_PIECE_LEAST << (CLASSES - 1) == SLAB_PIECE_MOST, "a class for each size");

struct free_piece {
    struct free_piece *next;
};

struct chunk {
    struct list link; /* of its class's chunks with room, or the spare ones; else of none */
    struct free_piece *freed;
    uint32_t piece_bytes;
    uint32_t used;  /* pieces that are out */
    uint32_t fresh; /* position of the first byte that was never used */
};
static_assert(sizeof(struct chunk) <= HEAD_BYTES, "the head fits");

struct slab {
    struct lock lock; /* a leaf */
    struct list with_room[CLASSES];
    struct list spare; /* the one given back last is first: it is the warmest */
    size_t spare_count;
    size_t spare_least; /* since the last slab_trim() */
    size_t chunk_count;
    uint8_t *fresh; /* mapped and never used, up to fresh_end */
    uint8_t *fresh_end;
};

/* ---- chunks ---------------------------------------------------------------------------------- */

static void map_fresh(struct slab *slab)
{
    const size_t bytes = (size_t)MAPPED_AT_ONCE * CHUNK_BYTES;
    uint8_t *base =
        mmap(NULL, bytes + CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        memory_none(2 * CHUNK_BYTES);
    size_t before = -(uintptr_t)base % CHUNK_BYTES;
    if (before > 0)
        munmap(base, before);
    munmap(base + before + bytes, CHUNK_BYTES - before);
    slab->fresh = base + before;
    slab->fresh_end = slab->fresh + bytes;
}

static struct chunk *chunk_map(struct slab *slab)
{
    if (slab->fresh == slab->fresh_end)
        map_fresh(slab);
    uint8_t *chunk = slab->fresh;
    slab->fresh += CHUNK_BYTES;
    slab->chunk_count++;
    assert((uintptr_t)chunk % CHUNK_BYTES == 0);
    return (struct chunk *)(void *)chunk;
}

static struct chunk *take_spare(struct slab *slab)
{
    struct chunk *chunk = list_entry(slab->spare.next, struct chunk, link);
    list_remove(&chunk->link);
    assert(slab->spare_count > 0);
    if (--slab->spare_count < slab->spare_least)
        slab->spare_least = slab->spare_count;
    return chunk;
}

static struct chunk *chunk_of(void *piece)
{
    return (struct chunk *)(void *)((uint8_t *)piece - (uintptr_t)piece % CHUNK_BYTES);
}

static bool chunk_is_full(const struct chunk *chunk)
{
    return chunk->freed == NULL && chunk->fresh + chunk->piece_bytes > CHUNK_BYTES;
}

static struct chunk *chunk_get(struct slab *slab, struct list *class, size_t piece_bytes)
{
    if (!list_empty(class))
        return list_entry(class->next, struct chunk, link);
    struct chunk *chunk = slab->spare_count > 0 ? take_spare(slab) : chunk_map(slab);
    *chunk = (struct chunk){ .piece_bytes = (uint32_t)piece_bytes, .fresh = HEAD_BYTES };
    list_append(class, &chunk->link);
    return chunk;
}

/* It has no piece any more. */
static void chunk_put(struct slab *slab, struct chunk *chunk)
{
    assert(chunk->used == 0);
    list_remove(&chunk->link);
    list_append(slab->spare.next, &chunk->link); /* in front of the first */
    slab->spare_count++;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

size_t slab_piece_bytes(size_t bytes)
{
    if (bytes <= SLAB_PIECE_LEAST)
        return SLAB_PIECE_LEAST;
    return (size_t)1 << (sizeof(long) * CHAR_BIT - (size_t)__builtin_clzl(bytes - 1));
}

static struct list *class_of(struct slab *slab, size_t piece_bytes)
{
    int class = __builtin_ctzl(piece_bytes) - __builtin_ctzl(SLAB_PIECE_LEAST);
    assert(class >= 0 && class < CLASSES);
    return &slab->with_room[class];
}

/* Pieces are taken in crowds: the processor fetches the next one meanwhile. */
static void *take_piece(struct chunk *chunk)
{
    struct free_piece *piece = chunk->freed;
    chunk->used++;
    if (piece != NULL) {
        chunk->freed = piece->next;
        __builtin_prefetch(piece->next, 1);
        return piece;
    }
    void *fresh = (uint8_t *)chunk + chunk->fresh;
    chunk->fresh += chunk->piece_bytes;
    assert(chunk->fresh <= CHUNK_BYTES);
    __builtin_prefetch((uint8_t *)chunk + chunk->fresh, 1);
    return fresh;
}

void *slab_take(struct slab *slab, size_t bytes)
{
    size_t piece_bytes = slab_piece_bytes(bytes);
    if (piece_bytes > SLAB_PIECE_MOST) {
        void *large = memory_take(piece_bytes);
        return large;
    }
    lock_take(&slab->lock);
    struct chunk *chunk = chunk_get(slab, class_of(slab, piece_bytes), piece_bytes);
    void *piece = take_piece(chunk);
    if (chunk_is_full(chunk))
        list_remove(&chunk->link);
    lock_release(&slab->lock);
    return piece;
}

void slab_give_back(struct slab *slab, void *piece, size_t bytes)
{
    size_t piece_bytes = slab_piece_bytes(bytes);
    if (piece == NULL)
        return;
    if (piece_bytes > SLAB_PIECE_MOST) {
        free(piece);
        return;
    }
    struct free_piece *freed = piece;
    struct chunk *chunk = chunk_of(piece);
    lock_take(&slab->lock);
    assert(chunk->piece_bytes == piece_bytes);
    assert(chunk->used > 0);
    bool was_full = chunk_is_full(chunk);
    freed->next = chunk->freed;
    chunk->freed = freed;
    if (--chunk->used == 0)
        chunk_put(slab, chunk);
    else if (was_full)
        list_append(class_of(slab, piece_bytes), &chunk->link);
    lock_release(&slab->lock);
}

void *slab_resize(struct slab *slab, void *piece, size_t bytes, size_t wanted_bytes)
{
    size_t before = slab_piece_bytes(bytes);
    size_t after = slab_piece_bytes(wanted_bytes);
    if (piece != NULL && before > SLAB_PIECE_MOST && after > SLAB_PIECE_MOST)
        return memory_resize(piece, after, 1); /* large ones are moved without a copy */
    void *other = slab_take(slab, after);
    if (piece != NULL)
        memcpy(other, piece, before < after ? before : after);
    slab_give_back(slab, piece, before);
    return other;
}

/* ---- the slab -------------------------------------------------------------------------------- */

struct slab *slab_new(void)
{
    struct slab *slab = calloc(1, sizeof *slab);
    if (slab == NULL)
        return NULL;
    lock_init(&slab->lock, LOCK_LEAF);
    for (int i = 0; i < CLASSES; i++)
        list_init(&slab->with_room[i]);
    list_init(&slab->spare);
    return slab;
}

void slab_free(struct slab *slab)
{
    if (slab == NULL)
        return;
    assert(slab->chunk_count == slab->spare_count);
    while (slab->spare_count > 0)
        munmap(take_spare(slab), CHUNK_BYTES);
    if (slab->fresh != slab->fresh_end)
        munmap(slab->fresh, (size_t)(slab->fresh_end - slab->fresh));
    lock_fini(&slab->lock);
    free(slab);
}

/* One at a time: whoever takes a piece waits for the lock, and for the address space. */
void slab_trim(struct slab *slab)
{
    lock_take(&slab->lock);
    size_t unneeded = slab->spare_least > SPARE_CHUNKS ? slab->spare_least - SPARE_CHUNKS : 0;
    for (; unneeded > 0 && slab->spare_count > SPARE_CHUNKS; unneeded--) {
        struct chunk *chunk = list_entry(slab->spare.prev, struct chunk, link);
        list_remove(&chunk->link);
        slab->spare_count--;
        slab->chunk_count--;
        lock_release(&slab->lock);
        munmap(chunk, CHUNK_BYTES);
        lock_take(&slab->lock);
    }
    slab->spare_least = slab->spare_count;
    lock_release(&slab->lock);
}

size_t slab_chunks(struct slab *slab)
{
    lock_take(&slab->lock);
    size_t count = slab->chunk_count;
    lock_release(&slab->lock);
    return count;
}
