/* Goal: any body of a batch ack is read or refused, and its bits are walked within their bytes.
 */
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
        touch(request.broker_name);
        for (int i = 0; i < request.count; i++) {
            touch(request.acks[i].group);
            touch(request.acks[i].topic);
            walk_bits(request.acks[i].bits);
        }
    }
    arena_fini(&arena);
    return 0;
}
