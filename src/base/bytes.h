/* bytes.h - big-endian integers in raw bytes, a bounds-checked reader, and a growing buffer.
 *
 * Wire and disk are big-endian throughout (docs/format, docs/protocol). Nothing is ever copied out
 * of a struct as it lies in memory.
 *
 * Ownership  a reader borrows; a buf owns its memory until buf_fini().
 * Threads    any, one at a time for each value.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <endian.h>
#include <stdarg.h>

#include "base/err.h"
#include "base/slice.h"

static inline uint16_t get_be16(const uint8_t *p)
{
    return (uint16_t)((uint16_t)p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static inline uint64_t get_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
}

/* Reads integers and runs from a slice; the first read past the end sets `failed`, after which
 * every read yields zeros, so a decoder checks once at its end. */
struct reader {
    struct slice rest;
    bool failed;
};

static inline struct reader reader_of(struct slice s)
{
    return (struct reader){ s, false };
}

/* `len` bytes, borrowed; an empty slice with `failed` set when fewer are left or len is negative.
 */
static inline struct slice read_bytes(struct reader *r, int64_t len)
{
    if (r->failed || len < 0 || (uint64_t)len > r->rest.len) {
        r->failed = true;
        return (struct slice){ NULL, 0 };
    }
    struct slice got = { r->rest.data, (size_t)len };
    r->rest.data += len;
    r->rest.len -= (size_t)len;
    return got;
}

static inline uint8_t read_u8(struct reader *r)
{
    struct slice s = read_bytes(r, 1);
    return r->failed ? 0 : s.data[0];
}

static inline int16_t read_i16(struct reader *r)
{
    struct slice s = read_bytes(r, 2);
    return r->failed ? 0 : (int16_t)get_be16(s.data);
}

static inline int32_t read_i32(struct reader *r)
{
    struct slice s = read_bytes(r, 4);
    return r->failed ? 0 : (int32_t)get_be32(s.data);
}

static inline int64_t read_i64(struct reader *r)
{
    struct slice s = read_bytes(r, 8);
    return r->failed ? 0 : (int64_t)get_be64(s.data);
}

/* A growing run of bytes on the heap, for bodies and text off the hot path.
 * A failed allocation aborts the process: the callers' sizes are bounded. Owner: one thread. */
struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
};

#define BUF_INIT ((struct buf){ NULL, 0, 0 })

void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
/* Makes room for `more` bytes behind the end and returns where they start; len is unchanged. */
uint8_t *buf_reserve(struct buf *b, size_t more);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_slice(struct buf *b, struct slice s);
void buf_append_u8(struct buf *b, uint8_t v);
void buf_append_be32(struct buf *b, uint32_t v);
void buf_append_be64(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->data, b->len);
}

#endif
