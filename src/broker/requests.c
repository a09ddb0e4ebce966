/* requests.c - the one place where a request code meets its handler. The most frequent come first.
 */
#include "broker/requests.h"

#include "broker/internal.h"

const struct request_row request_rows[] = {
    { REQ_SEND_MESSAGE_V2, "send_message_v2", handle_send },
    { REQ_SEND_MESSAGE, "send_message", handle_send },
    { REQ_SEND_BATCH_MESSAGE, "send_batch_message", handle_send },
    { REQ_PULL_MESSAGE, "pull_message", handle_pull },
    { REQ_LITE_PULL_MESSAGE, "lite_pull_message", handle_pull },
    { REQ_POP_MESSAGE, "pop_message", handle_pop },
    { REQ_ACK_MESSAGE, "ack_message", handle_ack },
    { REQ_BATCH_ACK_MESSAGE, "batch_ack_message", handle_batch_ack },
    { REQ_CHANGE_MESSAGE_INVISIBLETIME, "change_message_invisibletime",
      handle_change_invisible_time },
    { REQ_NOTIFICATION, "notification", handle_notification },
    { REQ_POLLING_INFO, "polling_info", handle_polling_info },
    { REQ_PEEK_MESSAGE, "peek_message", handle_peek },
    { REQ_UPDATE_CONSUMER_OFFSET, "update_consumer_offset", handle_update_offset },
    { REQ_QUERY_CONSUMER_OFFSET, "query_consumer_offset", handle_query_offset },
    { REQ_HEART_BEAT, "heart_beat", handle_heartbeat },
    { REQ_UNREGISTER_CLIENT, "unregister_client", handle_unregister },
    { REQ_GET_CONSUMER_LIST_BY_GROUP, "get_consumer_list_by_group", handle_consumer_list },
    { REQ_QUERY_ASSIGNMENT, "query_assignment", handle_query_assignment },
    { REQ_SET_MESSAGE_REQUEST_MODE, "set_message_request_mode", handle_set_request_mode },
    { REQ_GET_ALL_MESSAGE_REQUEST_MODE, "get_all_message_request_mode", handle_all_request_modes },
    { REQ_CHECK_CLIENT_CONFIG, "check_client_config", handle_check_client_config },
    { REQ_CONSUMER_SEND_MSG_BACK, "consumer_send_msg_back", handle_send_back },
    { REQ_END_TRANSACTION, "end_transaction", handle_end_transaction },
    { REQ_SEND_REPLY_MESSAGE_V2, "send_reply_message_v2", handle_reply_message },
    { REQ_SEND_REPLY_MESSAGE, "send_reply_message", handle_reply_message },
    { REQ_LOCK_BATCH_MQ, "lock_batch_mq", handle_lock },
    { REQ_UNLOCK_BATCH_MQ, "unlock_batch_mq", handle_unlock },
    { REQ_GET_MAX_OFFSET, "get_max_offset", handle_max_offset },
    { REQ_GET_MIN_OFFSET, "get_min_offset", handle_min_offset },
    { REQ_SEARCH_OFFSET_BY_TIMESTAMP, "search_offset_by_timestamp", handle_search_offset },
    { REQ_GET_EARLIEST_MSG_STORETIME, "get_earliest_msg_storetime", handle_earliest_time },
    { REQ_QUERY_MESSAGE, "query_message", handle_query_message },
    { REQ_VIEW_MESSAGE_BY_ID, "view_message_by_id", handle_view_message },
    { REQ_UPDATE_AND_CREATE_TOPIC, "update_and_create_topic", handle_put_topic },
    { REQ_UPDATE_AND_CREATE_TOPIC_LIST, "update_and_create_topic_list", handle_put_topics },
    { REQ_DELETE_TOPIC_IN_BROKER, "delete_topic_in_broker", handle_delete_topic },
    { REQ_GET_ALL_TOPIC_CONFIG, "get_all_topic_config", handle_all_topics },
    { REQ_GET_TOPIC_CONFIG, "get_topic_config", handle_get_topic },
    { REQ_GET_TOPIC_STATS_INFO, "get_topic_stats_info", handle_topic_stats },
    { REQ_GET_SLOW_REQUESTS, "get_slow_requests", handle_slow_requests },
    { REQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, "update_and_create_subscriptiongroup",
      handle_put_group },
    { REQ_DELETE_SUBSCRIPTIONGROUP, "delete_subscriptiongroup", handle_delete_group },
    { REQ_GET_ALL_SUBSCRIPTIONGROUP_CONFIG, "get_all_subscriptiongroup_config", handle_all_groups },
    { REQ_GET_SUBSCRIPTIONGROUP_CONFIG, "get_subscriptiongroup_config", handle_get_group },
    { REQ_GET_CONSUMER_CONNECTION_LIST, "get_consumer_connection_list",
      handle_consumer_connections },
    { REQ_GET_PRODUCER_CONNECTION_LIST, "get_producer_connection_list",
      handle_producer_connections },
    { REQ_GET_CONSUME_STATS, "get_consume_stats", handle_consume_stats },
    { REQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, "update_and_create_subscriptiongroup_list",
      handle_put_groups },
    { REQ_UPDATE_AND_GET_GROUP_FORBIDDEN, "update_and_get_group_forbidden",
      handle_group_forbidden },
    { REQ_GET_ALL_PRODUCER_INFO, "get_all_producer_info", handle_all_producers },
    { REQ_QUERY_TOPIC_CONSUME_BY_WHO, "query_topic_consume_by_who", handle_topic_consumers },
    { REQ_QUERY_TOPICS_BY_CONSUMER, "query_topics_by_consumer", handle_group_topics },
    { REQ_QUERY_SUBSCRIPTION_BY_CONSUMER, "query_subscription_by_consumer",
      handle_group_subscription },
    { REQ_QUERY_CONSUME_TIME_SPAN, "query_consume_time_span", handle_time_span },
    { REQ_GET_BROKER_CONSUME_STATS, "get_broker_consume_stats", handle_broker_progress },
    { REQ_CLONE_GROUP_OFFSET, "clone_group_offset", handle_clone_offset },
    { REQ_QUERY_CORRECTION_OFFSET, "query_correction_offset", handle_correction_offset },
    { REQ_INVOKE_BROKER_TO_RESET_OFFSET, "invoke_broker_to_reset_offset", handle_reset_offset },
    { REQ_INVOKE_BROKER_TO_GET_CONSUMER_STATUS, "invoke_broker_to_get_consumer_status",
      handle_consumer_status },
    { REQ_GET_CONSUMER_RUNNING_INFO, "get_consumer_running_info", handle_running_info },
    { REQ_CONSUME_MESSAGE_DIRECTLY, "consume_message_directly", handle_consume_directly },
    { REQ_GET_ALL_CONSUMER_OFFSET, "get_all_consumer_offset", handle_all_offsets },
    { REQ_GET_ALL_DELAY_OFFSET, "get_all_delay_offset", handle_all_delay_offsets },
    { REQ_QUERY_CONSUME_QUEUE, "query_consume_queue", handle_queue_data },
    { REQ_CLEAN_EXPIRED_CONSUMEQUEUE, "clean_expired_consumequeue", handle_clean_queues },
    { REQ_DELETE_EXPIRED_COMMITLOG, "delete_expired_commitlog", handle_clean_log },
    { REQ_CLEAN_UNUSED_TOPIC, "clean_unused_topic", handle_clean_topics },
    { REQ_GET_SYSTEM_TOPIC_LIST_FROM_BROKER, "get_system_topic_list_from_broker",
      handle_system_topics },
    { REQ_GET_BROKER_HA_STATUS, "get_broker_ha_status", handle_ha_status },
    { REQ_EXCHANGE_BROKER_HA_INFO, "exchange_broker_ha_info", handle_exchange_ha_info },
    { REQ_RESET_MASTER_FLUSH_OFFSET, "reset_master_flush_offset", handle_reset_flush_offset },
    { REQ_NOTIFY_MIN_BROKER_ID_CHANGE, "notify_min_broker_id_change", handle_min_broker_changed },
    { REQ_GET_BROKER_EPOCH_CACHE, "get_broker_epoch_cache", handle_epoch_cache },
    { REQ_POP_ROLLBACK, "pop_rollback", handle_pop_rollback },
    { REQ_UPDATE_BROKER_CONFIG, "update_broker_config", handle_put_conf },
    { REQ_GET_BROKER_CONFIG, "get_broker_config", handle_get_conf },
    { REQ_RESUME_CHECK_HALF_MESSAGE, "resume_check_half_message", handle_resume_check },
    { REQ_UPDATE_COLD_DATA_FLOW_CTR_CONFIG, "update_cold_data_flow_ctr_config",
      handle_put_cold_thresholds },
    { REQ_REMOVE_COLD_DATA_FLOW_CTR_CONFIG, "remove_cold_data_flow_ctr_config",
      handle_remove_cold_threshold },
    { REQ_GET_COLD_DATA_FLOW_CTR_INFO, "get_cold_data_flow_ctr_info", handle_cold_reads },
    { REQ_SET_COMMITLOG_READ_MODE, "set_commitlog_read_mode", handle_set_read_ahead },
    { REQ_VIEW_BROKER_STATS_DATA, "view_broker_stats_data", handle_broker_stats },
    { REQ_RECALL_MESSAGE, "recall_message", handle_recall },
    { REQ_GET_TIMER_CHECK_POINT, "get_timer_check_point", handle_timer_check_point },
    { REQ_GET_TIMER_METRICS, "get_timer_metrics", handle_timer_metrics },
    { REQ_GET_BROKER_RUNTIME_INFO, "get_broker_runtime_info", handle_runtime_info },
};
const int request_row_count = sizeof request_rows / sizeof request_rows[0];

