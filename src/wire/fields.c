#include "wire/fields.h"

#include <assert.h>

enum { NUMBER_TEXT_MAX = 20 };

/* What a header says in the fields with names of one letter; data NULL: nothing. */
enum { LETTERS = 'z' - 'a' + 1 };
struct letter_values {
    struct slice of[LETTERS];
};

static void find_letters(const struct header *header, struct letter_values *values)
{
    memset(values, 0, sizeof *values);
    for (int i = 0; i < header->ext_count; i++) { /* the later one when a key stands twice */
        struct slice key = header->ext[i].key;
        if (key.len == 1 && key.data[0] >= 'a' && key.data[0] <= 'z')
            values->of[key.data[0] - 'a'] = header->ext[i].value;
    }
}

static struct slice of_letter(const struct letter_values *values, const char *letter)
{
    assert(letter[0] >= 'a' && letter[0] <= 'z' && letter[1] == 0);
    return values->of[letter[0] - 'a'];
}

/* Puts the value into its member. False: it counts as absent; the member then has the fallback. */
static inline bool decode_value(const struct field *row, struct slice text, uint8_t *member)
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
    struct letter_values letters;
    if (names == FIELD_LETTERS)
        find_letters(header, &letters);
    memset(into, 0, fields->bytes);
    for (int i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        bool has_letter = names == FIELD_LETTERS && row->letter != NULL;
        struct slice text =
            has_letter ? of_letter(&letters, row->letter) : header_ext(header, row->name);
        bool found = decode_value(row, text, (uint8_t *)into + row->at);
        if (!found && row->presence == FIELD_MANDATORY && first_missing == NULL)
            first_missing = has_letter ? row->letter : (const char *)row->name.data;
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
        bool has_letter = names == FIELD_LETTERS && row->letter != NULL;
        ext[used++] = (struct ext_field){ has_letter ? slice_str(row->letter) : row->name, value };
    }
    *count = used;
    return ext;
}
