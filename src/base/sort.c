#include "base/sort.h"

#include <assert.h>
#include <stdlib.h>

static int compare_i64(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

void sort_i64(int64_t *first, int count)
{
    assert(count >= 0);
    if (count > 0)
        qsort(first, (size_t)count, sizeof *first, compare_i64);
}

static int compare_slices(const void *a, const void *b)
{
    return slice_order(*(const struct slice *)a, *(const struct slice *)b);
}

void sort_slices(struct slice *first, int count)
{
    assert(count >= 0);
    if (count > 0)
        qsort(first, (size_t)count, sizeof *first, compare_slices);
}
