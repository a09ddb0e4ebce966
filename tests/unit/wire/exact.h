/* exact.h - inputs in blocks of their exact size, so that the address sanitizer sees a read past
 * the end; and what every test of this folder includes. */
#ifndef TESTS_WIRE_EXACT_H
#define TESTS_WIRE_EXACT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/bytes.h"

/* The first `len` bytes of `data` in a block of their own; free() the data. */
static inline struct slice exact_copy(const void *data, size_t len)
{
    if (len > PTRDIFF_MAX)
        abort();
    uint8_t *block = malloc(len == 0 ? 1 : len);
    assert_non_null(block);
    if (len > 0)
        memcpy(block, data, len);
    return slice_of(block, len);
}

static inline void exact_free(struct slice block)
{
    free((void *)(uintptr_t)block.data);
}

static inline void assert_text(struct slice got, const char *expected)
{
    struct slice want = slice_str(expected);
    if (!slice_eq(got, want))
        fail_msg("got [%.*s], expected [%s]", SLICE_FMT(got), expected);
}

static inline void assert_buf(struct buf *out, const char *expected)
{
    assert_text(buf_slice(out), expected);
    buf_fini(out);
}

#endif
