/* req_admin.h - header fields of broker administration. 18, 25 and 200 have bodies only. */
#ifndef WIRE_REQ_ADMIN_H
#define WIRE_REQ_ADMIN_H

#include "wire/fields.h"

/* UPDATE_AND_CREATE_TOPIC */
struct create_topic_request {
    struct slice topic;
    struct slice default_topic;
    int32_t read_queue_nums;
    int32_t write_queue_nums;
    int32_t perm;
    struct slice topic_filter_type;
    int32_t topic_sys_flag;
    bool order;
    struct slice attributes; /* "+name=value,-name" */
    bool force;
};
extern const struct fields create_topic_request_fields;

/* GET_ALL_TOPIC_CONFIG; paging fields are optional: old peers send none. */
struct all_topics_request {
    int32_t topic_seq;         /* -1: absent */
    struct slice data_version; /* JSON */
    int32_t max_topic_num;     /* -1: absent, all are wanted */
};
extern const struct fields all_topics_request_fields;

struct all_topics_response {
    int32_t total_topic_num; /* -1: absent, the answer holds all */
};
extern const struct fields all_topics_response_fields;

/* GET_BROKER_CONFIG */
struct get_config_response {
    struct slice version; /* data version as JSON */
};
extern const struct fields get_config_response_fields;

/* GET_ALL_SUBSCRIPTIONGROUP_CONFIG */
struct all_groups_request {
    int32_t group_seq; /* -1: absent */
    struct slice data_version;
    int32_t max_group_num; /* -1: absent */
};
extern const struct fields all_groups_request_fields;

struct all_groups_response {
    int32_t total_group_num; /* -1: absent, the answer holds all */
};
extern const struct fields all_groups_response_fields;

/* GET_TOPIC_STATS_INFO, DELETE_TOPIC_IN_BROKER, GET_TOPIC_CONFIG */
struct topic_request {
    struct slice topic;
};
extern const struct fields topic_request_fields;

/* GET_CONSUMER_CONNECTION_LIST */
struct consumer_connection_request {
    struct slice consumer_group;
};
extern const struct fields consumer_connection_request_fields;

/* GET_PRODUCER_CONNECTION_LIST */
struct producer_connection_request {
    struct slice producer_group;
};
extern const struct fields producer_connection_request_fields;

/* DELETE_SUBSCRIPTIONGROUP */
struct delete_group_request {
    struct slice group_name;
    bool clean_offset;
};
extern const struct fields delete_group_request_fields;

/* GET_CONSUME_STATS */
struct consume_stats_request {
    struct slice consumer_group;
    struct slice topic;      /* absent: all topics of the group */
    struct slice topic_list; /* joined by ';' */
};
extern const struct fields consume_stats_request_fields;

/* GET_SUBSCRIPTIONGROUP_CONFIG */
struct group_request {
    struct slice group;
};
extern const struct fields group_request_fields;

#endif
