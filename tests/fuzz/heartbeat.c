/* Goal: any heartbeat is read or refused, and what was read is written so that it reads the same.
 */
#include "fuzz.h"
#include "wire/body_heartbeat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct heartbeat hb;
    struct heartbeat again;
    arena_init(&arena);
    if (heartbeat_decode(slice_of(data, size), &arena, &hb) == 0) {
        struct buf text = BUF_INIT;
        struct buf text_again = BUF_INIT;
        heartbeat_encode(&hb, &text);
        CHECK(heartbeat_decode(buf_slice(&text), &arena, &again) == 0);
        heartbeat_encode(&again, &text_again);
        CHECK(slice_eq(buf_slice(&text), buf_slice(&text_again)));
        buf_fini(&text);
        buf_fini(&text_again);
    }
    arena_fini(&arena);
    return 0;
}
