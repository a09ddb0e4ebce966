/* route_table.h - what brokers told about themselves, and what clients are told of it.
 *
 * A state machine without sockets: what happened and when goes in, what to answer comes out.
 *
 *     registration, heartbeat, unregistration, a closed connection, time  ──>  live_table,
 *                                                                              topic_rows
 *     route, lists, cluster                                               <──  route_answers.c
 *
 * A broker is known from its first registration until it unregisters, its connection closes, or it
 * was silent for its timeout. With the last member of a group its topics go. Topics come from the
 * master, or from the slave of the smallest id while there is no master.
 *
 * Time       now_ms is monotonic: a clock that is set must not take brokers offline.
 * Ownership  what is put in is copied. Answers are in the arena given, or borrow from the table
 *            until its next change.
 * Threads    the name server's loop.
 * Errors     a refusal is a static text for the remark of the answer; nothing was changed then.
 */
#ifndef NAMESRV_ROUTE_TABLE_H
#define NAMESRV_ROUTE_TABLE_H

#include "namesrv/namesrv.h"
#include "namesrv/topic_rows.h"
#include "wire/body_lists.h"
#include "wire/body_register.h"
#include "wire/req_namesrv.h"

enum {
    ROUTE_MEMBERS_MAX = 10000, /* broker addresses */
    ROUTE_ROWS_MAX = 1000000,  /* topics, counted once per broker group that serves them */
    ROUTE_NAME_MAX = 255, /* bytes of a topic's, broker's or cluster's name, or of an address */
    BROKER_TIMEOUT_MS = 120000, /* when a broker names none */
};

/* The smallest id of a group is another one now: `notify` are the members to tell. */
struct min_id_change {
    struct slice broker_name;
    int64_t min_broker_id;
    struct slice min_broker_addr;
    struct slice offline_broker_addr; /* data NULL: nobody left */
    struct slice ha_broker_addr;      /* data NULL: unknown */
    const struct slice *notify;
    int notify_count;
};

struct route_table {
    const struct namesrv_conf *conf;
    struct live_table live;
    struct topic_rows topics;
    /* Called while the table changes: must not call it. The change is borrowed. */
    void (*on_min_id_changed)(void *ctx, const struct min_id_change *change);
    void *ctx;
};

void route_table_init(struct route_table *table, const struct namesrv_conf *conf,
                      void (*on_min_id_changed)(void *ctx, const struct min_id_change *change),
                      void *ctx);
void route_table_fini(struct route_table *table);

/* ---- events ------------------------------------------------------------------------------ */

/* `conn` stands for the connection the broker speaks through. The answer borrows from the table. */
const char *route_table_register(struct route_table *table,
                                 const struct register_broker_request *broker,
                                 const struct register_body *body, const void *conn, int64_t now_ms,
                                 struct register_broker_response *answer);
void route_table_unregister(struct route_table *table, struct slice broker_name,
                            struct slice broker_addr);
void route_table_heartbeat(struct route_table *table, struct slice broker_name,
                           struct slice broker_addr, int64_t now_ms);
/* The version of the topics the broker told last, or NULL. Asking is a heartbeat: in some settings
 * brokers send no other. */
const struct data_version *route_table_query_version(struct route_table *table,
                                                     const struct broker_identity_request *broker,
                                                     int64_t now_ms);
/* Everything that registered through the connection is offline. */
void route_table_conn_closed(struct route_table *table, const void *conn);

/* When the first broker will have been silent for too long; -1: there is none. */
int64_t route_table_next_expiry_ms(const struct route_table *table);
/* Forgets the silent ones; then `on_expired` is called with the connection of each, and may call
 * the table. */
void route_table_expire(struct route_table *table, int64_t now_ms,
                        void (*on_expired)(void *ctx, const void *conn), void *ctx);

/* Sets or takes the permission to write in all rows of a group; returns their number. */
int32_t route_table_set_write_perm(struct route_table *table, struct slice broker_name,
                                   bool is_allowed);
/* From all groups of the cluster, or (no cluster given) from all. */
void route_table_delete_topic(struct route_table *table, struct slice topic, struct slice cluster);
/* Adds what `route` says about groups that are known. */
const char *route_table_add_topic(struct route_table *table, struct slice topic,
                                  const struct route_data *route);

/* ---- answers ----------------------------------------------------------------------------- */

/* False: no living broker serves the topic. `zone_name` with data: only brokers of that zone, and
 * groups without a master. */
bool route_table_route(const struct route_table *table, struct slice topic, struct slice zone_name,
                       struct arena *arena, struct route_data *route);
void route_table_cluster_info(const struct route_table *table, struct arena *arena,
                              struct cluster_info *info);
void route_table_members(const struct route_table *table, struct slice broker_name,
                         struct arena *arena, struct member_group *group);

enum topic_choice {
    TOPICS_ALL,
    TOPICS_OF_CLUSTER,
    TOPICS_UNIT,              /* sys flag: unit */
    TOPICS_UNIT_SUB,          /* sys flag: unit-sub */
    TOPICS_UNIT_SUB_NOT_UNIT, /* the second without the first */
};
/* `cluster` is for TOPICS_OF_CLUSTER. */
void route_table_topics(const struct route_table *table, enum topic_choice choice,
                        struct slice cluster, struct arena *arena, struct topic_list *list);
/* The names of clusters and brokers, which brokers register as topics, and one broker's address. */
void route_table_system_topics(const struct route_table *table, struct arena *arena,
                               struct topic_list *list);

#endif
