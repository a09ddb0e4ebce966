/* Goal: a binary header is read within its bounds, and what was read is written the same. */
#include "header_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct header header;
    arena_init(&arena);
    if (header_decode(SERIALIZE_BINARY, slice_of(data, size), &arena, &header) == 0) {
        touch_header(&header);
        check_round_trip(SERIALIZE_BINARY, &header, &arena);
    }
    arena_fini(&arena);
    return 0;
}
