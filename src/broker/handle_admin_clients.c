/* handle_admin_clients.c - who is connected (203, 204) and how far consumers are (208), for tools.
 */
#include "broker/clients.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "wire/body_connection.h"
#include "wire/body_stats.h"
#include "wire/req_admin.h"

/* Queue counts are not checked when a topic is made; an answer lists no more than this of one. */
enum { STATS_QUEUES_MAX = 65536 };

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

/* ---- consume stats --------------------------------------------------------------------------- */

struct topic_node {
    struct slice topic;
    int32_t queue_count;
    struct topic_node *next;
};

struct consume_query {
    struct offload offload;
    struct consume_stats_request fields;
    struct consume_queue_stats *queues;
    int queue_count;
};

/* Whether the request wants the topic: named in it, or with none named, all of the group. */
static bool is_wanted(const struct consume_stats_request *fields, struct slice topic)
{
    if (fields->topic.len > 0)
        return slice_eq(fields->topic, topic);
    struct slice rest = fields->topic_list;
    if (rest.len == 0)
        return true;
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.data, ';', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
        if (slice_eq(slice_of(rest.data, len), topic))
            return true;
        rest = slice_from(rest, len + 1);
    }
    return false;
}

/* The group's topics that are wanted and that it has not stopped subscribing to. */
static struct topic_node *list_topics(struct broker *broker,
                                      const struct consume_stats_request *fields,
                                      struct arena *arena, int *queues)
{
    const struct client_group *online =
        clients_consumer_group(broker->clients, fields->consumer_group);
    struct topic_node *list = NULL;
    size_t cursor = 0;
    struct slice topic, group;
    while (offsets_next(broker->offsets, &cursor, &topic, &group)) {
        const struct topic_config *config = topics_get(broker->topics, topic);
        if (!slice_eq(group, fields->consumer_group) || !is_wanted(fields, topic) ||
            config == NULL || config->read_queue_count <= 0)
            continue;
        if (online != NULL && online->subscriptions.count > 0 &&
            client_group_subscription(online, topic) == NULL)
            continue;
        struct topic_node *node = arena_alloc(arena, sizeof *node);
        node->topic = arena_copy(arena, topic);
        node->queue_count = config->read_queue_count < STATS_QUEUES_MAX ? config->read_queue_count
                                                                        : STATS_QUEUES_MAX;
        node->next = list;
        list = node;
        *queues += node->queue_count;
    }
    return list;
}

static void read_consume_stats(struct offload *o)
{
    struct consume_query *q = (struct consume_query *)o;
    for (int i = 0; i < q->queue_count; i++) {
        struct consume_queue_stats *s = &q->queues[i];
        s->broker_offset = store_queue_max(o->broker->store, s->queue.topic, s->queue.queue_id);
        if (s->consumer_offset <= 0)
            continue;
        int64_t time = store_queue_time(o->broker->store, s->queue.topic, s->queue.queue_id,
                                        s->consumer_offset - 1);
        s->last_timestamp = time > 0 ? time : 0;
    }
    struct consume_stats stats = { .queues = q->queues, .queue_count = q->queue_count };
    consume_stats_encode(&stats, &o->body);
}

static void reply_consume_stats(struct offload *o)
{
    reply_body(o->req, buf_slice(&o->body));
}

void handle_consume_stats(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct consume_query *q = arena_zalloc(&req->arena, sizeof *q);
    if (request_fields(req, &consume_stats_request_fields, &q->fields) != 0)
        return;
    int total = 0;
    struct topic_node *topics = list_topics(broker, &q->fields, &req->arena, &total);
    struct slice broker_name = arena_copy(&req->arena, slice_str(broker->conf.broker_name));
    q->queues = arena_zalloc(&req->arena, ((size_t)total + 1) * sizeof *q->queues);
    for (; topics != NULL; topics = topics->next)
        for (int32_t id = 0; id < topics->queue_count; id++) {
            struct consume_queue_stats *s = &q->queues[q->queue_count++];
            int64_t offset =
                offsets_get(broker->offsets, topics->topic, q->fields.consumer_group, id);
            s->queue = (struct message_queue){ topics->topic, broker_name, id };
            s->consumer_offset = offset < 0 ? 0 : offset;
            s->pull_offset = s->consumer_offset;
        }
    offload_start(&q->offload, broker, req, read_consume_stats, reply_consume_stats);
}
