/* Goal: a batch is walked within its bounds, and its items fill it. */
#include "fuzz.h"
#include "wire/batch.h"

enum { FIXED_BYTES = 22 }; /* of an item without body and properties */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = { data, size };
    struct slice before = rest;
    struct batch_item item;
    int items = 0;
    while (batch_next(&rest, &item) == 0) {
        touch(item.body);
        touch(item.properties);
        CHECK(before.len - rest.len == FIXED_BYTES + item.body.len + item.properties.len);
        before = rest;
        items++;
    }
    int count = 0;
    if (batch_count(slice_of(data, size), &count) == 0)
        CHECK(rest.len == 0 && count == items);
    return 0;
}
