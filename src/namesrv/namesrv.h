/* namesrv.h - the name server: knows which broker lives where and serves which topic, and tells
 * clients.
 *
 * Brokers register every few seconds and are forgotten when they fall silent or their connection
 * closes; nothing of that is on disk. What is: the KV configuration (kvConfigPath), and the
 * settings once they were changed at run time (configStorePath).
 *
 * Ownership  the settings are copied; loop and workers stay the caller's and outlive the server.
 * Threads    everything runs on the loop given at start: its state has this one owner and no locks.
 *            Files are written by the workers.
 * Errors     0, or a negative code of base/err.h; the cause is in the log.
 * Bounds     broker addresses, topics and KV entries are counted: docs/protocol/name-server.md.
 */
#ifndef NAMESRV_NAMESRV_H
#define NAMESRV_NAMESRV_H

#include "base/conf.h"
#include "net/loop.h"
#include "net/tls_conf.h"
#include "net/workers.h"

/* Settings: the reference's keys (namesrv.conf). The rows are in settings.c. */
struct namesrv_conf {
    char *bind_address;
    int listen_port;
    int server_channel_max_idle_seconds;
    struct tls_conf tls;
    char *kv_config_path;    /* "~/" stands for the home directory */
    char *config_store_path; /* the same; the file of -c when there is one */
    char *config_black_list; /* "key;key": cannot be changed by a request */
    int64_t scan_not_active_broker_interval_ms;
    bool support_acting_master;
    bool notify_min_broker_id_changed;
    bool delete_topic_with_broker_registration;
    bool order_message_enable;
    bool return_order_topic_config_to_broker;
    bool enable_topic_list;
    bool enable_all_topic_list;
    bool need_wait_for_service;
    int wait_seconds_for_service;
};
extern const struct conf_table namesrv_conf_table;

void namesrv_conf_init(struct namesrv_conf *conf); /* the defaults */
void namesrv_conf_fini(struct namesrv_conf *conf);

struct namesrv;

struct namesrv_options {
    const struct namesrv_conf *conf;
    struct workers *workers;
};

/* Reads the KV configuration and listens. ERR_CORRUPT: the KV file and its .bak are damaged. */
MUST_CHECK int namesrv_start(struct loop *loop, const struct namesrv_options *options,
                             struct namesrv **namesrv);
int namesrv_port(const struct namesrv *namesrv);
/* A broker has registered. */
bool namesrv_has_broker(const struct namesrv *namesrv);

/* No new connections and requests from here on; what was accepted is still answered. */
void namesrv_stop_accepting(struct namesrv *namesrv);
/* True when every request in hand was answered and sent, and no work is out. */
bool namesrv_is_drained(const struct namesrv *namesrv);
/* True while a worker has something of it: a file to write, a body to decode, a handshake. Ends by
 * itself once nothing is accepted. */
bool namesrv_has_work_out(const struct namesrv *namesrv);
/* Closes what is left; no work is out. */
void namesrv_free(struct namesrv *namesrv);

#endif
