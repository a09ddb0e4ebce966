/* Goal: any list of queues to lock is read or refused, and what was read is written so that it
 * reads the same. */
#include "fuzz.h"
#include "wire/body_lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct lock_request request, again;
    arena_init(&arena);
    if (lock_request_decode(slice_of(data, size), &arena, &request) == 0) {
        struct buf text = BUF_INIT;
        touch(request.consumer_group);
        touch(request.client_id);
        lock_request_encode(&request, &text);
        CHECK(lock_request_decode(buf_slice(&text), &arena, &again) == 0);
        CHECK(again.queue_count == request.queue_count);
        for (int i = 0; i < request.queue_count; i++)
            CHECK(again.queues[i].queue_id == request.queues[i].queue_id &&
                  slice_eq(again.queues[i].topic, request.queues[i].topic) &&
                  slice_eq(again.queues[i].broker_name, request.queues[i].broker_name));
        buf_fini(&text);
    }
    arena_fini(&arena);
    return 0;
}
