#include "wire/pairs.h"

const struct pair *pairs_from_json(json_t *json, struct arena *arena, int *count)
{
    *count = 0;
    if (!json_is_object(json))
        return NULL;
    struct pair *pairs = json_alloc_elements(json, sizeof *pairs, arena);
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) {
        if (!json_is_string(value))
            continue;
        pairs[(*count)++] =
            (struct pair){ arena_copy(arena, slice_str(key)), json_text_in(value, arena) };
    }
    return pairs;
}

void pairs_to_json(const struct pair *pairs, int count, struct json_out *j)
{
    json_object_begin(j);
    for (int i = 0; i < count; i++) {
        json_key(j, pairs[i].key);
        json_str(j, pairs[i].value);
    }
    json_object_end(j);
}
