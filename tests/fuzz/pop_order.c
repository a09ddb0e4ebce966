/* Goal: any consumerOrderInfo.json is taken or refused, and what was taken is written so that it
 * reads the same. */
#include "delivery/pop_order_internal.h"
#include "fuzz.h"

/* False: no memory. */
static bool write_from(struct slice in, struct buf *text)
{
    struct pop_order *order;
    if (pop_order_new(&order) != 0)
        return false;
    if (order_take_text(order, in))
        pop_order_text(order, 0, text);
    pop_order_free(order);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = BUF_INIT;
    struct buf again = BUF_INIT;
    bool has_memory = write_from(slice_of(data, size), &text);
    if (has_memory && text.len > 0) {
        has_memory = write_from(buf_slice(&text), &again);
        CHECK(!has_memory || slice_eq(buf_slice(&text), buf_slice(&again)));
    }
    buf_fini(&text);
    buf_fini(&again);
    return 0;
}
