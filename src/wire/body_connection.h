/* body_connection.h - GET_CONSUMER_CONNECTION_LIST and GET_PRODUCER_CONNECTION_LIST: who is online.
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
MUST_CHECK int consumer_connection_decode(struct slice body, struct arena *arena,
                                          struct consumer_connection *connection);
void consumer_connection_encode(const struct consumer_connection *connection, struct buf *out);

struct producer_connection {
    const struct client_connection *clients;
    int client_count;
};
MUST_CHECK int producer_connection_decode(struct slice body, struct arena *arena,
                                          struct producer_connection *connection);
void producer_connection_encode(const struct producer_connection *connection, struct buf *out);

#endif
