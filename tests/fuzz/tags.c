/* Goal: any expression is parsed or refused; every tag in it matches its own hash. */
#include "fuzz.h"
#include "filter/tags.h"
#include "base/java_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct tag_filter filter;
    arena_init(&arena);
    if (tag_filter_parse(slice_of(data, size), &arena, &filter) == 0) {
        CHECK(!filter.all || filter.count == 0);
        for (int i = 0; i < filter.count; i++) {
            touch(filter.tags[i]);
            CHECK(filter.tags[i].len > 0);
            CHECK(tag_filter_matches(&filter, java_hash(filter.tags[i])));
        }
    }
    arena_fini(&arena);
    return 0;
}
