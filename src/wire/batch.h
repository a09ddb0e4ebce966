/* batch.h - the body of a batch send: a run of small messages of one topic.
 *
 *   0       4       8      12      16        20      20+n     22+n
 *   | total | magic | crc  | flag  | bodyLen | body  | propsLen i16 | properties |
 *
 * total counts the whole item, itself included; magic and crc are 0 and not looked at.
 *
 * Ownership  what is decoded borrows from the body.
 * Threads    any: no state.
 */
#ifndef WIRE_BATCH_H
#define WIRE_BATCH_H

#include "base/bytes.h"

struct batch_item {
    int32_t flag;
    struct slice body; /* borrowed */
    struct slice properties;
};

/* Takes the first item off *rest. 0; ERR_CORRUPT: no item stands there, *rest is unchanged. */
MUST_CHECK int batch_next(struct slice *rest, struct batch_item *item);

/* Walks all items. ERR_CORRUPT: empty, or one of them is malformed. */
MUST_CHECK int batch_count(struct slice body, int *count);

#endif
