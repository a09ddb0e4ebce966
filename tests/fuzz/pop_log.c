/* Goal: any body of the revive log is read or refused, and what was read is written so that it
 * reads the same. */
#include "fuzz.h"
#include "wire/body_pop_log.h"

static void checkpoint(struct slice in, struct arena *arena)
{
    struct pop_checkpoint read;
    if (pop_checkpoint_decode(in, arena, &read) != 0)
        return;
    struct buf text = BUF_INIT;
    struct buf again = BUF_INIT;
    pop_checkpoint_encode(&read, &text);
    CHECK(pop_checkpoint_decode(buf_slice(&text), arena, &read) == 0);
    pop_checkpoint_encode(&read, &again);
    CHECK(slice_eq(buf_slice(&text), buf_slice(&again)));
    buf_fini(&text);
    buf_fini(&again);
}

static void ack(struct slice in, bool is_batch, struct arena *arena)
{
    struct pop_log_ack read;
    if (pop_log_ack_decode(in, is_batch, arena, &read) != 0)
        return;
    struct buf text = BUF_INIT;
    struct buf again = BUF_INIT;
    pop_log_ack_encode(&read, &text);
    CHECK(pop_log_ack_decode(buf_slice(&text), is_batch, arena, &read) == 0);
    pop_log_ack_encode(&read, &again);
    CHECK(slice_eq(buf_slice(&text), buf_slice(&again)));
    buf_fini(&text);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena);
    checkpoint(slice_of(data, size), &arena);
    ack(slice_of(data, size), false, &arena);
    ack(slice_of(data, size), true, &arena);
    arena_fini(&arena);
    return 0;
}
