#include "wire/properties.h"

#include <assert.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { NAME_END = 0x01, VALUE_END = 0x02 };

/* The first `mark` from `at` on; `end` when there is none. In line: pieces are short. */
static inline const uint8_t *find_mark(const uint8_t *at, const uint8_t *end, uint8_t mark)
{
#ifdef __SSE2__
    for (; end - at >= 16; at += 16) {
        __m128i word = _mm_loadu_si128((const __m128i *)(const void *)at);
        int marks = _mm_movemask_epi8(_mm_cmpeq_epi8(word, _mm_set1_epi8((char)mark)));
        if (marks != 0)
            return at + __builtin_ctz((unsigned)marks);
    }
#endif
    while (at < end && *at != mark)
        at++;
    return at;
}

/* Cuts the piece up to the next VALUE_END off *rest. */
static inline struct slice next_piece(struct slice *rest)
{
    const uint8_t *start = rest->data;
    const uint8_t *end = start + rest->len;
    const uint8_t *stop = find_mark(start, end, VALUE_END);
    const uint8_t *next = stop < end ? stop + 1 : end;
    *rest = slice_of(next, (size_t)(end - next));
    return slice_of(start, (size_t)(stop - start));
}

/* False: not a name and a value of at least a byte each. */
static inline bool split_piece(struct slice piece, struct slice *name, struct slice *value)
{
    const uint8_t *end = piece.data + piece.len;
    const uint8_t *separator = find_mark(piece.data, end, NAME_END);
    if (separator == end || separator == piece.data || separator + 1 == end)
        return false;
    *name = slice_of(piece.data, (size_t)(separator - piece.data));
    *value = slice_of(separator + 1, (size_t)(end - separator) - 1);
    return true;
}

bool property_next(struct slice *rest, struct slice *name, struct slice *value)
{
    while (rest->len > 0)
        if (split_piece(next_piece(rest), name, value))
            return true;
    return false;
}

/* The same as to split the piece and compare: no name holds a NAME_END. */
static inline bool piece_has_name(struct slice piece, struct slice name)
{
    assert(name.len > 0);
    return piece.len > name.len + 1 && piece.data[name.len] == NAME_END &&
           piece.data[0] == name.data[0] && memcmp(piece.data, name.data, name.len) == 0;
}

void properties_find(struct slice properties, const struct slice *names, int count,
                     struct slice *values)
{
    for (int i = 0; i < count; i++)
        values[i] = slice_of(NULL, 0);
    while (properties.len > 0) {
        struct slice piece = next_piece(&properties);
        for (int i = 0; i < count; i++)
            if (piece_has_name(piece, names[i]))
                values[i] = slice_from(piece, names[i].len + 1);
    }
}

struct slice property_get(struct slice properties, struct slice name)
{
    struct slice found;
    properties_find(properties, &name, 1, &found);
    return found;
}

static bool is_changed(struct slice piece, const struct property_change *changes, int count)
{
    for (int i = 0; i < count; i++)
        if (piece_has_name(piece, changes[i].name))
            return true;
    return false;
}

static uint8_t *put(uint8_t *out, struct slice text)
{
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    return out + text.len;
}

struct slice properties_edit(struct slice properties, const struct property_change *changes,
                             int count, struct arena *arena)
{
    size_t bound = properties.len + 1;
    for (int i = 0; i < count; i++)
        bound += changes[i].name.len + changes[i].value.len + 2;
    uint8_t *start = arena_alloc(arena, bound);
    uint8_t *out = start;

    while (properties.len > 0) {
        struct slice piece = next_piece(&properties);
        if (piece.len == 0 || is_changed(piece, changes, count))
            continue;
        out = put(out, piece);
        *out++ = VALUE_END;
    }
    for (int i = 0; i < count; i++) {
        if (changes[i].value.data == NULL)
            continue;
        out = put(out, changes[i].name);
        *out++ = NAME_END;
        out = put(out, changes[i].value);
        *out++ = VALUE_END;
    }
    return slice_of(start, (size_t)(out - start));
}
