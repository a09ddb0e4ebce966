/* Goal: any text is a receipt handle or none; what was read is written so that it reads the same.
 */
#include "fuzz.h"
#include "wire/pop_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct receipt_handle handle;
    struct receipt_handle again;
    const char *why = NULL;
    if (receipt_handle_parse(slice_of(data, size), &handle, &why) != 0) {
        CHECK(why != NULL);
        return 0;
    }
    touch(handle.broker_name);
    if (handle.queue_id < 0)
        return 0;
    struct buf text = BUF_INIT;
    receipt_handle_text(&handle, &text);
    CHECK(receipt_handle_parse(buf_slice(&text), &again, &why) == 0);
    CHECK(again.start_offset == handle.start_offset && again.pop_time_ms == handle.pop_time_ms);
    CHECK(again.revive_queue_id == handle.revive_queue_id && again.origin == handle.origin);
    CHECK(again.queue_id == handle.queue_id && again.queue_offset == handle.queue_offset);
    CHECK(slice_eq(again.broker_name, handle.broker_name));
    buf_fini(&text);
    return 0;
}
