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
        struct slice number = slice_cut(rest, ',');
        if (slice_to_i64(number, half_offset) && *half_offset >= 0)
            return true;
    }
    return false;
}
