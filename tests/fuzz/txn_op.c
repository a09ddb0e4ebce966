/* Goal: any op body is read to its end; what was read makes a body that gives the same. */
#include "fuzz.h"
#include "wire/txn_op.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf again = BUF_INIT;
    struct slice rest = slice_of(data, size);
    int64_t half;
    while (txn_op_next(&rest, &half))
        txn_op_append(&again, half);
    struct slice first = slice_of(data, size);
    struct slice second = buf_slice(&again);
    int64_t from_first, from_second;
    while (txn_op_next(&first, &from_first))
        CHECK(txn_op_next(&second, &from_second) && from_first == from_second);
    CHECK(!txn_op_next(&second, &from_second));
    buf_fini(&again);
    return 0;
}
