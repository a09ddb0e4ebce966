/* requests.c - the one place where a request code meets its handler. The most frequent come first.
 */
#include "broker/requests.h"

#include "broker/internal.h"

/* What clients may let wait is not served at the fast port, beside the sends. */
enum served_at { BOTH_PORTS, MAIN_PORT };

struct request_row {
    int32_t code;
    request_handler *handle;
    enum served_at served_at;
};

static const struct request_row request_rows[] = {
    { REQ_SEND_MESSAGE_V2, handle_send, BOTH_PORTS },
    { REQ_SEND_MESSAGE, handle_send, BOTH_PORTS },
    { REQ_SEND_BATCH_MESSAGE, handle_send, BOTH_PORTS },
    { REQ_PULL_MESSAGE, handle_pull, MAIN_PORT },
    { REQ_LITE_PULL_MESSAGE, handle_pull, MAIN_PORT },
    { REQ_POP_MESSAGE, handle_pop, MAIN_PORT },
    { REQ_ACK_MESSAGE, handle_ack, BOTH_PORTS },
    { REQ_BATCH_ACK_MESSAGE, handle_batch_ack, BOTH_PORTS },
    { REQ_CHANGE_MESSAGE_INVISIBLETIME, handle_change_invisible_time, BOTH_PORTS },
    { REQ_NOTIFICATION, handle_notification, MAIN_PORT },
    { REQ_POLLING_INFO, handle_polling_info, MAIN_PORT },
    { REQ_PEEK_MESSAGE, handle_peek, MAIN_PORT },
    { REQ_UPDATE_CONSUMER_OFFSET, handle_update_offset, BOTH_PORTS },
    { REQ_QUERY_CONSUMER_OFFSET, handle_query_offset, BOTH_PORTS },
    { REQ_HEART_BEAT, handle_heartbeat, BOTH_PORTS },
    { REQ_UNREGISTER_CLIENT, handle_unregister, BOTH_PORTS },
    { REQ_GET_CONSUMER_LIST_BY_GROUP, handle_consumer_list, BOTH_PORTS },
    { REQ_QUERY_ASSIGNMENT, handle_query_assignment, BOTH_PORTS },
    { REQ_SET_MESSAGE_REQUEST_MODE, handle_set_request_mode, BOTH_PORTS },
    { REQ_GET_ALL_MESSAGE_REQUEST_MODE, handle_all_request_modes, BOTH_PORTS },
    { REQ_CHECK_CLIENT_CONFIG, handle_check_client_config, BOTH_PORTS },
    { REQ_CONSUMER_SEND_MSG_BACK, handle_send_back, BOTH_PORTS },
    { REQ_END_TRANSACTION, handle_end_transaction, BOTH_PORTS },
    { REQ_SEND_REPLY_MESSAGE_V2, handle_reply_message, BOTH_PORTS },
    { REQ_SEND_REPLY_MESSAGE, handle_reply_message, BOTH_PORTS },
    { REQ_LOCK_BATCH_MQ, handle_lock, BOTH_PORTS },
    { REQ_UNLOCK_BATCH_MQ, handle_unlock, BOTH_PORTS },
    { REQ_GET_MAX_OFFSET, handle_max_offset, BOTH_PORTS },
    { REQ_GET_MIN_OFFSET, handle_min_offset, BOTH_PORTS },
    { REQ_SEARCH_OFFSET_BY_TIMESTAMP, handle_search_offset, BOTH_PORTS },
    { REQ_GET_EARLIEST_MSG_STORETIME, handle_earliest_time, BOTH_PORTS },
    { REQ_QUERY_MESSAGE, handle_query_message, BOTH_PORTS },
    { REQ_VIEW_MESSAGE_BY_ID, handle_view_message, BOTH_PORTS },
    { REQ_UPDATE_AND_CREATE_TOPIC, handle_put_topic, BOTH_PORTS },
    { REQ_UPDATE_AND_CREATE_TOPIC_LIST, handle_put_topics, BOTH_PORTS },
    { REQ_DELETE_TOPIC_IN_BROKER, handle_delete_topic, BOTH_PORTS },
    { REQ_GET_ALL_TOPIC_CONFIG, handle_all_topics, BOTH_PORTS },
    { REQ_GET_TOPIC_CONFIG, handle_get_topic, BOTH_PORTS },
    { REQ_GET_TOPIC_STATS_INFO, handle_topic_stats, BOTH_PORTS },
    { REQ_GET_SLOW_REQUESTS, handle_slow_requests, BOTH_PORTS },
    { REQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, handle_put_group, BOTH_PORTS },
    { REQ_DELETE_SUBSCRIPTIONGROUP, handle_delete_group, BOTH_PORTS },
    { REQ_GET_ALL_SUBSCRIPTIONGROUP_CONFIG, handle_all_groups, BOTH_PORTS },
    { REQ_GET_SUBSCRIPTIONGROUP_CONFIG, handle_get_group, BOTH_PORTS },
    { REQ_GET_CONSUMER_CONNECTION_LIST, handle_consumer_connections, BOTH_PORTS },
    { REQ_GET_PRODUCER_CONNECTION_LIST, handle_producer_connections, BOTH_PORTS },
    { REQ_GET_CONSUME_STATS, handle_consume_stats, BOTH_PORTS },
    { REQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, handle_put_groups, BOTH_PORTS },
    { REQ_UPDATE_AND_GET_GROUP_FORBIDDEN, handle_group_forbidden, BOTH_PORTS },
    { REQ_GET_ALL_PRODUCER_INFO, handle_all_producers, BOTH_PORTS },
    { REQ_QUERY_TOPIC_CONSUME_BY_WHO, handle_topic_consumers, BOTH_PORTS },
    { REQ_QUERY_TOPICS_BY_CONSUMER, handle_group_topics, BOTH_PORTS },
    { REQ_QUERY_SUBSCRIPTION_BY_CONSUMER, handle_group_subscription, BOTH_PORTS },
    { REQ_QUERY_CONSUME_TIME_SPAN, handle_time_span, BOTH_PORTS },
    { REQ_GET_BROKER_CONSUME_STATS, handle_broker_progress, BOTH_PORTS },
    { REQ_CLONE_GROUP_OFFSET, handle_clone_offset, BOTH_PORTS },
    { REQ_QUERY_CORRECTION_OFFSET, handle_correction_offset, BOTH_PORTS },
    { REQ_INVOKE_BROKER_TO_RESET_OFFSET, handle_reset_offset, BOTH_PORTS },
    { REQ_INVOKE_BROKER_TO_GET_CONSUMER_STATUS, handle_consumer_status, BOTH_PORTS },
    { REQ_GET_CONSUMER_RUNNING_INFO, handle_running_info, BOTH_PORTS },
    { REQ_CONSUME_MESSAGE_DIRECTLY, handle_consume_directly, BOTH_PORTS },
    { REQ_GET_ALL_CONSUMER_OFFSET, handle_all_offsets, BOTH_PORTS },
    { REQ_GET_ALL_DELAY_OFFSET, handle_all_delay_offsets, BOTH_PORTS },
    { REQ_QUERY_CONSUME_QUEUE, handle_queue_data, BOTH_PORTS },
    { REQ_CLEAN_EXPIRED_CONSUMEQUEUE, handle_clean_queues, BOTH_PORTS },
    { REQ_DELETE_EXPIRED_COMMITLOG, handle_clean_log, BOTH_PORTS },
    { REQ_CLEAN_UNUSED_TOPIC, handle_clean_topics, BOTH_PORTS },
    { REQ_GET_SYSTEM_TOPIC_LIST_FROM_BROKER, handle_system_topics, BOTH_PORTS },
    { REQ_GET_BROKER_HA_STATUS, handle_ha_status, BOTH_PORTS },
    { REQ_EXCHANGE_BROKER_HA_INFO, handle_exchange_ha_info, BOTH_PORTS },
    { REQ_RESET_MASTER_FLUSH_OFFSET, handle_reset_flush_offset, BOTH_PORTS },
    { REQ_NOTIFY_MIN_BROKER_ID_CHANGE, handle_min_broker_changed, BOTH_PORTS },
    { REQ_GET_BROKER_EPOCH_CACHE, handle_epoch_cache, BOTH_PORTS },
    { REQ_POP_ROLLBACK, handle_pop_rollback, BOTH_PORTS },
    { REQ_UPDATE_BROKER_CONFIG, handle_put_conf, BOTH_PORTS },
    { REQ_GET_BROKER_CONFIG, handle_get_conf, BOTH_PORTS },
    { REQ_RESUME_CHECK_HALF_MESSAGE, handle_resume_check, BOTH_PORTS },
    { REQ_UPDATE_COLD_DATA_FLOW_CTR_CONFIG, handle_put_cold_thresholds, BOTH_PORTS },
    { REQ_REMOVE_COLD_DATA_FLOW_CTR_CONFIG, handle_remove_cold_threshold, BOTH_PORTS },
    { REQ_GET_COLD_DATA_FLOW_CTR_INFO, handle_cold_reads, BOTH_PORTS },
    { REQ_SET_COMMITLOG_READ_MODE, handle_set_read_ahead, BOTH_PORTS },
    { REQ_VIEW_BROKER_STATS_DATA, handle_broker_stats, BOTH_PORTS },
    { REQ_RECALL_MESSAGE, handle_recall, BOTH_PORTS },
    { REQ_GET_TIMER_CHECK_POINT, handle_timer_check_point, BOTH_PORTS },
    { REQ_GET_TIMER_METRICS, handle_timer_metrics, BOTH_PORTS },
    { REQ_GET_BROKER_RUNTIME_INFO, handle_runtime_info, BOTH_PORTS },
};
enum { ROW_COUNT = sizeof request_rows / sizeof request_rows[0] };

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
    for (int i = 0; i < ROW_COUNT; i++)
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

void request_dispatch_fast(struct broker *broker, struct request *req)
{
    const struct request_row *row = find_row(req->header.code);
    if (row != NULL && row->served_at == BOTH_PORTS)
        row->handle(broker, req);
    else
        refuse(req);
}
