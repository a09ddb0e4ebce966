/* body_assignment.h - which queues a consumer reads, told by a broker (QUERY_ASSIGNMENT), and how a
 * group reads a topic (SET_MESSAGE_REQUEST_MODE and the table messageRequestMode.json).
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_ASSIGNMENT_H
#define WIRE_BODY_ASSIGNMENT_H

#include "wire/body_heartbeat.h"
#include "wire/body_queue.h"

enum request_mode { REQUEST_MODE_NONE, REQUEST_MODE_PULL, REQUEST_MODE_POP };

struct assignment_request {
    struct slice topic;
    struct slice consumer_group;
    struct slice client_id;
    struct slice strategy_name;
    enum message_model message_model;
};
/* ERR_CORRUPT: not an object. */
MUST_CHECK int assignment_request_decode(struct slice body, struct arena *arena,
                                         struct assignment_request *request);

/* The answer: `mode` for each queue. is_null: nothing can be said, the client keeps what it has. */
void assignment_response_encode(const struct message_queue *queues, int count, bool is_null,
                                enum request_mode mode, struct buf *out);

struct request_mode_setting {
    struct slice topic;
    struct slice consumer_group;
    enum request_mode mode;
    int32_t pop_share_queue_num;
};
MUST_CHECK int request_mode_setting_decode(struct slice body, struct arena *arena,
                                           struct request_mode_setting *setting);

struct request_mode_table {
    const struct request_mode_setting *settings; /* those of a topic stand together */
    int count;
};
MUST_CHECK int request_mode_table_decode(struct slice text, struct arena *arena,
                                         struct request_mode_table *table);
void request_mode_table_encode(const struct request_mode_table *table, struct buf *out);

#endif
