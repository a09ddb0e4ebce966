/* Goal: any list of queues to lock is read or refused. */
#include "fuzz.h"
#include "wire/body_lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct lock_request request;
    arena_init(&arena);
    if (lock_request_decode(slice_of(data, size), &arena, &request) == 0) {
        touch(request.consumer_group);
        touch(request.client_id);
        for (int i = 0; i < request.queue_count; i++) {
            touch(request.queues[i].topic);
            touch(request.queues[i].broker_name);
        }
    }
    arena_fini(&arena);
    return 0;
}
