/* Goal: any answer to GET_SLOW_REQUESTS is read or refused, and what was read is written so that it
 * reads the same.
 */
#include "fuzz.h"
#include "wire/body_slow_requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct slow_requests body;
    struct slow_requests again;
    arena_init(&arena);
    if (slow_requests_decode(slice_of(data, size), &arena, &body) == 0) {
        struct buf text = BUF_INIT;
        struct buf text_again = BUF_INIT;
        slow_requests_encode(&body, &text);
        CHECK(slow_requests_decode(buf_slice(&text), &arena, &again) == 0);
        slow_requests_encode(&again, &text_again);
        CHECK(slice_eq(buf_slice(&text), buf_slice(&text_again)));
        buf_fini(&text);
        buf_fini(&text_again);
    }
    arena_fini(&arena);
    return 0;
}
