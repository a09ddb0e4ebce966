#include "wire/txn_op.h"

#include <assert.h>

void txn_op_append(struct buf *body, int64_t half_offset)
{
    assert(half_offset >= 0);
    buf_printf(body, "%lld,", (long long)half_offset);
}

bool txn_op_next(struct slice *rest, int64_t *half_offset)
{
    while (rest->len > 0) {
        const uint8_t *comma = memchr(rest->data, ',', rest->len);
        size_t len = comma == NULL ? rest->len : (size_t)(comma - rest->data);
        struct slice number = slice_of(rest->data, len);
        *rest = slice_from(*rest, comma == NULL ? len : len + 1);
        if (slice_to_i64(number, half_offset) && *half_offset >= 0)
            return true;
    }
    return false;
}
