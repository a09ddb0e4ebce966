/* Goal: the header's scanner agrees with the JSON library on what is JSON, and reads what it wrote.
 *
 * Left out of the comparison, as the scanner takes more (bytes that are not ASCII, control
 * characters, odd escapes, numbers out of range) or looks at types the library does not know of.
 */
#include <jansson.h>

#include "header_checks.h"

static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20 || text.data[i] >= 0x80 || text.data[i] == '\\')
            return false;
    return true;
}

static bool is_number_member(const json_t *object, const char *key)
{
    const json_t *json = json_object_get(object, key);
    if (json == NULL || json_is_null(json))
        return true;
    return json_is_integer(json) && json_integer_value(json) >= INT32_MIN &&
           json_integer_value(json) <= INT32_MAX;
}

/* Members of the types a header has; nothing nested, so that the depth is no matter. */
static bool is_header(const json_t *json)
{
    const json_t *ext = json_object_get(json, "extFields");
    const char *key;
    json_t *value;
    if (!json_is_object(json) || (ext != NULL && !json_is_object(ext)))
        return false;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
        if (json_is_array(value) || (json_is_object(value) && value != ext))
            return false;
    json_object_foreach((json_t *)(uintptr_t)ext, key, value)
        if (json_is_array(value) || json_is_object(value))
            return false;
    const json_t *language = json_object_get(json, "language");
    return is_number_member(json, "code") && is_number_member(json, "version") &&
           is_number_member(json, "opaque") && is_number_member(json, "flag") &&
           !json_is_boolean(language) && json_object_size(ext) <= HEADER_EXT_MAX;
}

/* The library keeps the last of members of one name, the scanner judges each. */
static bool has_duplicates(struct slice text)
{
    json_error_t error;
    json_t *json = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    bool duplicates = json == NULL;
    json_decref(json);
    return duplicates;
}

static void check_verdict(struct slice text, int err)
{
    json_error_t error;
    json_t *json = json_loadb((const char *)text.data, text.len, JSON_ALLOW_NUL, &error);
    if (json != NULL && is_header(json) && !has_duplicates(text))
        CHECK(err == 0);
    bool is_overflow = json == NULL && json_error_code(&error) == json_error_numeric_overflow;
    if (err == 0 && is_plain(text))
        CHECK(json != NULL || is_overflow);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct header header;
    arena_init(&arena);
    int err = header_decode(SERIALIZE_JSON, slice_of(data, size), &arena, &header);
    bool is_text = size > 0 && memchr(data, 0, size) == NULL; /* the library may stop at a NUL */
    if (is_text)
        check_verdict(slice_of(data, size), err);
    if (err == 0) {
        touch_header(&header);
        /* Text was made valid only where it was damaged, so what is written is read the same. */
        check_round_trip(SERIALIZE_JSON, &header, &arena);
    }
    arena_fini(&arena);
    return 0;
}
