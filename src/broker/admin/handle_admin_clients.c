/* handle_admin_clients.c - who is connected, for tools: 203, 204, 328. */
#include "broker/groups/clients.h"
#include "broker/internal.h"
#include "broker/requests.h"
#include "wire/body_connection.h"
#include "wire/req_admin.h"

static const struct client_connection *list_members(const struct client_group *group,
                                                    struct arena *arena)
{
    struct client_connection *list =
        arena_alloc(arena, ((size_t)group->member_count + 1) * sizeof *list);
    int count = 0;
    list_each(link, &group->members) {
        const struct client_member *m = list_entry(link, struct client_member, group_link);
        list[count++] = (struct client_connection){
            .client_id = m->client_id,
            .client_addr = slice_str(peer_address(m->peer)->text),
            .language = m->language,
            .version = m->version,
            .last_update_timestamp = m->seen_ms,
        };
    }
    return list;
}

void handle_consumer_connections(struct broker *broker, struct request *req)
{
    struct consumer_connection_request fields;
    if (request_fields(req, &consumer_connection_request_fields, &fields) != 0)
        return;
    const struct client_group *group =
        clients_consumer_group(broker->clients, fields.consumer_group);
    if (group == NULL) {
        reply_code(req, RESP_CONSUMER_NOT_ONLINE, "the consumer group[%.*s] not online",
                   SLICE_FMT(fields.consumer_group));
        return;
    }
    struct subscription *subscriptions =
        arena_alloc(&req->arena, (group->subscriptions.count + 1) * sizeof *subscriptions);
    int subscription_count = 0;
    size_t cursor = 0;
    struct slice topic;
    void *value;
    while (map_next(&group->subscriptions, &cursor, &topic, &value))
        subscriptions[subscription_count++] = ((const struct client_subscription *)value)->data;
    struct consumer_connection connection = {
        .clients = list_members(group, &req->arena),
        .client_count = group->member_count,
        .subscriptions = subscriptions,
        .subscription_count = subscription_count,
        .consume_type = group->consume_type,
        .message_model = group->message_model,
        .consume_from = group->consume_from,
    };
    struct buf body = BUF_INIT;
    consumer_connection_encode(&connection, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_producer_connections(struct broker *broker, struct request *req)
{
    struct producer_connection_request fields;
    if (request_fields(req, &producer_connection_request_fields, &fields) != 0)
        return;
    const struct client_group *group =
        clients_producer_group(broker->clients, fields.producer_group);
    if (group == NULL) {
        reply_code(req, RESP_SYSTEM_ERROR, "the producer group[%.*s] not exist",
                   SLICE_FMT(fields.producer_group));
        return;
    }
    struct producer_connection connection = { .clients = list_members(group, &req->arena),
                                              .client_count = group->member_count };
    struct buf body = BUF_INIT;
    producer_connection_encode(&connection, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_all_producers(struct broker *broker, struct request *req)
{
    size_t cursor = 0;
    struct client_group *group;
    int count = 0;
    while (clients_next_producer_group(broker->clients, &cursor, &group))
        count++;
    struct producer_group *groups = arena_alloc(&req->arena, ((size_t)count + 1) * sizeof *groups);
    struct producer_table table = { .groups = groups };
    cursor = 0;
    while (clients_next_producer_group(broker->clients, &cursor, &group))
        groups[table.count++] =
            (struct producer_group){ group->name, list_members(group, &req->arena),
                                     group->member_count };
    struct buf body = BUF_INIT;
    producer_table_encode(&table, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
