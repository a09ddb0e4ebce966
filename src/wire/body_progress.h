/* body_progress.h - how far consumers are, beyond one group's figures (body_stats.h):
 * QUERY_CONSUME_TIME_SPAN, GET_BROKER_CONSUME_STATS, QUERY_CORRECTION_OFFSET, and the tables of
 * offsets that a reset sends and answers.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_PROGRESS_H
#define WIRE_BODY_PROGRESS_H

#include "wire/body_stats.h"

/* A moment as the reference tells it: milliseconds, and the same as a text of local time. */
struct told_time {
    int64_t ms; /* -1: none */
    struct slice text;
};

struct queue_time_span {
    struct message_queue queue;
    struct told_time oldest;   /* store time of the first message */
    struct told_time newest;   /* of the last */
    struct told_time consumed; /* of the last that was consumed */
    int64_t delay_ms;          /* age of the first one not consumed; 0: all are */
};
void time_spans_encode(const struct queue_time_span *spans, int count, struct buf *out);

/* Every group with its topics' progress. */
struct group_progress {
    struct slice group;
    struct consume_stats *topics;
    int topic_count;
};
struct broker_progress {
    struct slice broker_addr;
    struct group_progress *groups;
    int group_count;
    int64_t total_diff;          /* messages not consumed */
    int64_t total_inflight_diff; /* messages pulled, not consumed */
};
void broker_progress_encode(const struct broker_progress *progress, struct buf *out);

/* The offset of a queue; of one topic and broker where only the id is sent. */
struct queue_offset {
    struct message_queue queue;
    int64_t queue_offset;
};
/* {"correctionOffsets":{0:12}} */
void correction_offsets_encode(const struct queue_offset *offsets, int count, struct buf *out);
/* {"offsetTable":{{"brokerName":..}:12}} */
void queue_offsets_encode(const struct queue_offset *offsets, int count, struct buf *out);
/* The map alone. */
void queue_offsets_to_json(const struct queue_offset *offsets, int count, struct json_out *j);
/* The same for clients in C++: {"offsetTable":[{"brokerName":..,"offset":12,..}]} */
void queue_offset_list_encode(const struct queue_offset *offsets, int count, struct buf *out);

#endif
