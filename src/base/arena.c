#include "base/arena.h"
#include "base/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The first chunk holds what an ordinary request needs; each further one is twice as large. */
enum { FIRST_CHUNK_BYTES = 4096, KEPT_CHUNK_BYTES_MAX = 65536, CHUNK_BYTES_MAX = 1 << 20 };
enum { ALIGNMENT = 16 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t bytes; /* behind this struct */
    _Alignas(ALIGNMENT) uint8_t data[];
};

static void use_chunk(struct arena *a, struct arena_chunk *chunk)
{
    a->next = chunk->data;
    a->end = chunk->data + chunk->bytes;
}

static void add_chunk(struct arena *a, size_t least)
{
    size_t bytes = a->chunks == NULL ? FIRST_CHUNK_BYTES : a->chunks->bytes * 2;
    if (bytes > CHUNK_BYTES_MAX)
        bytes = CHUNK_BYTES_MAX;
    if (bytes < least)
        bytes = least;
    struct arena_chunk *chunk = memory_take(sizeof *chunk + bytes);
    chunk->older = a->chunks;
    chunk->bytes = bytes;
    a->chunks = chunk;
    use_chunk(a, chunk);
}

void arena_init(struct arena *a)
{
    *a = (struct arena){ NULL, NULL, NULL };
}

static void free_until(struct arena *a, const struct arena_chunk *kept)
{
    while (a->chunks != kept) {
        struct arena_chunk *older = a->chunks->older;
        free(a->chunks);
        a->chunks = older;
    }
}

void arena_fini(struct arena *a)
{
    free_until(a, NULL);
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    if (a->chunks == NULL)
        return;
    const struct arena_chunk *first = a->chunks;
    while (first->older != NULL)
        first = first->older;
    if (first->bytes > KEPT_CHUNK_BYTES_MAX)
        first = NULL; /* pools of arenas must not hoard what a few large requests needed */
    free_until(a, first);
    if (a->chunks == NULL)
        arena_init(a);
    else
        use_chunk(a, a->chunks);
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    bytes = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if ((size_t)(a->end - a->next) < bytes || a->chunks == NULL)
        add_chunk(a, bytes);
    uint8_t *got = a->next;
    a->next += bytes;
    assert(a->next <= a->end);
    return got;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    return memset(arena_alloc(a, bytes), 0, bytes);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    uint8_t *copy = arena_alloc(a, s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = 0;
    return slice_of(copy, s.len);
}

struct slice arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(len >= 0);
    char *text = arena_alloc(a, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return slice_of(text, (size_t)len);
}
