/* no_memory_shim.c - preloaded into a server: one of its allocations fails.
 *
 *   NO_MEMORY_AT     which, counted from 1; 0: none
 *   NO_MEMORY_COUNT  a file that is given the number of allocations when the process ends
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);

static long fail_at;
static atomic_long calls;

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("NO_MEMORY_AT");
    fail_at = at == NULL ? 0 : strtol(at, NULL, 10);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("NO_MEMORY_COUNT");
    FILE *out = path == NULL ? NULL : fopen(path, "w");
    if (out == NULL)
        return;
    fprintf(out, "%ld\n", atomic_load(&calls));
    fclose(out);
}

static bool fails(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 != fail_at)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    return fails() ? NULL : __libc_realloc(block, bytes);
}

void *reallocarray(void *block, size_t count, size_t bytes)
{
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, all);
}
