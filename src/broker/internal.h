/* internal.h - what the files of the broker share. Everything here runs on the broker's loop. */
#ifndef BROKER_INTERNAL_H
#define BROKER_INTERNAL_H

#include "broker/broker.h"
#include "broker/guard/ladder.h"
#include "broker/figures/traffic.h"
#include "meta/meta.h"
#include "remoting/remoting.h"
#include "store/store.h"
#include "wire/body_data_version.h"
#include "wire/msg_id.h"

struct clients;     /* clients.h: live producers and consumers */
struct hold;        /* hold.h: parked pulls */
struct queue_locks; /* queue_locks.h: who consumes which queue in order */
struct delays;      /* delays.h: delay levels */
struct txns;        /* txns.h: transactions */
struct timers;      /* timers.h: messages with a time of their own */
struct registrar;   /* register.h: heartbeats to name servers */
struct acks;        /* acks.h: sends parked until their bytes are on disk */
struct pops;        /* pops.h: popping, what it leaves in the log */
struct pop_hold;    /* pop_hold.h: parked pops */
struct routes;      /* client/client.h: where topics are */
struct evidence;    /* evidence.h: where the time of requests goes */
struct guard;       /* guard.h: what is refused and left off under pressure */
struct saver;       /* saver.h: table files, written by a worker */
struct progress;    /* progress.h: where consumer groups are */
struct stats;       /* stats.h: what came and went, by name */
struct put_times;   /* put_times.h: how long puts took */

