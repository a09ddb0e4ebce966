/* body_pop_log.h - the bodies of the revive log: what was popped (checkpoints) and what of it was
 * acknowledged. docs/format/pop.md.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_POP_LOG_H
#define WIRE_BODY_POP_LOG_H

#include "wire/json.h"

enum { POP_CHECKPOINT_MESSAGES_MAX = 32 };

#define POP_TAG_CHECKPOINT "ck"
#define POP_TAG_ACK "ack"
#define POP_TAG_BATCH_ACK "bAck"

/* One pop of messages of one queue. */
struct pop_checkpoint {
    struct slice topic;
    struct slice group;
    struct slice broker_name;
    int32_t queue_id;
    int64_t start_offset;
    int64_t pop_time_ms;
    int64_t invisible_ms;
    uint32_t acked_bits;
    int count;
    int32_t distances[POP_CHECKPOINT_MESSAGES_MAX]; /* of each message from start_offset */
    int32_t put_again_times;
};

/* ERR_CORRUPT: no JSON, no topic or group, or more messages than a checkpoint has. Texts are in the
 * arena. */
MUST_CHECK int pop_checkpoint_decode(struct slice body, struct arena *arena,
                                     struct pop_checkpoint *checkpoint);
void pop_checkpoint_encode(const struct pop_checkpoint *checkpoint, struct buf *out);

/* Acknowledged messages of one checkpoint. */
struct pop_log_ack {
    struct slice topic;
    struct slice group;
    struct slice broker_name; /* data NULL: not named */
    int32_t queue_id;
    int64_t start_offset;
    int64_t pop_time_ms;
    const int64_t *queue_offsets;
    int count;
    bool is_batch; /* POP_TAG_BATCH_ACK; else it has one offset */
};

MUST_CHECK int pop_log_ack_decode(struct slice body, bool is_batch, struct arena *arena,
                                  struct pop_log_ack *ack);
void pop_log_ack_encode(const struct pop_log_ack *ack, struct buf *out);

#endif