/* Codes above 16 bits, which a binary header cuts. The reference does not know them then. */
static int32_t whole_code(int32_t code)
{
    enum { CUT = 0x10000, POPS = REQ_POP_MESSAGE / CUT * CUT };
    bool is_cut = (code >= REQ_POP_MESSAGE - POPS && code <= REQ_POP_ROLLBACK - POPS) ||
                  code == REQ_BATCH_ACK_MESSAGE - POPS;
    return is_cut ? code + POPS : code;
}

static const struct request_row *find_row(int32_t code)
{
    code = whole_code(code);
    for (int i = 0; i < request_row_count; i++)
        if (request_rows[i].code == code)
            return &request_rows[i];
    return NULL;
}

static void refuse(struct request *req)
{
    reply_code(req, RESP_REQUEST_CODE_NOT_SUPPORTED, " request type %d not supported",
               req->header.code);
}

void request_dispatch(struct broker *broker, struct request *req)
{
    const struct request_row *row = find_row(req->header.code);
    if (row != NULL)
        row->handle(broker, req);
    else
        refuse(req);
}

/* What clients may let wait: not served beside the sends. */
static bool may_wait(const struct request_row *row)
{
    return row->handle == handle_pull || row->handle == handle_pop ||
           row->handle == handle_notification || row->handle == handle_polling_info ||
           row->handle == handle_peek;
}

void request_dispatch_fast(struct broker *broker, struct request *req)
{
    const struct request_row *row = find_row(req->header.code);
    if (row != NULL && !may_wait(row))
        row->handle(broker, req);
    else
        refuse(req);
}
