/* handle_admin_topic.c - topics made, changed, deleted and described for tools: 17, 18, 215, 21,
 * 351, 202. A change is answered when it is on disk. */
#include "broker/figures/stats.h"
#include "broker/groups/progress.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/requests.h"
#include "broker/saved_reply.h"
#include "broker/topic_attributes.h"
#include "broker/topic_rules.h"
#include "broker/unreadable.h"
#include "wire/body_stats.h"
#include "wire/multi_dispatch.h"
#include "wire/names.h"
#include "wire/req_admin.h"

struct refusal {
    int32_t code;
    struct slice remark;
};

/* A topic that no request makes, changes or deletes: the system's, or one named like the broker or
 * its cluster. */
static bool is_reserved(const struct broker *broker, struct slice topic)
{
    return topic_is_system(topic, slice_str(broker->conf.cluster_name)) ||
           slice_eq(topic, slice_str(broker->conf.cluster_name)) ||
           slice_eq(topic, slice_str(broker->conf.broker_name));
}

/* False: the name is not allowed, or reserved. Made by hand no name may be longer than an ordinary
 * topic's, a retry topic's neither. */
static bool name_allowed(const struct broker *broker, struct slice topic, struct arena *arena,
                         struct refusal *refusal)
{
    const char *fault = topic_name_fault(topic);
    refusal->code = RESP_INVALID_PARAMETER;
    if (fault != NULL)
        refusal->remark = slice_str(fault);
    else if (topic.len > TOPIC_NAME_MAX)
        refusal->remark = SLICE("The specified topic is longer than topic max length.");
    else if (is_reserved(broker, topic))
        refusal->remark =
            arena_printf(arena, "The topic[%.*s] is conflict with system topic.", SLICE_FMT(topic));
    else
        return true;
    return false;
}

/* Behind a switch, as with the reference. */
static bool wants_mixed_type(const struct pair *changes, int count)
{
    for (int i = 0; i < count; i++)
        if (slice_eq(changes[i].key, SLICE("+message.type")) &&
            slice_eq(changes[i].value, SLICE("MIXED")))
            return true;
    return false;
}

/* Makes a new topic out of the request's, or changes the one there is. */
static bool put_topic(struct broker *broker, struct topic_config *config,
                      const struct pair *attribute_changes, int change_count, struct arena *arena,
                      struct refusal *refusal)
{
    const struct topic_config *before = topics_get(broker->topics, config->name);
    if (broker->conf.enable_lmq && name_is_light(config->name))
        return true; /* it is a topic already, and stays as it is */
    if (!broker->conf.enable_mixed_message_type &&
        wants_mixed_type(attribute_changes, change_count)) {
        *refusal = (struct refusal){ RESP_INVALID_PARAMETER,
                                     SLICE("MIXED message type is not supported.") };
        return false;
    }
    if (topic_attributes_apply(before, attribute_changes, change_count, arena, config,
                               &refusal->remark) != 0) {
        refusal->code = RESP_SYSTEM_ERROR;
        return false;
    }
    topics_put(broker->topics, config, loop_now_ms(broker->loop));
    if (topic_has_batch_queues(config))
        store_set_batch_topic(broker->store, config->name);
    if (topic_is_compacted(config))
        store_set_compaction_topic(broker->store, config->name);
    return true;
}

static void refuse(struct request *req, const struct refusal *refusal)
{
    struct reply reply = { .code = refusal->code, .remark = refusal->remark };
    reply_send(req, &reply);
}

