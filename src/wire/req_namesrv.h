/* req_namesrv.h - header fields of what a name server is asked. 106, 206, 304, 311 to 313, 318 and
 * 319 have none.
 *
 * Contract   that of fields.h.
 */
#ifndef WIRE_REQ_NAMESRV_H
#define WIRE_REQ_NAMESRV_H

#include "wire/fields.h"

/* PUT_KV_CONFIG. Key and value are checked by the handler: without them it answers an error. */
struct put_kv_request {
    struct slice namespace;
    struct slice key;
    struct slice value;
};
extern const struct fields put_kv_request_fields;

/* GET_KV_CONFIG, DELETE_KV_CONFIG */
struct kv_request {
    struct slice namespace;
    struct slice key;
};
extern const struct fields kv_request_fields;

struct get_kv_response {
    struct slice value;
};
extern const struct fields get_kv_response_fields;

/* GET_KVLIST_BY_NAMESPACE */
struct kv_list_request {
    struct slice namespace;
};
extern const struct fields kv_list_request_fields;

/* REGISTER_BROKER */
struct register_broker_request {
    struct slice broker_name;
    struct slice broker_addr;
    struct slice cluster_name;
    struct slice ha_server_addr;
    int64_t broker_id;
    int64_t heartbeat_timeout_ms;      /* 0: absent */
    struct slice enable_acting_master; /* present: a 5.x broker; "true" or "false" */
    bool compressed;
    int32_t body_crc32; /* crc31() of the body as sent; 0: unchecked */
    struct slice zone_name;
};
extern const struct fields register_broker_request_fields;

struct register_broker_response {
    struct slice ha_server_addr;
    struct slice master_addr;
};
extern const struct fields register_broker_response_fields;

/* UNREGISTER_BROKER, QUERY_DATA_VERSION */
struct broker_identity_request {
    struct slice broker_name;
    struct slice broker_addr;
    struct slice cluster_name;
    int64_t broker_id;
};
extern const struct fields broker_identity_request_fields;

struct query_data_version_response {
    bool changed;
};
extern const struct fields query_data_version_response_fields;

/* GET_ROUTEINFO_BY_TOPIC. The topic is optional here: without it the answer is TOPIC_NOT_EXIST. */
struct route_request {
    struct slice topic;
    bool accept_standard_json_only;
    bool zone_mode;
    struct slice zone_name;
};
extern const struct fields route_request_fields;

/* WIPE_WRITE_PERM_OF_BROKER, ADD_WRITE_PERM_OF_BROKER */
struct write_perm_request {
    struct slice broker_name;
};
extern const struct fields write_perm_request_fields;

struct wipe_write_perm_response {
    int32_t wipe_topic_count;
};
extern const struct fields wipe_write_perm_response_fields;

struct add_write_perm_response {
    int32_t add_topic_count;
};
extern const struct fields add_write_perm_response_fields;

/* DELETE_TOPIC_IN_NAMESRV, REGISTER_TOPIC_IN_NAMESRV */
struct namesrv_topic_request {
    struct slice topic;
    struct slice cluster_name;
};
extern const struct fields namesrv_topic_request_fields;

/* GET_TOPICS_BY_CLUSTER */
struct topics_by_cluster_request {
    struct slice cluster;
};
extern const struct fields topics_by_cluster_request_fields;

/* GET_BROKER_MEMBER_GROUP */
struct member_group_request {
    struct slice cluster_name;
    struct slice broker_name;
};
extern const struct fields member_group_request_fields;

/* BROKER_HEARTBEAT, the part a name server reads */
struct broker_heartbeat_request {
    struct slice cluster_name;
    struct slice broker_addr;
    struct slice broker_name;
};
extern const struct fields broker_heartbeat_request_fields;

#endif
