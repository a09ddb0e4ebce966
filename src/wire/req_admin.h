/* req_admin.h - header fields of broker administration. 18, 25 and 200 have bodies only.
 *
 * Contract   that of fields.h.
 */
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
};
extern const struct fields create_topic_request_fields;

/* SET_COMMITLOG_READ_MODE */
struct read_mode_request {
    struct slice mode;
};
extern const struct fields read_mode_request_fields;

/* GET_BROKER_CONFIG */
struct get_config_response {
    struct slice version; /* data version as JSON */
};
extern const struct fields get_config_response_fields;

/* GET_TOPIC_STATS_INFO, DELETE_TOPIC_IN_BROKER, GET_TOPIC_CONFIG, QUERY_TOPIC_CONSUME_BY_WHO */
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

/* GET_SUBSCRIPTIONGROUP_CONFIG, QUERY_TOPICS_BY_CONSUMER */
struct group_request {
    struct slice group;
};
extern const struct fields group_request_fields;

/* QUERY_CONSUME_TIME_SPAN, QUERY_SUBSCRIPTION_BY_CONSUMER */
struct topic_group_request {
    struct slice topic;
    struct slice group;
};
extern const struct fields topic_group_request_fields;

/* QUERY_CORRECTION_OFFSET */
struct correction_offset_request {
    struct slice topic;
    struct slice compare_group;
    struct slice filter_groups; /* joined by ','; absent: none */
};
extern const struct fields correction_offset_request_fields;

/* CLONE_GROUP_OFFSET */
struct clone_group_offset_request {
    struct slice src_group;
    struct slice dest_group;
    struct slice topic; /* absent: all topics of the source */
    bool offline;       /* also what the source does not subscribe to */
};
extern const struct fields clone_group_offset_request_fields;

/* GET_BROKER_CONSUME_STATS */
struct broker_consume_stats_request {
    bool is_order; /* only topics that are consumed in order */
};
extern const struct fields broker_consume_stats_request_fields;

/* QUERY_CONSUME_QUEUE */
struct query_consume_queue_request {
    struct slice topic;
    int32_t queue_id;
    int64_t index;
    int32_t count;
    struct slice consumer_group; /* absent: its subscription is not asked for */
};
extern const struct fields query_consume_queue_request_fields;

/* UPDATE_AND_GET_GROUP_FORBIDDEN */
struct group_forbidden_request {
    struct slice group;
    struct slice topic;
    struct slice readable; /* absent: only asked for */
};
extern const struct fields group_forbidden_request_fields;

/* INVOKE_BROKER_TO_RESET_OFFSET; as it goes to clients (RESET_CONSUMER_CLIENT_OFFSET) queueId and
 * isForce are always there. */
struct reset_offset_request {
    struct slice group;
    struct slice topic;
    int32_t queue_id;  /* negative: all */
    int64_t offset;    /* -1: by time */
    int64_t timestamp; /* ms; negative: the end of the queue */
    bool is_force;     /* also forwards */
};
extern const struct fields reset_offset_request_fields;
extern const struct fields reset_consumer_offset_fields;

/* INVOKE_BROKER_TO_GET_CONSUMER_STATUS and GET_CONSUMER_STATUS_FROM_CLIENT */
struct consumer_status_request {
    struct slice topic;
    struct slice group;
    struct slice client_addr; /* a client id; absent: every client */
};
extern const struct fields consumer_status_request_fields;

/* GET_CONSUMER_RUNNING_INFO; what else is in the header goes to the client as it came */
struct consumer_running_info_request {
    struct slice consumer_group;
    struct slice client_id;
};
extern const struct fields consumer_running_info_request_fields;

/* CONSUME_MESSAGE_DIRECTLY */
struct consume_directly_request {
    struct slice consumer_group;
    struct slice client_id;
    struct slice msg_id;
    struct slice topic;
};
extern const struct fields consume_directly_request_fields;

/* VIEW_BROKER_STATS_DATA */
struct broker_stats_request {
    struct slice stats_name;
    struct slice stats_key;
};
extern const struct fields broker_stats_request_fields;

/* EXCHANGE_BROKER_HA_INFO, both ways */
struct exchange_ha_info {
    struct slice master_ha_address; /* absent in a request: asked for */
    int64_t master_flush_offset;
    struct slice master_address;
};
extern const struct fields exchange_ha_info_fields;

/* NOTIFY_MIN_BROKER_ID_CHANGE */
struct min_broker_changed_request {
    int64_t min_broker_id;
};
extern const struct fields min_broker_changed_request_fields;

#endif
