/* Goal: a record is read within its bounds; what is a record with its right CRC is written the
 * same. */
#include "base/memory.h"
#include "fuzz.h"
#include "wire/record.h"

static void touch_record(const struct record *r)
{
    touch(r->body);
    touch(r->topic);
    touch(r->properties);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record r;
    int err = record_decode(slice_of(data, size), RECORD_CHECK_LENGTHS, &r);
    if (err == ERR_NOT_FOUND)
        CHECK(r.total_bytes >= RECORD_BLANK_BYTES);
    if (err != 0)
        return 0;
    CHECK((size_t)r.total_bytes <= size);
    touch_record(&r);
    CHECK(record_store_timestamp(data) == r.store_timestamp);
    bool is_ours = (r.magic == RECORD_MAGIC_V2) == (r.topic.len > 127);
    if (is_ours && r.body.len > 0 &&
        record_decode(slice_of(data, size), RECORD_CHECK_BODY_CRC, &r) == 0) {
        CHECK(record_bytes(&r) == (size_t)r.total_bytes);
        uint8_t *copy = memory_take((size_t)r.total_bytes);
        record_encode(&r, copy);
        CHECK(memcmp(copy, data, (size_t)r.total_bytes) == 0);
        free(copy);
    }
    return 0;
}
