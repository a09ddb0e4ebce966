#include "wire/body_connection.h"

static void member_clients(struct json_out *j, const struct client_connection *clients, int count)
{
    json_key(j, SLICE("connectionSet"));
    json_array_begin(j);
    for (int i = 0; i < count; i++) {
        json_object_begin(j);
        json_member_str(j, "clientAddr", clients[i].client_addr);
        json_member_str(j, "clientId", clients[i].client_id);
        json_member_str(j, "language", language_name(clients[i].language));
        json_member_i64(j, "version", clients[i].version);
        json_object_end(j);
    }
    json_array_end(j);
}

void consumer_connection_encode(const struct consumer_connection *connection, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    member_clients(&j, connection->clients, connection->client_count);
    json_member_str(&j, "consumeFromWhere", consume_from_name(connection->consume_from));
    json_member_str(&j, "consumeType", consume_type_name(connection->consume_type));
    json_member_str(&j, "messageModel", message_model_name(connection->message_model));
    json_key(&j, SLICE("subscriptionTable"));
    json_object_begin(&j);
    for (int i = 0; i < connection->subscription_count; i++) {
        json_key(&j, connection->subscriptions[i].topic);
        subscription_to_json(&connection->subscriptions[i], &j);
    }
    json_object_end(&j);
    json_object_end(&j);
}

void producer_connection_encode(const struct producer_connection *connection, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    member_clients(&j, connection->clients, connection->client_count);
    json_object_end(&j);
}

/* The address as the reference's JVM prints it, with a slash in front. */
static void producer_to_json(const struct client_connection *client, struct json_out *j)
{
    struct buf address = BUF_INIT;
    buf_append_u8(&address, '/');
    buf_append_slice(&address, client->client_addr);
    json_object_begin(j);
    json_member_str(j, "clientId", client->client_id);
    json_member_str(j, "language", language_name(client->language));
    json_member_i64(j, "lastUpdateTimestamp", client->last_update_timestamp);
    json_member_str(j, "remoteIP", buf_slice(&address));
    json_member_i64(j, "version", client->version);
    json_object_end(j);
    buf_fini(&address);
}

void producer_table_encode(const struct producer_table *table, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("data"));
    json_object_begin(&j);
    for (int i = 0; i < table->count; i++) {
        const struct producer_group *group = &table->groups[i];
        json_key(&j, group->name);
        json_array_begin(&j);
        for (int k = 0; k < group->client_count; k++)
            producer_to_json(&group->clients[k], &j);
        json_array_end(&j);
    }
    json_object_end(&j);
    json_object_end(&j);
}

void group_subscription_encode(const struct group_subscription *answer, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_str(&j, "group", answer->group);
    if (answer->subscription != NULL) {
        json_key(&j, SLICE("subscriptionData"));
        subscription_to_json(answer->subscription, &j);
    }
    json_member_str(&j, "topic", answer->topic);
    json_object_end(&j);
}
