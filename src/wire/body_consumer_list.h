/* body_consumer_list.h - GET_CONSUMER_LIST_BY_GROUP: {"consumerIdList":["..."]}.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_CONSUMER_LIST_H
#define WIRE_BODY_CONSUMER_LIST_H

#include "wire/body_data_version.h"

struct consumer_list {
    const struct slice *client_ids;
    int count;
};

MUST_CHECK int consumer_list_decode(struct slice body, struct arena *arena,
                                    struct consumer_list *list);
void consumer_list_encode(const struct consumer_list *list, struct buf *out);

#endif
