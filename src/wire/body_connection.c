#include "wire/body_connection.h"

static enum language language_from(struct slice name)
{
    for (int i = 0; i < LANGUAGE_COUNT; i++)
        if (slice_eq(name, slice_str(language_name((enum language)i))))
            return (enum language)i;
    return LANGUAGE_OTHER;
}

static const struct client_connection *clients_from_json(const json_t *array, struct arena *arena,
                                                         int *count)
{
    struct client_connection *clients = json_alloc_elements(array, sizeof *clients, arena);
    size_t i;
    json_t *element;
    *count = 0;
    json_array_foreach(array, i, element)
        if (json_is_object(element))
            clients[(*count)++] = (struct client_connection){
                .client_id = json_copy_str(element, "clientId", arena),
                .client_addr = json_copy_str(element, "clientAddr", arena),
                .language = language_from(json_get_str(element, "language")),
                .version = json_get_i32(element, "version", 0),
            };
    return clients;
}

static void member_clients(struct json_out *j, const struct client_connection *clients, int count)
{
    json_key(j, SLICE("connectionSet"));
    json_array_begin(j);
    for (int i = 0; i < count; i++) {
        json_object_begin(j);
        json_member_str(j, "clientAddr", clients[i].client_addr);
        json_member_str(j, "clientId", clients[i].client_id);
        json_member_str(j, "language", slice_str(language_name(clients[i].language)));
        json_member_i64(j, "version", clients[i].version);
        json_object_end(j);
    }
    json_array_end(j);
}

static void subscriptions_from_json(json_t *object, struct arena *arena,
                                    struct consumer_connection *connection)
{
    struct subscription *subs = json_alloc_elements(object, sizeof *subs, arena);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        struct subscription *sub = &subs[connection->subscription_count];
        if (subscription_from_json(value, arena, sub) != 0)
            continue;
        if (sub->topic.data == NULL)
            sub->topic = arena_copy(arena, slice_str(key));
        connection->subscription_count++;
    }
    connection->subscriptions = subs;
}

int consumer_connection_decode(struct slice body, struct arena *arena,
                               struct consumer_connection *connection)
{
    json_t *json = json_read(body, NULL);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        *connection = (struct consumer_connection){
            .consume_type = consume_type_of(json_get_str(json, "consumeType")),
            .message_model = message_model_of(json_get_str(json, "messageModel")),
            .consume_from = consume_from_of(json_get_str(json, "consumeFromWhere")),
        };
        connection->clients =
            clients_from_json(json_get(json, "connectionSet"), arena, &connection->client_count);
        subscriptions_from_json(json_get(json, "subscriptionTable"), arena, connection);
    }
    json_decref(json);
    return err;
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

int producer_connection_decode(struct slice body, struct arena *arena,
                               struct producer_connection *connection)
{
    json_t *json = json_read(body, NULL);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0)
        connection->clients =
            clients_from_json(json_get(json, "connectionSet"), arena, &connection->client_count);
    json_decref(json);
    return err;
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
    json_member_str(j, "language", slice_str(language_name(client->language)));
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
