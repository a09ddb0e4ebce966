/* Goal: a batch is walked within its bounds, and written the same. */
#include "fuzz.h"
#include "wire/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = { data, size };
    struct slice before = rest;
    struct batch_item item;
    int items = 0;
    while (batch_next(&rest, &item) == 0) {
        touch(item.body);
        touch(item.properties);
        struct buf again = BUF_INIT;
        batch_append(&again, &item);
        size_t bytes = before.len - rest.len;
        CHECK(again.len == bytes && get_be32(again.data) == bytes);
        CHECK(memcmp(again.data + 12, before.data + 12, bytes - 12) == 0);
        buf_fini(&again);
        before = rest;
        items++;
    }
    int count = 0;
    if (batch_count(slice_of(data, size), &count) == 0)
        CHECK(rest.len == 0 && count == items);
    return 0;
}
