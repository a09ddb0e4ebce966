/* body_consumer_status.h - where consumers are by their own account: what a client answers to
 * GET_CONSUMER_STATUS_FROM_CLIENT, and what the broker makes of several such answers.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_CONSUMER_STATUS_H
#define WIRE_BODY_CONSUMER_STATUS_H

#include "wire/body_progress.h"

/* One client's queues. */
struct consumer_status {
    struct slice client_id;
    const struct queue_offset *queues;
    int queue_count;
};

/* {"messageQueueTable":{{queue}:12}}; client_id is left alone. Keys and values of another kind are
 * skipped. */
MUST_CHECK int consumer_status_decode(struct slice body, struct arena *arena,
                                      struct consumer_status *status);

/* {"consumerTable":{"client":{{queue}:12}},"messageQueueTable":{}} */
void consumer_status_table_encode(const struct consumer_status *clients, int count,
                                  struct buf *out);

#endif
