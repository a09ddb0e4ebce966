/* req_pull.h - header fields of PULL_MESSAGE and LITE_PULL_MESSAGE.
 *
 * Contract   that of fields.h.
 */
#ifndef WIRE_REQ_PULL_H
#define WIRE_REQ_PULL_H

#include "wire/fields.h"

enum pull_sys_flag {
    PULL_COMMIT_OFFSET = 1,
    PULL_SUSPEND = 2,
    PULL_SUBSCRIPTION = 4, /* the request carries its subscription */
    PULL_CLASS_FILTER = 8,
    PULL_LITE = 16,
};

struct pull_request {
    struct slice consumer_group;
    struct slice topic;
    int32_t queue_id;
    int64_t queue_offset;
    int32_t max_msg_nums;
    int32_t sys_flag; /* enum pull_sys_flag */
    int64_t commit_offset;
    int64_t suspend_timeout_ms;
    int64_t sub_version;
    struct slice subscription;
    struct slice expression_type; /* absent: TAG */
};
extern const struct fields pull_request_fields;

/* Goes with 0, 19, 20 and 21. */
struct pull_response {
    int64_t suggest_which_broker_id;
    int64_t next_begin_offset;
    int64_t min_offset;
    int64_t max_offset;
    int32_t
        topic_sys_flag; /* this and the next: -1 when a peer leaves them out, never so from us */
    int32_t group_sys_flag;
};
extern const struct fields pull_response_fields;

enum pull_forbidden {
    PULL_FORBIDDEN_BROKER = 1,
    PULL_FORBIDDEN_GROUP = 2,
    PULL_FORBIDDEN_TOPIC = 3,
    PULL_FORBIDDEN_BROADCASTING = 4,
    PULL_FORBIDDEN_SUBSCRIPTION = 5,
};

/* Goes with 16. */
struct pull_forbidden_response {
    int32_t forbidden_type; /* enum pull_forbidden */
};
extern const struct fields pull_forbidden_response_fields;

#endif
