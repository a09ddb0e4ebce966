/* req_send.h - header fields of the send family: 10, 310, 320, 324, 325, 326 and 36.
 *
 * Contract   that of fields.h.
 */
#ifndef WIRE_REQ_SEND_H
#define WIRE_REQ_SEND_H

#include "wire/fields.h"

/* SEND_MESSAGE has long names (FIELD_LONG_NAMES), SEND_MESSAGE_V2 and SEND_BATCH_MESSAGE letters.
 * Some clients send batches as 310: `batch` tells, not the code. */
struct send_request {
    struct slice producer_group;
    struct slice topic;
    struct slice default_topic;
    int32_t default_topic_queue_nums;
    int32_t queue_id; /* negative: the broker chooses */
    int32_t sys_flag;
    int64_t born_timestamp;
    int32_t flag;
    struct slice properties;
    int32_t reconsume_times;
    bool unit_mode;
    int32_t max_reconsume_times; /* -1: absent */
    bool batch;
    struct slice broker_name;
};
extern const struct fields send_request_fields;

struct send_response {
    struct slice msg_id; /* of a batch: joined by commas */
    int32_t queue_id;
    int64_t queue_offset;
    struct slice transaction_id;
    struct slice batch_uniq_id;
    struct slice recall_handle;
    struct slice msg_region;
    struct slice trace_on; /* "true" or "false" */
};
extern const struct fields send_response_fields;

/* What goes with a send that was refused (13, 16, 17, 29). */
struct send_refused_response {
    struct slice msg_region;
    struct slice trace_on;
};
extern const struct fields send_refused_response_fields;

/* PUSH_REPLY_MESSAGE_TO_CLIENT, sent by the broker: the reply as it came, and where from. */
struct push_reply_request {
    struct slice producer_group;
    struct slice topic;
    struct slice default_topic;
    int32_t default_topic_queue_nums;
    int32_t queue_id;
    int32_t sys_flag;
    int64_t born_timestamp;
    int32_t flag;
    struct slice properties;
    int32_t reconsume_times;
    bool unit_mode;
    struct slice born_host;
    struct slice store_host;
    int64_t store_timestamp;
};
extern const struct fields push_reply_request_fields;

/* CONSUMER_SEND_MSG_BACK */
struct send_back_request {
    int64_t phy_offset;
    struct slice group;
    int32_t delay_level;
    bool unit_mode;
    int32_t max_reconsume_times; /* -1: absent */
};
extern const struct fields send_back_request_fields;

/* RECALL_MESSAGE */
struct recall_request {
    struct slice producer_group;
    struct slice topic;
    struct slice recall_handle; /* wire/recall_handle.h */
};
extern const struct fields recall_request_fields;

struct recall_response {
    struct slice msg_id; /* the UNIQ_KEY of the message that will not come */
    struct slice msg_region;
};
extern const struct fields recall_response_fields;

#endif
