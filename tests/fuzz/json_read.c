/* Goal: the body reader takes at least what the JSON library takes, and gives the same value. */
#include "fuzz.h"
#include "wire/json.h"

static int depth_of(const json_t *json)
{
    int deepest = 0;
    const char *key;
    size_t i;
    json_t *value;
    if (json_is_object(json))
        json_object_foreach((json_t *)(uintptr_t)json, key, value)
            deepest = depth_of(value) > deepest ? depth_of(value) : deepest;
    json_array_foreach(json, i, value)
        deepest = depth_of(value) > deepest ? depth_of(value) : deepest;
    return deepest + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { DEPTH_COMPARED = 12 }; /* depth_of() is exponential in it */
    json_error_t error;
    json_t *ours = json_read(slice_of(data, size));
    json_t *theirs = json_loadb((const char *)data, size, JSON_DECODE_ANY, &error);
    bool is_text = size > 0 && memchr(data, 0, size) == NULL; /* the library may stop at a NUL */
    if (theirs != NULL && is_text && size < 1024 && depth_of(theirs) < DEPTH_COMPARED) {
        CHECK(ours != NULL);
        CHECK(json_equal(ours, theirs));
    }
    json_decref(ours);
    json_decref(theirs);
    return 0;
}
