#include "base/memory.h"

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Input and output of a connection are smaller than what is mapped; the heap keeps as much as two
 * of the largest of those take. */
enum { MAPPED_BYTES = 1 << 20, KEPT_AT_TOP_BYTES = 2 << 20 };

void memory_begin(void)
{
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_AT_TOP_BYTES);
}

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
