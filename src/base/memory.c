#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Not through the log, whose writer is another thread. */
void memory_none(size_t bytes)
{
    char line[64];
    int len = snprintf(line, sizeof line, "ramjet: out_of_memory bytes=%zu\n", bytes);
    ssize_t written = write(STDERR_FILENO, line, (size_t)len);
    (void)written;
    abort();
}

void *memory_take(size_t bytes)
{
    void *block = malloc(bytes);
    if (block == NULL)
        memory_none(bytes);
    return block;
}

void *memory_zeroed(size_t count, size_t element_bytes)
{
    void *block = calloc(count, element_bytes);
    if (block == NULL)
        memory_none(count * element_bytes);
    return block;
}

void *memory_resize(void *block, size_t count, size_t element_bytes)
{
    assert(count > 0);
    void *moved = reallocarray(block, count, element_bytes);
    if (moved == NULL)
        memory_none(count * element_bytes);
    return moved;
}

char *memory_text(struct slice text)
{
    char *copy = memory_take(text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}
