/* txn_op.h - the body of an op record: the queue offsets of half messages that have ended, in
 * decimal. A comma stands behind each, "12,15,"; brokers before 5.x wrote one number without.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_TXN_OP_H
#define WIRE_TXN_OP_H

#include "base/bytes.h"

void txn_op_append(struct buf *body, int64_t half_offset);

/* Cuts the next offset off *rest, which starts as the whole body; what is no offset is skipped.
 * False at the end. */
bool txn_op_next(struct slice *rest, int64_t *half_offset);

#endif
