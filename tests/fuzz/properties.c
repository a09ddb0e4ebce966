/* Goal: any text can be walked and edited; a change is there afterwards and nothing else moved. */
#include "fuzz.h"
#include "wire/properties.h"

static size_t count_others(struct slice text, struct slice not_this)
{
    struct slice name;
    struct slice value;
    size_t count = 0;
    while (property_next(&text, &name, &value)) {
        CHECK(name.len > 0 && value.len > 0);
        touch(name);
        touch(value);
        count += slice_eq(name, not_this) ? 0 : 1;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = { data, size };
    struct slice keys = SLICE(PROPERTY_KEYS);
    struct property_change set = { keys, SLICE("k") };
    struct property_change remove = { keys, { NULL, 0 } };
    struct arena arena;
    arena_init(&arena);
    size_t others = count_others(text, keys);
    struct slice edited = properties_edit(text, &set, 1, &arena);
    CHECK(slice_eq(property_get(edited, keys), SLICE("k")));
    CHECK(count_others(edited, keys) == others);
    edited = properties_edit(edited, &remove, 1, &arena);
    CHECK(property_get(edited, keys).data == NULL);
    CHECK(count_others(edited, keys) == others);
    arena_fini(&arena);
    return 0;
}
