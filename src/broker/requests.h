/* requests.h - the one place where a request code meets its handler, and all handlers, by shelf.
 *
 * Ownership  a request is its handler's from the call on; it is answered once, at once or later.
 * Threads    the broker's loop.
 */
#ifndef BROKER_REQUESTS_H
#define BROKER_REQUESTS_H

#include <stdint.h>

struct broker;
struct request;

/* Answers or parks the request; it is the handler's from the call on. */
typedef void request_handler(struct broker *broker, struct request *req);

/* Hands the request to its handler; an unknown code is answered here. */
void request_dispatch(struct broker *broker, struct request *req);
/* The same for what came in at the fast port, where pulls are not served. */
void request_dispatch_fast(struct broker *broker, struct request *req);

/* ---- send/ ----------------------------------------------------------------------------------- */

request_handler handle_send;          /* 10, 310, 320 */
request_handler handle_reply_message; /* 324, 325 */
request_handler handle_send_back;     /* 36 */

/* ---- pull/ ----------------------------------------------------------------------------------- */

request_handler handle_pull; /* 11, 361 */
/* A parked pull is to be answered: a message came, its time is over, or the broker stops. */
struct held_request;
void pull_resume(struct held_request *held);
request_handler handle_query_message, handle_view_message;                /* 12, 33 */
request_handler handle_put_cold_thresholds, handle_remove_cold_threshold, /* 2001, 2002 */
    handle_cold_reads, handle_set_read_ahead;                             /* 2003, 2004 */

/* ---- pop/ ------------------------------------------------------------------------------------ */

request_handler handle_pop; /* 200050 */
/* handle_ack.c: 200051, 200151, 200053 */
request_handler handle_ack, handle_batch_ack, handle_change_invisible_time;
/* 200054, 200055, 200052 */
request_handler handle_notification, handle_polling_info, handle_peek;
/* A parked one is to look again: something came, its time is over, or the broker stops. */
struct held_pop;
void pop_resume(struct held_pop *held);
void notification_resume(struct held_pop *held);

/* ---- later/ ---------------------------------------------------------------------------------- */

request_handler handle_end_transaction, handle_resume_check;                   /* 37, 323 */
request_handler handle_recall, handle_timer_check_point, handle_timer_metrics; /* 370, 60, 61 */

/* ---- groups/ --------------------------------------------------------------------------------- */

/* handle_client.c: 34, 35, 38, 46 */
request_handler handle_heartbeat, handle_unregister, handle_consumer_list,
    handle_check_client_config;
/* handle_offset.c: 14, 15, 30, 31, 29, 32 */
request_handler handle_query_offset, handle_update_offset, handle_max_offset, handle_min_offset,
    handle_search_offset, handle_earliest_time;
request_handler handle_lock, handle_unlock; /* 41, 42 */
/* handle_assignment.c: 400, 401, 402 */
request_handler handle_query_assignment, handle_set_request_mode, handle_all_request_modes;
request_handler handle_reset_offset; /* 222 */
/* handle_relay.c: 307, 309, 223 */
request_handler handle_running_info, handle_consume_directly, handle_consumer_status;

/* ---- figures/ -------------------------------------------------------------------------------- */

request_handler handle_runtime_info, handle_broker_stats; /* 28, 315 */
request_handler handle_slow_requests;                     /* 90001 */

/* ---- admin/: handle_admin_*.c, each says its codes ------------------------------------------- */

/* handle_admin_topic.c */
request_handler handle_put_topic, handle_put_topics, handle_delete_topic, handle_all_topics,
    handle_get_topic, handle_topic_stats;
/* handle_admin_group.c */
request_handler handle_put_group, handle_put_groups, handle_delete_group, handle_all_groups,
    handle_get_group, handle_group_forbidden;
/* handle_admin_clients.c */
request_handler handle_consumer_connections, handle_producer_connections, handle_all_producers;
/* handle_admin_progress.c */
request_handler handle_consume_stats, handle_time_span, handle_broker_progress;
/* handle_admin_names.c */
request_handler handle_topic_consumers, handle_group_topics, handle_group_subscription,
    handle_system_topics;
/* handle_admin_offsets.c */
request_handler handle_clone_offset, handle_correction_offset, handle_all_offsets,
    handle_all_delay_offsets;
/* handle_admin_store.c */
request_handler handle_clean_queues, handle_clean_log, handle_clean_topics, handle_queue_data;
/* handle_admin_slave.c */
request_handler handle_ha_status, handle_exchange_ha_info, handle_reset_flush_offset,
    handle_min_broker_changed, handle_epoch_cache, handle_pop_rollback;
/* handle_admin_broker.c */
request_handler handle_put_conf, handle_get_conf;

#endif