void handle_put_topic(struct broker *broker, struct request *req)
{
    struct create_topic_request fields;
    if (request_fields(req, &create_topic_request_fields, &fields) != 0)
        return;
    struct refusal refusal;
    if (!name_allowed(broker, fields.topic, &req->arena, &refusal)) {
        refuse(req, &refusal);
        return;
    }
    struct topic_config config = topic_config_default(fields.topic);
    config.read_queue_count = fields.read_queue_nums;
    config.write_queue_count = fields.write_queue_nums;
    config.perm = fields.perm;
    config.sys_flag = fields.topic_sys_flag;
    config.order = fields.order;
    const struct pair *changes;
    int change_count;
    refusal.code = RESP_SYSTEM_ERROR;
    refusal.remark = SLICE("no such topicFilterType");
    if (!topic_filter_type_of(fields.topic_filter_type, &config.filter_type) ||
        topic_attributes_parse(fields.attributes, &req->arena, &changes, &change_count,
                               &refusal.remark) != 0 ||
        !put_topic(broker, &config, changes, change_count, &req->arena, &refusal)) {
        refuse(req, &refusal);
        return;
    }
    broker_topics_changed(broker);
    reply_when_saved(broker, req, TABLE_TOPICS);
}

void handle_put_topics(struct broker *broker, struct request *req)
{
    struct topic_config_list list;
    if (topic_config_list_decode(req->body, &req->arena, &list) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no list of topics");
        return;
    }
    struct refusal refusal = { 0 };
    for (int i = 0; i < list.count; i++) /* all names first: one bad name leaves all as they are */
        if (!name_allowed(broker, list.topics[i].name, &req->arena, &refusal)) {
            refuse(req, &refusal);
            return;
        }
    bool complete = true;
    for (int i = 0; i < list.count && complete; i++) {
        struct topic_config config = list.topics[i];
        complete = put_topic(broker, &config, config.attributes, config.attribute_count,
                             &req->arena, &refusal);
    }
    broker_topics_changed(broker);
    if (complete)
        reply_when_saved(broker, req, TABLE_TOPICS);
    else
        refuse(req, &refusal);
}

static void delete_topic(struct broker *broker, struct slice topic)
{
    topics_remove(broker->topics, topic, loop_now_ms(broker->loop));
    progress_forget_topic(broker->progress, topic);
    stats_forget_topic(broker->stats, topic);
    store_delete_topic(broker->store, topic);
}

/* The retry topics that pop consumers of `topic` have, in both forms of the name. */
static void delete_pop_retry_topics(struct broker *broker, struct slice topic, struct arena *arena)
{
    struct doomed {
        struct slice name;
        struct doomed *next;
    } *doomed = NULL; /* collected first: deleting changes the table that is walked */
    static const char joints[] = { '_', '+' };
    size_t cursor = 0;
    struct slice each_topic, group;
    while (offsets_next(broker->offsets, &cursor, &each_topic, &group)) {
        for (size_t i = 0; i < sizeof joints && slice_eq(each_topic, topic); i++) {
            struct slice name = arena_printf(arena, "%s%.*s%c%.*s", TOPIC_RETRY_PREFIX,
                                             SLICE_FMT(group), joints[i], SLICE_FMT(topic));
            if (topics_get(broker->topics, name) == NULL)
                continue;
            struct doomed *d = arena_alloc(arena, sizeof *d);
            *d = (struct doomed){ name, doomed };
            doomed = d;
        }
    }
    for (; doomed != NULL; doomed = doomed->next)
        delete_topic(broker, doomed->name);
}

static bool is_blank(struct slice text)
{
    size_t i = 0;
    while (i < text.len && (text.data[i] == ' ' || text.data[i] == '\t'))
        i++;
    return i == text.len;
}

void handle_delete_topic(struct broker *broker, struct request *req)
{
    struct topic_request fields;
    if (request_fields(req, &topic_request_fields, &fields) != 0)
        return;
    struct refusal refusal = { RESP_INVALID_PARAMETER, SLICE("The specified topic is blank.") };
    if (is_blank(fields.topic) || (is_reserved(broker, fields.topic) &&
                                   !name_allowed(broker, fields.topic, &req->arena, &refusal))) {
        refuse(req, &refusal);
        return;
    }
    delete_pop_retry_topics(broker, fields.topic, &req->arena);
    delete_topic(broker, fields.topic);
    broker_topics_changed(broker);
    reply_when_saved(broker, req, TABLE_TOPICS);
}

