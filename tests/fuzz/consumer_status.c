/* Goal: any answer of a client is read or refused, and what was read can be written. */
#include "fuzz.h"
#include "wire/body_consumer_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct consumer_status status;
    arena_init(&arena);
    if (consumer_status_decode(slice_of(data, size), &arena, &status) == 0) {
        struct buf text = BUF_INIT;
        status.client_id = SLICE("c");
        consumer_status_table_encode(&status, 1, &text);
        buf_fini(&text);
    }
    arena_fini(&arena);
    return 0;
}
