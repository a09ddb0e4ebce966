/* req_offset.h - header fields of consumer offsets (14, 15) and of a queue's own (29 to 32).
 *
 * Contract   that of fields.h.
 */
#ifndef WIRE_REQ_OFFSET_H
#define WIRE_REQ_OFFSET_H

#include "wire/fields.h"

struct query_consumer_offset_request {
    struct slice consumer_group;
    struct slice topic;
    int32_t queue_id;
    bool set_zero_if_not_found; /* absent: true */
};
extern const struct fields query_consumer_offset_request_fields;

/* A missing queue id or offset is told apart (it has an answer of its own): QUEUE_ID_ABSENT,
 * OFFSET_ABSENT. */
struct update_consumer_offset_request {
    struct slice consumer_group;
    struct slice topic;
    int32_t queue_id;
    int64_t commit_offset;
};
extern const struct fields update_consumer_offset_request_fields;
#define QUEUE_ID_ABSENT INT32_MIN
#define OFFSET_ABSENT INT64_MIN

/* SEARCH_OFFSET_BY_TIMESTAMP */
struct search_offset_request {
    struct slice topic;
    int32_t queue_id;
    int64_t timestamp;
    struct slice boundary_type; /* "lower", "upper"; absent: lower */
};
extern const struct fields search_offset_request_fields;

/* GET_MAX_OFFSET, GET_MIN_OFFSET, GET_EARLIEST_MSG_STORETIME */
struct queue_request {
    struct slice topic;
    int32_t queue_id;
};
extern const struct fields queue_request_fields;

/* Answer of 14, 29, 30, 31. */
struct offset_response {
    int64_t offset;
};
extern const struct fields offset_response_fields;

/* Answer of 32. */
struct earliest_store_time_response {
    int64_t timestamp; /* -1: none */
};
extern const struct fields earliest_store_time_response_fields;

#endif
