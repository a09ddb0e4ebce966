/* internal.h - the name server's state and its handlers, as its own files see them.
 *
 * Threads    the name server's loop. A worker has the texts of a saver while that is writing, and
 *            the body of a registration that it decodes.
 * Ownership  a request is its handler's from the call on; it is answered once, at once or later.
 */
#ifndef NAMESRV_INTERNAL_H
#define NAMESRV_INTERNAL_H

#include "meta/meta.h"
#include "namesrv/kv.h"
#include "namesrv/namesrv.h"
#include "namesrv/route_table.h"
#include "remoting/remoting.h"

/* Changes of the KV configuration on their way to the file (handle_kv.c). */
struct kv_saver {
    struct job job;
    struct buf text;     /* the worker's while is_writing */
    struct buf before;   /* what to go back to if the file cannot be written */
    struct list writing; /* requests whose changes are in `text` */
    struct list waiting; /* requests for the next write */
    int waiting_count;
    int err;
    bool is_writing;
};

/* Changed settings on their way to the file (handle_config.c). */
struct conf_saver {
    struct job job;
    struct request *req;         /* NULL: nothing is being written */
    struct namesrv_conf changed; /* its texts are those of the settings in force */
    struct buf text;
    int err;
};

struct namesrv {
    struct loop *loop;
    struct workers *workers;
    struct server *server;
    struct client *client; /* to tell brokers of their smallest id */
    struct tls_server *tls;
    struct tls_client *client_tls; /* NULL: the client speaks plain */
    struct namesrv_conf conf;
    struct route_table routes;
    struct kv kv;
    struct kv_saver kv_saver;
    struct conf_saver conf_saver;
    int decodes_out; /* registrations that workers decode */
    struct loop_timer expiry_timer;
    int64_t expiry_looked_ms; /* monotonic */
    int64_t started_ms;       /* monotonic */
    bool has_served;          /* a route was found: no need to wait for brokers any more */
};

/* Monotonic; what the route table takes for time. */
static inline int64_t namesrv_now_ms(const struct namesrv *ns)
{
    return loop_now_ns(ns->loop) / 1000000;
}

/* Arms the timer for the broker that will have been silent for too long first. */
void namesrv_plan_expiry(struct namesrv *ns);

void namesrv_dispatch(struct namesrv *ns, struct request *req);

void kv_saver_init(struct kv_saver *saver);
void kv_saver_fini(struct kv_saver *saver);
void conf_saver_init(struct conf_saver *saver);
void conf_saver_fini(struct conf_saver *saver);

/* Handlers: each takes the request over. */
typedef void namesrv_handler(struct namesrv *ns, struct request *req);
/* handle_broker.c */
namesrv_handler namesrv_register_broker;
namesrv_handler namesrv_unregister_broker;
namesrv_handler namesrv_broker_heartbeat;
namesrv_handler namesrv_query_data_version;
namesrv_handler namesrv_get_member_group;
namesrv_handler namesrv_wipe_write_perm;
namesrv_handler namesrv_add_write_perm;
/* handle_route.c */
namesrv_handler namesrv_get_route;
namesrv_handler namesrv_get_cluster_info;
namesrv_handler namesrv_get_all_topics;
namesrv_handler namesrv_get_topics_by_cluster;
namesrv_handler namesrv_get_system_topics;
namesrv_handler namesrv_get_unit_topics;
namesrv_handler namesrv_get_unit_sub_topics;
namesrv_handler namesrv_get_unit_sub_not_unit_topics;
namesrv_handler namesrv_delete_topic;
namesrv_handler namesrv_register_topic;
/* handle_kv.c */
namesrv_handler namesrv_put_kv;
namesrv_handler namesrv_get_kv;
namesrv_handler namesrv_delete_kv;
namesrv_handler namesrv_list_kv;
/* handle_config.c */
namesrv_handler namesrv_update_config;
namesrv_handler namesrv_get_config;

#endif
