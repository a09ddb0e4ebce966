/* Goal: any body of a batch ack is read or refused, its bits are walked within their bytes, and
 * what was read is written so that it reads the same. */
#include "fuzz.h"
#include "wire/body_batch_ack.h"

static void walk_bits(struct slice bits)
{
    for (int64_t i = batch_ack_next_bit(bits, 0); i >= 0; i = batch_ack_next_bit(bits, i + 1))
        CHECK((uint64_t)i < bits.len * 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct batch_ack_request request;
    arena_init(&arena);
    if (batch_ack_request_decode(slice_of(data, size), &arena, &request) == 0) {
        struct buf text = BUF_INIT;
        struct buf again = BUF_INIT;
        for (int i = 0; i < request.count; i++)
            walk_bits(request.acks[i].bits);
        batch_ack_request_encode(&request, &text);
        CHECK(batch_ack_request_decode(buf_slice(&text), &arena, &request) == 0);
        batch_ack_request_encode(&request, &again);
        CHECK(slice_eq(buf_slice(&text), buf_slice(&again)));
        buf_fini(&text);
        buf_fini(&again);
    }
    arena_fini(&arena);
    return 0;
}
