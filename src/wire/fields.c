#include "wire/fields.h"

#include <assert.h>

enum { NUMBER_TEXT_MAX = 20 };

static const char *row_name(const struct field *row, enum field_names names)
{
    return names == FIELD_LETTERS && row->letter != NULL ? row->letter : row->name;
}

static bool text_is(struct slice text, const char *name)
{
    /* Most keys differ in their first byte; an empty key has none. */
    return text.len > 0 && text.data[0] == (uint8_t)name[0] && slice_eq(text, slice_str(name));
}

/* The later one when a key stands twice. */
static struct slice find(const struct header *header, const char *name)
{
    for (int i = header->ext_count - 1; i >= 0; i--)
        if (text_is(header->ext[i].key, name))
            return header->ext[i].value;
    return (struct slice){ NULL, 0 };
}

/* Puts the value into its member. False: it counts as absent; the member then has the fallback. */
static bool decode_value(const struct field *row, struct slice text, uint8_t *member)
{
    int32_t i32 = (int32_t)row->fallback;
    int64_t i64 = row->fallback;
    bool truth = row->fallback != 0;
    bool found = text.data != NULL;
    switch (row->type) {
    case FIELD_STRING:
        memcpy(member, &text, sizeof text);
        break;
    case FIELD_I32:
        found = found && slice_to_i32(text, &i32);
        memcpy(member, &i32, sizeof i32);
        break;
    case FIELD_I64:
        found = found && slice_to_i64(text, &i64);
        memcpy(member, &i64, sizeof i64);
        break;
    case FIELD_BOOL:
        if (found)
            truth = slice_eq(text, SLICE("true"));
        memcpy(member, &truth, sizeof truth);
        break;
    }
    return found;
}

int fields_decode(const struct fields *fields, enum field_names names, const struct header *header,
                  void *into, const char **missing)
{
    const char *first_missing = NULL;
    memset(into, 0, fields->bytes);
    for (int i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        const char *name = row_name(row, names);
        bool found = decode_value(row, find(header, name), (uint8_t *)into + row->at);
        if (!found && row->presence == FIELD_MANDATORY && first_missing == NULL)
            first_missing = name;
    }
    if (first_missing == NULL)
        return 0;
    if (missing != NULL)
        *missing = first_missing;
    return ERR_INVALID;
}

static struct slice number_text(int64_t number, struct arena *arena)
{
    uint8_t *text = arena_alloc(arena, NUMBER_TEXT_MAX);
    uint8_t *end = text + NUMBER_TEXT_MAX;
    uint8_t *at = end;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--at = (uint8_t)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        *--at = '-';
    return slice_of(at, (size_t)(end - at));
}

/* The member as text; data NULL when it is left out. */
static struct slice encode_value(const struct field *row, const uint8_t *member,
                                 struct arena *arena)
{
    struct slice text;
    int32_t i32;
    int64_t number = 0;
    bool truth;
    switch (row->type) {
    case FIELD_STRING:
        memcpy(&text, member, sizeof text);
        return text;
    case FIELD_I32:
        memcpy(&i32, member, sizeof i32);
        number = i32;
        break;
    case FIELD_I64:
        memcpy(&number, member, sizeof number);
        break;
    case FIELD_BOOL:
        memcpy(&truth, member, sizeof truth);
        number = truth;
        break;
    }
    if (row->presence == FIELD_OPTIONAL && number == row->fallback)
        return (struct slice){ NULL, 0 };
    if (row->type == FIELD_BOOL)
        return number != 0 ? SLICE("true") : SLICE("false");
    return number_text(number, arena);
}

const struct ext_field *fields_encode(const struct fields *fields, enum field_names names,
                                      const void *from, struct arena *arena, int *count)
{
    assert(fields->count <= HEADER_EXT_MAX);
    struct ext_field *ext = arena_alloc(arena, (size_t)fields->count * sizeof *ext);
    int used = 0;
    for (int i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        struct slice value = encode_value(row, (const uint8_t *)from + row->at, arena);
        if (value.data == NULL)
            continue;
        ext[used++] = (struct ext_field){ slice_str(row_name(row, names)), value };
    }
    *count = used;
    return ext;
}
