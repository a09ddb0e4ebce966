/* broker_conf.h - the settings of a broker: the reference's keys (broker.conf) as values.
 *
 * A member per row of settings.c, under the same headings; the row says what it means, its default
 * and its limits. Some change while the broker runs (CONF_AT_RUN_TIME): they are read where they
 * count.
 *
 * Units      as in the key's name or the member's: _ms, _bytes, _seconds, _hours.
 * Ownership  strings are heap copies of the struct's owner (base/conf.h).
 * Threads    before a broker is started, the caller's; the broker's copy is its loop's.
 */
#ifndef BROKER_BROKER_CONF_H
#define BROKER_BROKER_CONF_H

#include "base/conf.h"
#include "net/tls_conf.h"

struct broker_conf {
    /* who and where */
    char *cluster_name;
    char *broker_name; /* empty: the host's name */
    int64_t broker_id;
    char *broker_ip1; /* advertised address; empty: the first non-loopback IPv4 address */
    char *bind_address;
    int listen_port;
    char *namesrv_addr; /* "host:port;host:port", may be empty */
    char *broker_config_path;
    char *config_black_list;
    /* topics and groups */
    bool auto_create_topic_enable;
    int default_topic_queue_nums;
    bool auto_create_subscription_group;
    bool cluster_topic_enable;
    bool broker_topic_enable;
    bool enable_mixed_message_type;
    bool trace_topic_enable;
    char *msg_trace_topic_name;
    bool trace_on;
    char *region_id;
    bool enable_detail_stat;
    bool enable_compaction;
    int64_t compaction_log_file_bytes;
    int64_t compaction_queue_file_bytes;
    int64_t compaction_interval_ms;
    int64_t compaction_keys_bytes;
    bool enable_lmq;
    bool enable_multi_dispatch;
    int max_lmq_consume_queue_num;
    bool enable_lmq_stats;
    int broker_permission;
    bool reject_transaction_message;
    bool store_reply_message_enable;
    int64_t transaction_timeout_ms;
    int transaction_check_max;
    int64_t transaction_check_interval_ms;
    int transaction_op_max_bytes;
    int64_t transaction_op_batch_interval_ms;
    int64_t transaction_metric_flush_interval_ms;
    /* registration */
    int register_name_server_period_ms;
    int register_broker_timeout_ms;
    bool force_register;
    bool compressed_register;
    bool enable_split_registration;
    int split_registration_size;
    /* consuming */
    bool long_polling_enable;
    int64_t short_polling_time_ms;
    bool notify_consumer_ids_changed_enable;
    bool reject_pull_consumer_enable;
    bool enable_property_filter;
    bool filter_support_retry;
    int max_error_rate_of_bloom_filter; /* percent */
    int expect_consumer_num_use_filter;
    int64_t filter_data_clean_time_span_ms;
    bool lite_pull_message_enable;
    bool use_server_side_reset_offset;
    int flush_consumer_offset_interval_ms;
    int64_t channel_expired_timeout_ms;
    int max_transfer_count_in_memory;
    int64_t max_transfer_bytes_in_memory;
    int max_transfer_count_on_disk;
    int64_t max_transfer_bytes_on_disk;
    bool disable_consume_if_read_slowly;
    int64_t consumer_fallbehind_threshold;
    int default_query_max_num;
    int max_msgs_num_batch;
    int64_t start_accept_send_request_timestamp;
    /* popping */
    int revive_queue_num;
    int pop_polling_size;
    int64_t max_pop_polling_size;
    int pop_from_retry_probability;
    bool enable_retry_topic_v2;
    bool retrieve_message_from_pop_retry_topic_v1;
    bool init_pop_offset_by_check_msg_in_mem;
    bool enable_pop_message_threshold;
    int64_t pop_inflight_message_threshold;
    bool pop_response_return_actual_retry_topic;
    bool server_load_balancer_enable;
    char *default_message_request_mode;
    int default_pop_share_queue_num;
    /* protection */
    bool broker_fast_failure_enable;
    int64_t wait_time_millis_in_send_queue;
    int64_t disk_breaker_millis;
    int64_t degrade_delay_millis;
    int64_t send_rate_per_topic;
    char *send_rate_of_topics;
    int64_t send_rate_per_connection;
    int64_t pull_rate_per_group;
    char *pull_rate_of_groups;
    char *low_priority_topics; /* "a;b" */
    bool cold_data_flow_control_enable;
    int64_t cg_cold_read_threshold;
    int64_t global_cold_read_threshold;
    bool data_read_ahead_enable;
    /* evidence */
    int64_t slow_request_threshold_us;
    /* connections */
    int server_channel_max_idle_seconds;
    int server_socket_rcv_buf_size;
    bool enable_shutdown_gracefully;
    int shutdown_wait_seconds;
    struct tls_conf tls;
    /* store */
    char *store_path_root_dir;   /* "~/" stands for the home directory */
    char *store_path_commit_log; /* empty: below the root */
    int64_t commit_log_file_bytes;
    int64_t consume_queue_file_bytes;
    int64_t batch_queue_file_bytes;
    char *broker_role;     /* SLAVE is refused */
    char *flush_disk_type; /* ASYNC_FLUSH, SYNC_FLUSH */
    int64_t sync_flush_timeout_ms;
    int64_t flush_interval_commit_log_ms;
    int64_t flush_interval_consume_queue_ms;
    int64_t clean_resource_interval_ms;
    int file_reserved_hours;
    char *delete_when;
    int disk_max_used_space_ratio;
    int disk_space_clean_forcibly_ratio;
    int disk_space_warning_level_ratio;
    bool clean_file_forcibly_enable;
    int max_message_bytes;
    bool enabled_append_prop_crc;
    bool verify_records_on_read;
    int64_t scrub_bytes_per_second;
    int64_t takeover_scan_bytes;
    bool message_index_enable;
    int max_hash_slot_num;
    int max_index_num;
    char *message_delay_level;
    int64_t flush_delay_offset_interval_ms;
    /* timers */
    bool timer_wheel_enable;
    int timer_precision_ms;
    int timer_max_delay_sec;
    int timer_roll_window_slot;
    int timer_flush_interval_ms;
    bool timer_stop_enqueue;
    bool timer_stop_dequeue;
    int timer_log_file_bytes;
    bool recall_message_enable;
    bool allow_recall_when_broker_not_writeable;
};
extern const struct conf_table broker_conf_table;

#endif
