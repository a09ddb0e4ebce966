/* body_lock.h - LOCK_BATCH_MQ and UNLOCK_BATCH_MQ: queues a client wants for itself.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_LOCK_H
#define WIRE_BODY_LOCK_H

#include "wire/body_queue.h"

struct lock_request {
    struct slice consumer_group;
    struct slice client_id;
    const struct message_queue *queues;
    int queue_count;
};

/* More is ERR_CORRUPT, as what is no such body: the decoding happens on a loop. */
enum { LOCK_QUEUES_MAX = 16384 };

MUST_CHECK int lock_request_decode(struct slice body, struct arena *arena,
                                   struct lock_request *request);

/* The answer of LOCK_BATCH_MQ: the queues that are the client's now. */
struct lock_response {
    const struct message_queue *queues;
    int queue_count;
};
void lock_response_encode(const struct lock_response *response, struct buf *out);

#endif
