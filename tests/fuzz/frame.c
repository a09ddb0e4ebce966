/* Goal: lengths from outside never lead outside. */
#include "fuzz.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame;
    size_t need = 0;
    int err = frame_parse(slice_of(data, size), &frame, &need);
    if (err == ERR_INCOMPLETE)
        CHECK(need > size && need <= FRAME_MAX_BYTES);
    if (err != 0)
        return 0;
    CHECK(frame.bytes <= size);
    touch(frame.header);
    touch(frame.body);
    uint8_t prefix[FRAME_PREFIX_BYTES];
    frame_put_prefix(prefix, frame.type, frame.header.len, frame.body.len);
    CHECK(memcmp(prefix, data, sizeof prefix) == 0);
    return 0;
}
