/* req_pop.h - header fields of the pop family (200050 to 200056).
 *
 * Contract   that of fields.h.
 */
#ifndef WIRE_REQ_POP_H
#define WIRE_REQ_POP_H

#include "wire/fields.h"

/* Where a group that never popped a queue begins. */
enum pop_init_mode { POP_FROM_MIN = 0, POP_FROM_MAX = 1 };

struct pop_request {
    struct slice consumer_group;
    struct slice topic;
    int32_t queue_id; /* below zero: any */
    int32_t max_msg_nums;
    int64_t invisible_ms;
    int64_t poll_ms;   /* how long the request may be held */
    int64_t born_ms;   /* the client's clock; 0: now */
    int32_t init_mode; /* enum pop_init_mode */
    struct slice expression_type;
    struct slice expression;
    bool order;
    struct slice attempt_id;
};
extern const struct fields pop_request_fields;

struct pop_response {
    int64_t pop_time_ms;
    int64_t invisible_ms;
    int32_t revive_queue_id;
    int64_t rest_num; /* messages that could be popped next */
    struct slice start_offset_info;
    struct slice msg_offset_info;
    struct slice order_count_info;
};
extern const struct fields pop_response_fields;

/* ACK_MESSAGE and CHANGE_MESSAGE_INVISIBLETIME. */
struct pop_ack_request {
    struct slice consumer_group;
    struct slice topic; /* the retry topic when the message came from there */
    int32_t queue_id;
    struct slice extra_info; /* wire/pop_info.h */
    int64_t queue_offset;
    int64_t invisible_ms; /* CHANGE_MESSAGE_INVISIBLETIME only */
};
extern const struct fields pop_ack_request_fields;
extern const struct fields pop_change_request_fields;

struct pop_change_response {
    int64_t pop_time_ms;
    int64_t invisible_ms;
    int32_t revive_queue_id;
};
extern const struct fields pop_change_response_fields;

/* NOTIFICATION: is there something to pop? */
struct notification_request {
    struct slice consumer_group;
    struct slice topic;
    int32_t queue_id;
    int64_t poll_ms;
    int64_t born_ms;
    bool order;
    struct slice attempt_id;
};
extern const struct fields notification_request_fields;

struct notification_response {
    bool has_msg;
    bool polling_full;
};
extern const struct fields notification_response_fields;

struct polling_info_request {
    struct slice consumer_group;
    struct slice topic;
    int32_t queue_id;
};
extern const struct fields polling_info_request_fields;

struct polling_info_response {
    int32_t polling_num;
};
extern const struct fields polling_info_response_fields;

struct peek_request {
    struct slice topic;
    int32_t queue_id;
    int32_t max_msg_nums;
    struct slice consumer_group;
};
extern const struct fields peek_request_fields;

#endif
