/* body_connection.h - who is online: GET_CONSUMER_CONNECTION_LIST, GET_PRODUCER_CONNECTION_LIST,
 * GET_ALL_PRODUCER_INFO, QUERY_SUBSCRIPTION_BY_CONSUMER.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_CONNECTION_H
#define WIRE_BODY_CONNECTION_H

#include "wire/body_heartbeat.h"
#include "wire/header.h"

struct client_connection {
    struct slice client_id;
    struct slice client_addr; /* "ip:port" */
    enum language language;
    int32_t version;
    int64_t last_update_timestamp; /* ms; only in a producer table */
};

struct consumer_connection {
    const struct client_connection *clients;
    int client_count;
    const struct subscription *subscriptions; /* one per topic */
    int subscription_count;
    enum consume_type consume_type;
    enum message_model message_model;
    enum consume_from consume_from;
};
void consumer_connection_encode(const struct consumer_connection *connection, struct buf *out);

struct producer_connection {
    const struct client_connection *clients;
    int client_count;
};
void producer_connection_encode(const struct producer_connection *connection, struct buf *out);

/* {"data":{"group":[{..}]}} */
struct producer_group {
    struct slice name;
    const struct client_connection *clients;
    int client_count;
};
struct producer_table {
    const struct producer_group *groups;
    int count;
};
void producer_table_encode(const struct producer_table *table, struct buf *out);

struct group_subscription {
    struct slice group;
    struct slice topic;                      /* data NULL: none was asked for */
    const struct subscription *subscription; /* NULL: not online, or not subscribed */
};
void group_subscription_encode(const struct group_subscription *answer, struct buf *out);

#endif
