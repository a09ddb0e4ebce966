#include "wire/req_admin.h"

static const struct field create_topic_request_rows[] = {
    FIELD(struct create_topic_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct create_topic_request, default_topic, "defaultTopic", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct create_topic_request, read_queue_nums, "readQueueNums", FIELD_I32,
          FIELD_MANDATORY),
    FIELD(struct create_topic_request, write_queue_nums, "writeQueueNums", FIELD_I32,
          FIELD_MANDATORY),
    FIELD(struct create_topic_request, perm, "perm", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct create_topic_request, topic_filter_type, "topicFilterType", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct create_topic_request, topic_sys_flag, "topicSysFlag", FIELD_I32, FIELD_OPTIONAL),
    FIELD(struct create_topic_request, order, "order", FIELD_BOOL, FIELD_OPTIONAL),
    FIELD(struct create_topic_request, attributes, "attributes", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields create_topic_request_fields =
    FIELDS(create_topic_request_rows, struct create_topic_request);

static const struct field read_mode_request_rows[] = {
    FIELD(struct read_mode_request, mode, "READ_AHEAD_MODE", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields read_mode_request_fields =
    FIELDS(read_mode_request_rows, struct read_mode_request);

static const struct field get_config_response_rows[] = {
    FIELD(struct get_config_response, version, "version", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields get_config_response_fields =
    FIELDS(get_config_response_rows, struct get_config_response);

static const struct field topic_request_rows[] = {
    FIELD(struct topic_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields topic_request_fields = FIELDS(topic_request_rows, struct topic_request);

static const struct field consumer_connection_request_rows[] = {
    FIELD(struct consumer_connection_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_MANDATORY),
};
const struct fields consumer_connection_request_fields =
    FIELDS(consumer_connection_request_rows, struct consumer_connection_request);

static const struct field producer_connection_request_rows[] = {
    FIELD(struct producer_connection_request, producer_group, "producerGroup", FIELD_STRING,
          FIELD_MANDATORY),
};
const struct fields producer_connection_request_fields =
    FIELDS(producer_connection_request_rows, struct producer_connection_request);

static const struct field delete_group_request_rows[] = {
    FIELD(struct delete_group_request, group_name, "groupName", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct delete_group_request, clean_offset, "cleanOffset", FIELD_BOOL, FIELD_OPTIONAL),
};
const struct fields delete_group_request_fields =
    FIELDS(delete_group_request_rows, struct delete_group_request);

static const struct field consume_stats_request_rows[] = {
    FIELD(struct consume_stats_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct consume_stats_request, topic, "topic", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct consume_stats_request, topic_list, "topicList", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields consume_stats_request_fields =
    FIELDS(consume_stats_request_rows, struct consume_stats_request);

static const struct field group_request_rows[] = {
    FIELD(struct group_request, group, "group", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields group_request_fields = FIELDS(group_request_rows, struct group_request);

static const struct field topic_group_request_rows[] = {
    FIELD(struct topic_group_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct topic_group_request, group, "group", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields topic_group_request_fields =
    FIELDS(topic_group_request_rows, struct topic_group_request);

static const struct field correction_offset_request_rows[] = {
    FIELD(struct correction_offset_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct correction_offset_request, compare_group, "compareGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct correction_offset_request, filter_groups, "filterGroups", FIELD_STRING,
          FIELD_OPTIONAL),
};
const struct fields correction_offset_request_fields =
    FIELDS(correction_offset_request_rows, struct correction_offset_request);

static const struct field clone_group_offset_request_rows[] = {
    FIELD(struct clone_group_offset_request, src_group, "srcGroup", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct clone_group_offset_request, dest_group, "destGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct clone_group_offset_request, topic, "topic", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct clone_group_offset_request, offline, "offline", FIELD_BOOL, FIELD_OPTIONAL),
};
const struct fields clone_group_offset_request_fields =
    FIELDS(clone_group_offset_request_rows, struct clone_group_offset_request);

static const struct field broker_consume_stats_request_rows[] = {
    FIELD(struct broker_consume_stats_request, is_order, "isOrder", FIELD_BOOL, FIELD_OPTIONAL),
};
const struct fields broker_consume_stats_request_fields =
    FIELDS(broker_consume_stats_request_rows, struct broker_consume_stats_request);

static const struct field query_consume_queue_request_rows[] = {
    FIELD(struct query_consume_queue_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct query_consume_queue_request, queue_id, "queueId", FIELD_I32, FIELD_OPTIONAL),
    FIELD(struct query_consume_queue_request, index, "index", FIELD_I64, FIELD_OPTIONAL),
    FIELD(struct query_consume_queue_request, count, "count", FIELD_I32, FIELD_OPTIONAL),
    FIELD(struct query_consume_queue_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_OPTIONAL),
};
const struct fields query_consume_queue_request_fields =
    FIELDS(query_consume_queue_request_rows, struct query_consume_queue_request);

static const struct field group_forbidden_request_rows[] = {
    FIELD(struct group_forbidden_request, group, "group", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct group_forbidden_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct group_forbidden_request, readable, "readable", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields group_forbidden_request_fields =
    FIELDS(group_forbidden_request_rows, struct group_forbidden_request);

static const struct field reset_offset_request_rows[] = {
    FIELD(struct reset_offset_request, group, "group", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct reset_offset_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD_OR(struct reset_offset_request, queue_id, "queueId", FIELD_I32, -1),
    FIELD_OR(struct reset_offset_request, offset, "offset", FIELD_I64, -1),
    FIELD(struct reset_offset_request, timestamp, "timestamp", FIELD_I64, FIELD_OPTIONAL),
    FIELD(struct reset_offset_request, is_force, "isForce", FIELD_BOOL, FIELD_OPTIONAL),
};
const struct fields reset_offset_request_fields =
    FIELDS(reset_offset_request_rows, struct reset_offset_request);

static const struct field reset_consumer_offset_rows[] = {
    FIELD(struct reset_offset_request, group, "group", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct reset_offset_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct reset_offset_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct reset_offset_request, timestamp, "timestamp", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct reset_offset_request, is_force, "isForce", FIELD_BOOL, FIELD_MANDATORY),
};
const struct fields reset_consumer_offset_fields =
    FIELDS(reset_consumer_offset_rows, struct reset_offset_request);

static const struct field consumer_status_request_rows[] = {
    FIELD(struct consumer_status_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct consumer_status_request, group, "group", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct consumer_status_request, client_addr, "clientAddr", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields consumer_status_request_fields =
    FIELDS(consumer_status_request_rows, struct consumer_status_request);

static const struct field consumer_running_info_request_rows[] = {
    FIELD(struct consumer_running_info_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct consumer_running_info_request, client_id, "clientId", FIELD_STRING,
          FIELD_MANDATORY),
};
const struct fields consumer_running_info_request_fields =
    FIELDS(consumer_running_info_request_rows, struct consumer_running_info_request);

static const struct field consume_directly_request_rows[] = {
    FIELD(struct consume_directly_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct consume_directly_request, client_id, "clientId", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct consume_directly_request, msg_id, "msgId", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct consume_directly_request, topic, "topic", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields consume_directly_request_fields =
    FIELDS(consume_directly_request_rows, struct consume_directly_request);

static const struct field broker_stats_request_rows[] = {
    FIELD(struct broker_stats_request, stats_name, "statsName", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct broker_stats_request, stats_key, "statsKey", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields broker_stats_request_fields =
    FIELDS(broker_stats_request_rows, struct broker_stats_request);

static const struct field exchange_ha_info_rows[] = {
    FIELD(struct exchange_ha_info, master_ha_address, "masterHaAddress", FIELD_STRING,
          FIELD_OPTIONAL),
    FIELD_OR(struct exchange_ha_info, master_flush_offset, "masterFlushOffset", FIELD_I64, -1),
    FIELD(struct exchange_ha_info, master_address, "masterAddress", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields exchange_ha_info_fields =
    FIELDS(exchange_ha_info_rows, struct exchange_ha_info);

static const struct field min_broker_changed_request_rows[] = {
    FIELD(struct min_broker_changed_request, min_broker_id, "minBrokerId", FIELD_I64,
          FIELD_MANDATORY),
};
const struct fields min_broker_changed_request_fields =
    FIELDS(min_broker_changed_request_rows, struct min_broker_changed_request);
