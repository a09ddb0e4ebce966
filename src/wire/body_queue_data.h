/* body_queue_data.h - QUERY_CONSUME_QUEUE: entries of a consume queue as they stand, beside what a
 * group subscribes to.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_QUEUE_DATA_H
#define WIRE_BODY_QUEUE_DATA_H

#include "wire/body_subscription.h"

struct queue_data_entry {
    int64_t phy_offset;
    int32_t bytes;
    int64_t tags_code;
};

struct queue_data {
    int64_t min_index;
    int64_t max_index;
    const struct queue_data_entry *entries;
    int count;
    const struct subscription *subscription; /* NULL: none */
    struct slice filter_data;                /* of the group's SQL filter; data NULL: not asked */
};
void queue_data_encode(const struct queue_data *data, struct buf *out);

#endif