void handle_all_topics(struct broker *broker, struct request *req)
{
    struct topic_table table = { .version = *topics_version(broker->topics) };
    struct topic_config *configs =
        arena_alloc(&req->arena, (topics_count(broker->topics) + 1) * sizeof *configs);
    size_t cursor = 0;
    const struct topic_config *config;
    while (topics_next(broker->topics, &cursor, &config))
        configs[table.count++] = *config;
    table.topics = configs;
    struct buf body = BUF_INIT;
    topic_table_encode(&table, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_get_topic(struct broker *broker, struct request *req)
{
    struct topic_request fields;
    if (request_fields(req, &topic_request_fields, &fields) != 0)
        return;
    const struct topic_config *config = topics_get(broker->topics, fields.topic);
    if (config == NULL) {
        reply_code(req, RESP_TOPIC_NOT_EXIST, "No topic in this broker. topic: %.*s",
                   SLICE_FMT(fields.topic));
        return;
    }
    struct buf body = BUF_INIT;
    topic_config_encode(config, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

struct stats_query {
    struct offload offload;
    struct topic_queue_stats *queues;
    int queue_count;
    double put_rate;
    struct unreadable unreadable;
};

static int read_queue_stats(struct store *store, struct topic_queue_stats *s)
{
    struct store_bounds bounds;
    int64_t time_ms = 0;
    int err = store_queue_bounds(store, s->queue.topic, s->queue.queue_id, &bounds);
    s->min_offset = bounds.min;
    s->max_offset = bounds.max;
    if (err == 0 && bounds.max > bounds.min)
        err = store_queue_time(store, s->queue.topic, s->queue.queue_id, bounds.max - 1, &time_ms);
    s->last_update_timestamp = time_ms > 0 ? time_ms : 0;
    return err;
}

static void read_topic_stats(struct offload *o)
{
    struct stats_query *q = (struct stats_query *)o;
    struct store *store = o->broker->store;
    int rows = 0;
    for (int i = 0; i < q->queue_count; i++) {
        struct topic_queue_stats *s = &q->queues[i];
        if (unreadable_note(&q->unreadable, s->queue.topic, s->queue.queue_id,
                            read_queue_stats(store, s)))
            q->queues[rows++] = *s;
    }
    q->queue_count = rows;
    struct topic_stats stats = { .queues = q->queues,
                                 .queue_count = q->queue_count,
                                 .topic_put_tps = q->put_rate };
    topic_stats_encode(&stats, &o->body);
}

static void reply_stats(struct offload *o)
{
    const struct stats_query *q = (struct stats_query *)o;
    unreadable_answer_table(o->broker, o->req, &q->unreadable, q->queue_count, buf_slice(&o->body));
}

void handle_topic_stats(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct topic_request fields;
    if (request_fields(req, &topic_request_fields, &fields) != 0)
        return;
    const struct topic_config *config = topics_get(broker->topics, fields.topic);
    if (config == NULL) {
        reply_code(req, RESP_TOPIC_NOT_EXIST, "topic[%.*s] not exist", SLICE_FMT(fields.topic));
        return;
    }
    struct stats_query *q = arena_zalloc(&req->arena, sizeof *q);
    struct slice broker_name = arena_copy(&req->arena, slice_str(broker->conf.broker_name));
    q->put_rate = stats_put_rate(broker->stats, fields.topic, loop_now_ns(broker->loop));
    int32_t queue_count = config->write_queue_count > config->read_queue_count
                              ? config->write_queue_count
                              : config->read_queue_count;
    q->queue_count = queues_listed(queue_count);
    q->queues = arena_zalloc(&req->arena, ((size_t)q->queue_count + 1) * sizeof *q->queues);
    for (int i = 0; i < q->queue_count; i++)
        q->queues[i].queue = (struct message_queue){ fields.topic, broker_name, i };
    offload_start(&q->offload, broker, req, read_topic_stats, reply_stats);
}
