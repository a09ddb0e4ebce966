#include "wire/fields.h"
#include "wire/header_internal.h"

#include <assert.h>

/* Which of a header's fields has the name of one letter, counted from 1; 0: none has. */
enum { LETTERS = 'z' - 'a' + 1 };
struct letter_places {
    uint16_t of[LETTERS];
};
static_assert(HEADER_EXT_MAX <= UINT16_MAX, "a place has 16 bits");

static void find_letters(const struct header *header, struct letter_places *places)
{
    memset(places, 0, sizeof *places);
    for (int i = 0; i < header->ext_count; i++) { /* the later one when a key stands twice */
        struct slice key = header->ext[i].key;
        if (key.len == 1 && key.data[0] >= 'a' && key.data[0] <= 'z')
            places->of[key.data[0] - 'a'] = (uint16_t)(i + 1);
    }
}

static struct slice of_letter(const struct header *header, const struct letter_places *places,
                              const char *letter)
{
    assert(letter[0] >= 'a' && letter[0] <= 'z' && letter[1] == 0);
    int place = places->of[letter[0] - 'a'];
    return place == 0 ? slice_of(NULL, 0) : header->ext[place - 1].value;
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
    struct letter_places letters;
    if (names == FIELD_LETTERS)
        find_letters(header, &letters);
    memset(into, 0, fields->bytes);
    for (int i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        bool has_letter = names == FIELD_LETTERS && row->letter != NULL;
        struct slice text =
            has_letter ? of_letter(header, &letters, row->letter) : header_ext(header, row->name);
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

uint8_t *number_put(uint8_t *out, int64_t number)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    uint8_t digits[NUMBER_TEXT_MAX];
    uint8_t *end = digits + sizeof digits;
    uint8_t *at = end;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    if (number < 0)
        *out++ = '-';
    for (; rest >= 10; rest /= 100)
        memcpy(at -= 2, pairs + rest % 100 * 2, 2);
    if (rest > 0 || at == end)
        *--at = (uint8_t)('0' + rest);
    memcpy(out, at, (size_t)(end - at));
    return out + (end - at);
}

enum value_kind field_value(const struct field *row, const void *from, struct slice *text,
                            int64_t *number)
{
    const uint8_t *member = (const uint8_t *)from + row->at;
    int32_t i32;
    bool truth;
    switch (row->type) {
    case FIELD_STRING:
        memcpy(text, member, sizeof *text);
        return text->data == NULL ? VALUE_NONE : VALUE_TEXT;
    case FIELD_I32:
        memcpy(&i32, member, sizeof i32);
        *number = i32;
        break;
    case FIELD_I64:
        memcpy(number, member, sizeof *number);
        break;
    case FIELD_BOOL:
        memcpy(&truth, member, sizeof truth);
        *number = truth;
        break;
    }
    if (row->presence == FIELD_OPTIONAL && *number == row->fallback)
        return VALUE_NONE;
    if (row->type != FIELD_BOOL)
        return VALUE_NUMBER;
    *text = *number != 0 ? SLICE("true") : SLICE("false");
    return VALUE_TEXT;
}

static struct slice number_text(int64_t number, struct arena *arena)
{
    uint8_t *text = arena_alloc(arena, NUMBER_TEXT_MAX);
    return slice_of(text, (size_t)(number_put(text, number) - text));
}

const struct ext_field *fields_encode(const struct fields *fields, enum field_names names,
                                      const void *from, struct arena *arena, int *count)
{
    assert(fields->count <= HEADER_EXT_MAX);
    struct ext_field *ext = arena_alloc(arena, (size_t)fields->count * sizeof *ext);
    int used = 0;
    for (int i = 0; i < fields->count; i++) {
        const struct field *row = &fields->rows[i];
        struct slice value;
        int64_t number = 0;
        enum value_kind kind = field_value(row, from, &value, &number);
        if (kind == VALUE_NONE)
            continue;
        if (kind == VALUE_NUMBER)
            value = number_text(number, arena);
        bool has_letter = names == FIELD_LETTERS && row->letter != NULL;
        ext[used++] = (struct ext_field){ has_letter ? slice_str(row->letter) : row->name, value };
    }
    *count = used;
    return ext;
}
