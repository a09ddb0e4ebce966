#include "wire/req_namesrv.h"

static const struct field put_kv_request_rows[] = {
    FIELD(struct put_kv_request, namespace, "namespace", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct put_kv_request, key, "key", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct put_kv_request, value, "value", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields put_kv_request_fields = FIELDS(put_kv_request_rows, struct put_kv_request);

static const struct field kv_request_rows[] = {
    FIELD(struct kv_request, namespace, "namespace", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct kv_request, key, "key", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields kv_request_fields = FIELDS(kv_request_rows, struct kv_request);

static const struct field get_kv_response_rows[] = {
    FIELD(struct get_kv_response, value, "value", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields get_kv_response_fields = FIELDS(get_kv_response_rows, struct get_kv_response);

static const struct field kv_list_request_rows[] = {
    FIELD(struct kv_list_request, namespace, "namespace", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields kv_list_request_fields = FIELDS(kv_list_request_rows, struct kv_list_request);

static const struct field register_broker_request_rows[] = {
    FIELD(struct register_broker_request, broker_name, "brokerName", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct register_broker_request, broker_addr, "brokerAddr", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct register_broker_request, cluster_name, "clusterName", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct register_broker_request, ha_server_addr, "haServerAddr", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct register_broker_request, broker_id, "brokerId", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct register_broker_request, heartbeat_timeout_ms, "heartbeatTimeoutMillis", FIELD_I64,
          FIELD_OPTIONAL),
    FIELD(struct register_broker_request, enable_acting_master, "enableActingMaster", FIELD_STRING,
          FIELD_OPTIONAL),
    FIELD(struct register_broker_request, compressed, "compressed", FIELD_BOOL, FIELD_OPTIONAL),
    FIELD(struct register_broker_request, body_crc32, "bodyCrc32", FIELD_I32, FIELD_OPTIONAL),
    FIELD(struct register_broker_request, zone_name, "__ZONE_NAME", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields register_broker_request_fields =
    FIELDS(register_broker_request_rows, struct register_broker_request);

static const struct field register_broker_response_rows[] = {
    FIELD(struct register_broker_response, ha_server_addr, "haServerAddr", FIELD_STRING,
          FIELD_OPTIONAL),
    FIELD(struct register_broker_response, master_addr, "masterAddr", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields register_broker_response_fields =
    FIELDS(register_broker_response_rows, struct register_broker_response);

static const struct field broker_identity_request_rows[] = {
    FIELD(struct broker_identity_request, broker_name, "brokerName", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct broker_identity_request, broker_addr, "brokerAddr", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct broker_identity_request, cluster_name, "clusterName", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct broker_identity_request, broker_id, "brokerId", FIELD_I64, FIELD_MANDATORY),
};
const struct fields broker_identity_request_fields =
    FIELDS(broker_identity_request_rows, struct broker_identity_request);

static const struct field query_data_version_response_rows[] = {
    FIELD(struct query_data_version_response, changed, "changed", FIELD_BOOL, FIELD_MANDATORY),
};
const struct fields query_data_version_response_fields =
    FIELDS(query_data_version_response_rows, struct query_data_version_response);

static const struct field route_request_rows[] = {
    FIELD(struct route_request, topic, "topic", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct route_request, accept_standard_json_only, "acceptStandardJsonOnly", FIELD_BOOL,
          FIELD_OPTIONAL),
    FIELD(struct route_request, zone_mode, "__ZONE_MODE", FIELD_BOOL, FIELD_OPTIONAL),
    FIELD(struct route_request, zone_name, "__ZONE_NAME", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields route_request_fields = FIELDS(route_request_rows, struct route_request);

static const struct field write_perm_request_rows[] = {
    FIELD(struct write_perm_request, broker_name, "brokerName", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields write_perm_request_fields =
    FIELDS(write_perm_request_rows, struct write_perm_request);

static const struct field wipe_write_perm_response_rows[] = {
    FIELD(struct wipe_write_perm_response, wipe_topic_count, "wipeTopicCount", FIELD_I32,
          FIELD_MANDATORY),
};
const struct fields wipe_write_perm_response_fields =
    FIELDS(wipe_write_perm_response_rows, struct wipe_write_perm_response);

static const struct field add_write_perm_response_rows[] = {
    FIELD(struct add_write_perm_response, add_topic_count, "addTopicCount", FIELD_I32,
          FIELD_MANDATORY),
};
const struct fields add_write_perm_response_fields =
    FIELDS(add_write_perm_response_rows, struct add_write_perm_response);

static const struct field namesrv_topic_request_rows[] = {
    FIELD(struct namesrv_topic_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct namesrv_topic_request, cluster_name, "clusterName", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields namesrv_topic_request_fields =
    FIELDS(namesrv_topic_request_rows, struct namesrv_topic_request);

static const struct field topics_by_cluster_request_rows[] = {
    FIELD(struct topics_by_cluster_request, cluster, "cluster", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields topics_by_cluster_request_fields =
    FIELDS(topics_by_cluster_request_rows, struct topics_by_cluster_request);

static const struct field member_group_request_rows[] = {
    FIELD(struct member_group_request, cluster_name, "clusterName", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct member_group_request, broker_name, "brokerName", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields member_group_request_fields =
    FIELDS(member_group_request_rows, struct member_group_request);

static const struct field broker_heartbeat_request_rows[] = {
    FIELD(struct broker_heartbeat_request, cluster_name, "clusterName", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct broker_heartbeat_request, broker_addr, "brokerAddr", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct broker_heartbeat_request, broker_name, "brokerName", FIELD_STRING,
          FIELD_MANDATORY),
};
const struct fields broker_heartbeat_request_fields =
    FIELDS(broker_heartbeat_request_rows, struct broker_heartbeat_request);
