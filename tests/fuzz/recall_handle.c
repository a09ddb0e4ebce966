/* Goal: any text is a handle or refused; a handle's parts make the same handle again. */
#include "fuzz.h"
#include "wire/recall_handle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct recall_handle handle;
    struct recall_handle again;
    arena_init(&arena);
    if (recall_handle_decode(slice_of(data, size), &arena, &handle) == 0) {
        touch(handle.topic);
        touch(handle.uniq_key);
        struct slice text = recall_handle_encode(&handle, &arena);
        if (memchr(handle.topic.data, 0, handle.topic.len) == NULL &&
            memchr(handle.broker_name.data, 0, handle.broker_name.len) == NULL &&
            memchr(handle.deliver_ms.data, 0, handle.deliver_ms.len) == NULL &&
            memchr(handle.uniq_key.data, 0, handle.uniq_key.len) == NULL) {
            CHECK(recall_handle_decode(text, &arena, &again) == 0);
            CHECK(slice_eq(again.uniq_key, handle.uniq_key));
        }
    }
    arena_fini(&arena);
    return 0;
}