struct broker {
    struct broker_conf conf;
    struct loop *loop;
    struct workers *workers;
    struct store *store;
    struct topics *topics;
    struct groups *groups;
    struct offsets *offsets;
    struct filters *filters;
    struct server *server;
    struct server *fast_server; /* at listenPort - 2, where old clients send; NULL: none */
    struct client *client;      /* calls to name servers */
    struct tls_server *tls;
    struct tls_client *client_tls; /* NULL: the client speaks plain */
    struct clients *clients;
    struct hold *hold;
    struct queue_locks *queue_locks;
    struct delays *delays;
    struct txns *txns;
    struct timers *timers; /* NULL: timerWheelEnable is off */
    struct registrar *registrar;
    struct acks *acks;
    struct saver *saver;
    struct pops *pops;
    struct pop_hold *pop_hold;
    struct request_modes *request_modes;
    struct routes *routes; /* NULL: no name servers */
    struct progress *progress;
    struct stats *stats;
    struct put_times *put_times;
    struct evidence *evidence;
    struct guard *guard;
    struct uniq_key_source uniq_keys;
    struct buf pull_body; /* what a pull served on the loop found; its memory is used again */
    struct host self;     /* advertised address, in records and message ids */
    char address[64];     /* the same as text, "10.1.1.7:10911" */
    int offloads_out;     /* offload.c: requests that workers have */
    uint32_t next_queue;  /* for sends that leave the choice to the broker */
    uint32_t next_pop;    /* where pops begin */
    int64_t started_ms;
    int64_t start_phy_offset; /* the log's end when it was opened */
    struct traffic traffic;
    int64_t get_took_max_ms;          /* the longest read for a pull */
    struct data_version conf_version; /* moves with each change of settings at run time */
    bool is_writing_conf;             /* a change of settings is on its way to the file */
    bool takes_light;                 /* enableLmq and enableMultiDispatch */
    bool is_leaving;                  /* clients are sent away, those that know how to go */
    bool is_stopping;
    struct loop_timer stop_poll;
    int64_t stop_deadline_ns;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* What the broker keeps per connection, made when first needed and gone when it closes. */
struct session {
    struct list held;        /* hold.c: its parked pulls */
    struct list held_pops;   /* pop_hold.c: its parked pops and notifications */
    struct list members;     /* clients.c: its places in groups */
    struct rate_limit sends; /* guard.c: how fast it may send */
};
struct session *session_of(struct peer *peer);
/* The connection closed: nothing of it is left. */
void session_end(struct broker *broker, struct peer *peer);

/* Where a table is kept: config/`file` below the store directory. */
void broker_config_path(const struct broker *broker, const char *file, char *path,
                        size_t path_bytes);

/* ---- settings.c ------------------------------------------------------------------------------ */

/* Checks what a row alone cannot tell. ERR_INVALID: the reason is in the log. */
MUST_CHECK int broker_conf_check(const struct broker_conf *conf);

/* ---- requests.c: the one place where a request code meets its handler ------------------------ */

/* Answers or parks the request; it is the handler's from the call on. */
typedef void request_handler(struct broker *broker, struct request *req);

struct request_row {
    int32_t code;
    const char *name;
    request_handler *handle;
};
extern const struct request_row request_rows[];
extern const int request_row_count;

/* Hands the request to its handler; an unknown code is answered here. */
void request_dispatch(struct broker *broker, struct request *req);
/* The same for what came in at the fast port, where pulls are not served. */
void request_dispatch_fast(struct broker *broker, struct request *req);

/* handle_send.c */
request_handler handle_send; /* 10, 310, 320 */
struct send_request;
/* What every message from a client passes: fields, the broker's and the topic's state, queue and
 * sizes. On success *record is the message with the properties it came with, its slices those of
 * the request; false: the request was answered. */
bool send_check(struct broker *broker, struct request *req, enum field_names names,
                struct send_request *fields, struct record *record);
/* handle_reply.c */
request_handler handle_reply_message; /* 324, 325 */
/* handle_send_back.c */
request_handler handle_send_back; /* 36 */
/* handle_txn.c */
request_handler handle_end_transaction, handle_resume_check;
/* handle_recall.c */
request_handler handle_put_cold_thresholds, handle_remove_cold_threshold;      /* 2001, 2002 */
request_handler handle_cold_reads;                                             /* 2003 */
request_handler handle_set_read_ahead;                                         /* 2004 */
request_handler handle_recall, handle_timer_check_point, handle_timer_metrics; /* 370, 60, 61 */
/* handle_pull.c */
request_handler handle_pull; /* 11, 361 */
/* A parked pull is to be answered: a message came, its time is over, or the broker stops. */
struct held_request;
void pull_resume(struct held_request *held);
/* handle_pop.c */
request_handler handle_pop; /* 200050 */
/* handle_ack.c */
request_handler handle_ack, handle_batch_ack, handle_change_invisible_time;
/* handle_notification.c */
request_handler handle_notification, handle_polling_info, handle_peek;
/* A parked one is to look again: something came, its time is over, or the broker stops. */
struct held_pop;
void pop_resume(struct held_pop *held);
void notification_resume(struct held_pop *held);
/* handle_assignment.c */
request_handler handle_query_assignment, handle_set_request_mode, handle_all_request_modes;
/* handle_client.c */
request_handler handle_heartbeat, handle_unregister, handle_consumer_list,
    handle_check_client_config;
/* handle_offset.c */
request_handler handle_query_offset, handle_update_offset, handle_max_offset, handle_min_offset,
    handle_search_offset, handle_earliest_time;
/* handle_lock.c */
request_handler handle_lock, handle_unlock;
/* handle_query.c */
request_handler handle_query_message, handle_view_message;
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
/* handle_reset.c */
request_handler handle_reset_offset; /* 222 */
/* handle_relay.c */
request_handler handle_running_info, handle_consume_directly, handle_consumer_status;
/* handle_admin_store.c */
request_handler handle_clean_queues, handle_clean_log, handle_clean_topics, handle_queue_data;
/* handle_admin_slave.c */
request_handler handle_ha_status, handle_exchange_ha_info, handle_reset_flush_offset,
    handle_min_broker_changed, handle_epoch_cache, handle_pop_rollback;
/* handle_evidence.c */
request_handler handle_slow_requests;
/* handle_admin_broker.c */
request_handler handle_put_conf, handle_get_conf;
/* handle_runtime_info.c */
request_handler handle_runtime_info, handle_broker_stats;

/* ---- put.c: the way of every message into the store ------------------------------------------ */

/* Stores messages of one topic and queue as store_put() does, but a message with a delay level goes
 * to the delay topic and one with a timer to the timer topic (its real topic and queue kept in
 * properties), as every way in must do; `records` tells where it went. `arena` is for changed
 * properties. Wakes nothing by itself: the store's on_arrival does. ERR_UNSUPPORTED: a timer, which
 * timerWheelEnable forbids. ERR_INVALID: a timer that is no number, too far off, or cancels what
 * was due already. */
MUST_CHECK int broker_put(struct broker *broker, struct record *records, int count,
                          struct arena *arena, struct store_put_result *result,
                          int64_t *phy_offsets);

/* ---- topic_rules.c: topics and groups that come to be by themselves -------------------------- */

/* The topic, created when allowed (auto creation from `default_topic`, retry topics always).
 * NULL: does not exist and was not created; *why (a static text) is for the remark. */
const struct topic_config *broker_topic_for_send(struct broker *broker, struct slice topic,
                                                 struct slice default_topic, int32_t queue_count,
                                                 int32_t sys_flag, const char **why);
/* The topic, created with these queues when absent (retry, dead-letter). */
const struct topic_config *broker_topic_ensure(struct broker *broker, struct slice topic,
                                               int32_t queue_count, int32_t perm);
/* The group, created with defaults when allowed; else NULL. */
const struct group_config *broker_group_ensure(struct broker *broker, struct slice group);
/* The retry topic `name` that messages a group did not acknowledge are put on, created when absent;
 * NULL: its name is too long. */
const struct topic_config *broker_pop_retry_topic_ensure(struct broker *broker, struct slice name,
                                                         struct slice group);
/* After any change of the topic table: saves it and tells the name servers. */
void broker_topics_changed(struct broker *broker);
void broker_groups_changed(struct broker *broker);
/* Makes the topics and groups that every broker has. At start, before name servers are told. */
void broker_make_system_topics(struct broker *broker);
/* The retry topic of a group, created when absent; NULL when the group's name is too long for one.
 */
const struct topic_config *
broker_retry_topic_ensure(struct broker *broker, const struct group_config *group, bool unit_mode);

/* ---- acks.c ---------------------------------------------------------------------------------- */

/* A topic came to be by itself: answers to sends wait until the table that has it is saved. */
void acks_topic_created(struct broker *broker);

/* Sends the reply when everything below end_phy_offset is on disk (at once with asynchronous flush
 * or `wait` false); after syncFlushTimeout it is sent with FLUSH_DISK_TIMEOUT instead of its code.
 * Slices of the reply must live in the request's arena. Takes req over. */
void acks_reply(struct broker *broker, struct request *req, const struct reply *reply,
                int64_t end_phy_offset, bool wait);

MUST_CHECK int acks_new(struct broker *broker, struct acks **acks);
/* The store's on_flushed; any thread. */
void acks_flushed(struct acks *acks);
/* How long the oldest answer has waited for the disk, and what it stood for still does when it was
 * answered with FLUSH_DISK_TIMEOUT; 0: none does. */
int64_t acks_oldest_ns(const struct acks *acks);
/* Nothing is parked, and nothing of the flusher's is on its way. */
bool acks_are_idle(const struct acks *acks);
/* When idle. */
void acks_free(struct acks *acks);

/* put.c: a half message goes to its own topic, whatever its properties say about delays; they count
 * when it is committed. */
MUST_CHECK int broker_put_half(struct broker *broker, struct record *record, struct arena *arena,
                               struct store_put_result *result);

/* put.c: the response code and remark (static text) for a refused put. */
int32_t put_refusal(int err, const char **remark);

#endif
