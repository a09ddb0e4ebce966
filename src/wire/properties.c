#include "wire/properties.h"

enum { NAME_END = 0x01, VALUE_END = 0x02 };

/* Cuts the piece up to the next VALUE_END off *rest. */
static struct slice next_piece(struct slice *rest)
{
    const uint8_t *stop = memchr(rest->data, VALUE_END, rest->len);
    size_t len = stop == NULL ? rest->len : (size_t)(stop - rest->data);
    struct slice piece = { rest->data, len };
    *rest = slice_from(*rest, stop == NULL ? len : len + 1);
    return piece;
}

/* False: not a name and a value of at least a byte each. */
static bool split_piece(struct slice piece, struct slice *name, struct slice *value)
{
    const uint8_t *separator = piece.len == 0 ? NULL : memchr(piece.data, NAME_END, piece.len);
    if (separator == NULL || separator == piece.data)
        return false;
    *name = slice_of(piece.data, (size_t)(separator - piece.data));
    *value = slice_from(piece, name->len + 1);
    return value->len > 0;
}

bool property_next(struct slice *rest, struct slice *name, struct slice *value)
{
    while (rest->len > 0)
        if (split_piece(next_piece(rest), name, value))
            return true;
    return false;
}

struct slice property_get(struct slice properties, struct slice name)
{
    struct slice found = { NULL, 0 };
    struct slice at_name;
    struct slice value;
    while (property_next(&properties, &at_name, &value))
        if (slice_eq(at_name, name))
            found = value;
    return found;
}

static bool is_changed(struct slice name, const struct property_change *changes, int count)
{
    for (int i = 0; i < count; i++)
        if (slice_eq(name, changes[i].name))
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

    struct slice name;
    struct slice value;
    while (properties.len > 0) {
        struct slice piece = next_piece(&properties);
        if (piece.len == 0 ||
            (split_piece(piece, &name, &value) && is_changed(name, changes, count)))
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
