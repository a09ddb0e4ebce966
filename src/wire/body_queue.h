/* body_queue.h - the name of a queue in bodies: {"brokerName":"bk-a","queueId":0,"topic":"t"}, also
 * as the key of a map.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_QUEUE_H
#define WIRE_BODY_QUEUE_H

#include "wire/body_data_version.h"

struct message_queue {
    struct slice topic;
    struct slice broker_name;
    int32_t queue_id;
};

/* ERR_CORRUPT: not an object. */
MUST_CHECK int message_queue_from_json(const json_t *json, struct arena *arena,
                                       struct message_queue *mq);
void message_queue_to_json(const struct message_queue *mq, struct json_out *j);
/* As the key of a map; the value must follow. */
void message_queue_to_json_key(const struct message_queue *mq, struct json_out *j);

#endif
