/* slice.h - a borrowed run of bytes: pointer and length, owning nothing.
 *
 * A slice is valid as long as what it was cut from; a function that takes one borrows it until it
 * returns. Text in a slice is UTF-8 and has no terminating NUL.
 *
 * Threads    any: no state.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; /* may be NULL when len is 0 */
    size_t len;          /* bytes */
};

/* A slice of a string literal. */
#define SLICE(literal) ((struct slice){ (const uint8_t *)("" literal), sizeof(literal) - 1 })
/* For printf: printf("%.*s", SLICE_FMT(s)). */
#define SLICE_FMT(s) (int)(s).len, (const char *)(s).data

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){ data, len };
}

static inline struct slice slice_str(const char *text)
{
    return (struct slice){ (const uint8_t *)text, text == NULL ? 0 : strlen(text) };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Nothing but zeros; also when it is empty. */
static inline bool slice_is_zero(struct slice s)
{
    return s.len == 0 || (s.data[0] == 0 && memcmp(s.data, s.data + 1, s.len - 1) == 0);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* As memcmp(); of two that begin alike the shorter comes first. */
static inline int slice_order(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* The bytes from `from` on; empty when `from` is past the end. */
static inline struct slice slice_from(struct slice s, size_t from)
{
    return from >= s.len ? (struct slice){ NULL, 0 }
                         : (struct slice){ s.data + from, s.len - from };
}

/* Without blanks and control bytes at both ends: Java's String.trim(). */
struct slice slice_trim(struct slice s);

/* Takes what stands before the first `mark`, and the mark, off *rest; without one, all of it. */
static inline struct slice slice_cut(struct slice *rest, char mark)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, mark, rest->len);
    struct slice piece = { rest->data, end == NULL ? rest->len : (size_t)(end - rest->data) };
    *rest = slice_from(*rest, piece.len + 1);
    return piece;
}

/* Is `item` one of those that `list` names, with a `mark` between them? */
bool slice_lists(struct slice list, char mark, struct slice item);

/* Parses a decimal integer that fills the slice, with an optional minus.
 * False (and *value untouched) when empty, not a number, or out of the range of int64_t. */
bool slice_to_i64(struct slice s, int64_t *value);

/* As slice_to_i64 for 32 bits. */
bool slice_to_i32(struct slice s, int32_t *value);

#endif
