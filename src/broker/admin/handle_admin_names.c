/* handle_admin_names.c - who consumes what, and which topics are the broker's own, for tools: 300,
 * 343, 345, 305. */
#include "broker/groups/clients.h"
#include "broker/internal.h"
#include "broker/requests.h"
#include "wire/body_connection.h"
#include "wire/body_lists.h"
#include "wire/names.h"
#include "wire/req_admin.h"

struct name_list {
    struct slice *names;
    int count;
    int cap;
};

static void add_name(struct name_list *list, struct arena *arena, struct slice name)
{
    if (list->count == list->cap) {
        int cap = list->cap == 0 ? 16 : list->cap * 2;
        struct slice *names = arena_alloc(arena, (size_t)cap * sizeof *names);
        if (list->count > 0)
            memcpy(names, list->names, (size_t)list->count * sizeof *names);
        list->names = names;
        list->cap = cap;
    }
    list->names[list->count++] = name;
}

/* Groups online that subscribe to the topic, and all that have offsets in it, each once. */
static void list_consumers(const struct broker *broker, struct slice topic, struct arena *arena,
                           struct name_list *list)
{
    size_t cursor = 0;
    struct client_group *group;
    struct slice each_topic, name;
    while (clients_next_consumer_group(broker->clients, &cursor, &group))
        if (client_group_subscription(group, topic) != NULL)
            add_name(list, arena, group->name);
    cursor = 0;
    while (offsets_next(broker->offsets, &cursor, &each_topic, &name)) {
        if (!slice_eq(each_topic, topic))
            continue;
        const struct client_group *online = clients_consumer_group(broker->clients, name);
        if (online == NULL || client_group_subscription(online, topic) == NULL)
            add_name(list, arena, name);
    }
}

void handle_topic_consumers(struct broker *broker, struct request *req)
{
    struct topic_request fields;
    if (request_fields(req, &topic_request_fields, &fields) != 0)
        return;
    struct name_list list = { 0 };
    list_consumers(broker, fields.topic, &req->arena, &list);
    struct group_list groups = { .groups = list.names, .count = list.count };
    struct buf body = BUF_INIT;
    group_list_encode(&groups, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

static void reply_topics(struct request *req, const struct name_list *list,
                         struct slice broker_addr)
{
    struct topic_list topics = { .broker_addr = broker_addr,
                                 .topics = list->names,
                                 .count = list->count };
    struct buf body = BUF_INIT;
    topic_list_encode(&topics, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_group_topics(struct broker *broker, struct request *req)
{
    struct group_request fields;
    if (request_fields(req, &group_request_fields, &fields) != 0)
        return;
    struct name_list list = { 0 };
    size_t cursor = 0;
    struct slice topic, group;
    while (offsets_next(broker->offsets, &cursor, &topic, &group))
        if (slice_eq(group, fields.group))
            add_name(&list, &req->arena, topic);
    reply_topics(req, &list, slice_str(broker->address));
}

void handle_group_subscription(struct broker *broker, struct request *req)
{
    struct topic_group_request fields;
    if (request_fields(req, &topic_group_request_fields, &fields) != 0)
        return;
    const struct client_group *online = clients_consumer_group(broker->clients, fields.group);
    const struct client_subscription *subscription =
        online == NULL ? NULL : client_group_subscription(online, fields.topic);
    struct group_subscription answer = {
        .group = fields.group,
        .topic = fields.topic,
        .subscription = subscription == NULL ? NULL : &subscription->data,
    };
    struct buf body = BUF_INIT;
    group_subscription_encode(&answer, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

/* The names that are kept for the system, whether the topic is there or not, and this broker's. */
void handle_system_topics(struct broker *broker, struct request *req)
{
    static const char *const fixed[] = {
        TOPIC_AUTO_CREATE, TOPIC_SCHEDULE,      TOPIC_BENCHMARK,
        TOPIC_TRANS_HALF,  TOPIC_TRANS_OP_HALF, TOPIC_TRANS_CHECK_MAX_TIME,
        TOPIC_TRACE,       TOPIC_SELF_TEST,     TOPIC_OFFSET_MOVED,
        TOPIC_CHECKPOINT,
    };
    struct slice cluster = slice_str(broker->conf.cluster_name);
    struct name_list list = { 0 };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        add_name(&list, &req->arena, slice_str(fixed[i]));
    size_t cursor = 0;
    const struct topic_config *config;
    while (topics_next(broker->topics, &cursor, &config)) {
        bool is_own = slice_eq(config->name, cluster) ||
                      slice_eq(config->name, slice_str(broker->conf.broker_name)) ||
                      topic_is_system(config->name, cluster);
        for (size_t i = 0; i < sizeof fixed / sizeof fixed[0] && is_own; i++)
            is_own = !slice_eq(config->name, slice_str(fixed[i]));
        if (is_own)
            add_name(&list, &req->arena, config->name);
    }
    reply_topics(req, &list, slice_of(NULL, 0));
}
