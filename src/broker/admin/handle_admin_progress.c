/* handle_admin_progress.c - how far consumers are, for tools: one group (208), one group in one
 * topic by time (303), every group (317).
 *
 * What is to be read is listed on the loop; offsets and times of the queues are read by a worker.
 */
#include <time.h>

#include "base/map.h"
#include "broker/figures/stats.h"
#include "broker/groups/clients.h"
#include "broker/groups/progress.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/requests.h"
#include "broker/unreadable.h"
#include "wire/body_progress.h"
#include "wire/req_admin.h"

/* All in one answer: what fits into a frame. */
enum { PROGRESS_QUEUES_MAX = 60000 };

static void reply_read(struct offload *o, const struct unreadable *unreadable, int rows)
{
    unreadable_answer_table(o->broker, o->req, unreadable, rows, buf_slice(&o->body));
}

/* ---- the queues of a topic, as a group sees them --------------------------------------------- */

/* False: the group is online and does not subscribe to the topic (any more). */
static bool is_subscribed_or_offline(const struct broker *broker, struct slice group,
                                     struct slice topic)
{
    const struct client_group *online = clients_consumer_group(broker->clients, group);
    return online == NULL || online->subscriptions.count == 0 ||
           client_group_subscription(online, topic) != NULL;
}

/* What the loop knows of each queue of a topic; topic and broker name outlive the request. */
static struct consume_queue_stats *list_queues(struct broker *broker, struct arena *arena,
                                               struct slice topic, struct slice group,
                                               struct slice broker_name, int32_t queue_count)
{
    struct consume_queue_stats *queues =
        arena_zalloc(arena, ((size_t)queue_count + 1) * sizeof *queues);
    for (int32_t id = 0; id < queue_count; id++) {
        int64_t committed = progress_get(broker->progress, topic, group, id);
        int64_t pulled = progress_pulled_to(broker->progress, topic, group, id);
        queues[id].queue = (struct message_queue){ topic, broker_name, id };
        queues[id].consumer_offset = committed < 0 ? 0 : committed;
        queues[id].pull_offset = pulled < 0 ? 0 : pulled;
    }
    return queues;
}

static int read_queue(struct store *store, struct consume_queue_stats *s)
{
    struct store_bounds bounds;
    int64_t time_ms = 0;
    int err = store_queue_bounds(store, s->queue.topic, s->queue.queue_id, &bounds);
    s->broker_offset = bounds.max;
    if (err == 0 && s->consumer_offset > 0)
        err = store_queue_time(store, s->queue.topic, s->queue.queue_id, s->consumer_offset - 1,
                               &time_ms);
    s->last_timestamp = time_ms > 0 ? time_ms : 0;
    return err;
}

/* On a worker: the rest. Returns how many are left: those that could be read. */
static int read_queues(struct store *store, struct consume_queue_stats *queues, int count,
                       struct unreadable *unreadable)
{
    int rows = 0;
    for (int i = 0; i < count; i++)
        if (unreadable_note(unreadable, queues[i].queue.topic, queues[i].queue.queue_id,
                            read_queue(store, &queues[i])))
            queues[rows++] = queues[i];
    return rows;
}

/* ---- one group ------------------------------------------------------------------------------- */

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
    double get_rate;
    struct unreadable unreadable;
};

static void add_topic(const struct broker *broker, struct arena *arena, struct slice topic,
                      struct topic_node **list, int *queues)
{
    const struct topic_config *config = topics_get(broker->topics, topic);
    if (config == NULL)
        return;
    struct topic_node *node = arena_alloc(arena, sizeof *node);
    *node = (struct topic_node){ arena_copy(arena, topic), queues_listed(config->read_queue_count),
                                 *list };
    *queues += node->queue_count;
    *list = node;
}

/* Topics joined by ';' are all wanted, whatever the group subscribes to. */
static void add_named_topics(const struct broker *broker, struct arena *arena, struct slice names,
                             struct topic_node **list, int *queues)
{
    while (names.len > 0) {
        struct slice name = slice_cut(&names, ';');
        add_topic(broker, arena, name, list, queues);
    }
}

/* The topics that are wanted: those named; the one named, or with none named all of the group, as
 * long as the group has not stopped subscribing to it. */
static struct topic_node *list_topics(const struct broker *broker,
                                      const struct consume_stats_request *fields,
                                      struct arena *arena, int *queues)
{
    struct topic_node *list = NULL;
    struct slice group = fields->consumer_group;
    if (fields->topic_list.len > 0) {
        add_named_topics(broker, arena, fields->topic_list, &list, queues);
    } else if (fields->topic.len > 0) {
        if (is_subscribed_or_offline(broker, group, fields->topic))
            add_topic(broker, arena, fields->topic, &list, queues);
    } else {
        size_t cursor = 0;
        struct slice topic, owner;
        while (offsets_next(broker->offsets, &cursor, &topic, &owner))
            if (slice_eq(owner, group) && is_subscribed_or_offline(broker, group, topic))
                add_topic(broker, arena, topic, &list, queues);
    }
    return list;
}

static void read_consume_stats(struct offload *o)
{
    struct consume_query *q = (struct consume_query *)o;
    q->queue_count = read_queues(o->broker->store, q->queues, q->queue_count, &q->unreadable);
    struct consume_stats stats = { .queues = q->queues,
                                   .queue_count = q->queue_count,
                                   .consume_tps = q->get_rate };
    consume_stats_encode(&stats, &o->body);
}

static void reply_consume_stats(struct offload *o)
{
    const struct consume_query *q = (struct consume_query *)o;
    reply_read(o, &q->unreadable, q->queue_count);
}

void handle_consume_stats(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct arena *arena = &req->arena;
    struct consume_query *q = arena_zalloc(arena, sizeof *q);
    if (request_fields(req, &consume_stats_request_fields, &q->fields) != 0)
        return;
    int total = 0;
    struct topic_node *topics = list_topics(broker, &q->fields, arena, &total);
    if (total > PROGRESS_QUEUES_MAX) {
        reply_code(req, RESP_SYSTEM_ERROR, "%d queues are more than one answer holds", total);
        return;
    }
    struct slice broker_name = arena_copy(arena, slice_str(broker->conf.broker_name));
    q->queues = arena_zalloc(arena, ((size_t)total + 1) * sizeof *q->queues);
    for (; topics != NULL; topics = topics->next) {
        const struct consume_queue_stats *queues =
            list_queues(broker, arena, topics->topic, q->fields.consumer_group, broker_name,
                        topics->queue_count);
        memcpy(q->queues + q->queue_count, queues, (size_t)topics->queue_count * sizeof *queues);
        q->queue_count += topics->queue_count;
        q->get_rate += stats_get_rate(broker->stats, topics->topic, q->fields.consumer_group,
                                      loop_now_ns(broker->loop));
    }
    offload_start(&q->offload, broker, req, read_consume_stats, reply_consume_stats);
}

/* ---- every group ----------------------------------------------------------------------------- */

struct progress_query {
    struct offload offload;
    struct broker_progress progress;
    int rows; /* queues that could be read */
    struct unreadable unreadable;
};

/* A topic that a group has offsets in. */
struct pair_node {
    struct slice topic;
    int32_t queue_count;
    struct pair_node *next; /* of the same group */
};

struct pair_list {
    struct pair_node *first;
    int count;
};

static void add_pair(struct map *by_group, struct arena *arena, struct slice group,
                     struct pair_node pair)
{
    struct pair_list *list = map_get(by_group, group);
    if (list == NULL) {
        list = arena_zalloc(arena, sizeof *list);
        map_put(by_group, group, list);
    }
    struct pair_node *node = arena_alloc(arena, sizeof *node);
    pair.next = list->first;
    *node = pair;
    list->first = node;
    list->count++;
}

/* Group -> struct pair_list, of every topic that is wanted. Returns the number of queues. */
static int list_pairs(const struct broker *broker, bool only_ordered, struct arena *arena,
                      struct map *by_group)
{
    int queues = 0;
    size_t cursor = 0;
    struct slice topic, group;
    while (offsets_next(broker->offsets, &cursor, &topic, &group)) {
        const struct topic_config *config = topics_get(broker->topics, topic);
        if (config == NULL || (only_ordered && !config->order) ||
            !is_subscribed_or_offline(broker, group, topic))
            continue;
        struct pair_node pair = { .topic = arena_copy(arena, topic),
                                  .queue_count = queues_listed(config->write_queue_count) };
        queues += pair.queue_count;
        add_pair(by_group, arena, group, pair);
    }
    return queues;
}

static void fill_group(struct broker *broker, struct arena *arena, struct slice broker_name,
                       const struct pair_list *pairs, struct group_progress *group)
{
    struct consume_stats *topics = arena_zalloc(arena, (size_t)pairs->count * sizeof *topics);
    group->topics = topics;
    for (const struct pair_node *pair = pairs->first; pair != NULL; pair = pair->next)
        topics[group->topic_count++] = (struct consume_stats){
            .queues = list_queues(broker, arena, pair->topic, group->group, broker_name,
                                  pair->queue_count),
            .queue_count = pair->queue_count,
            .consume_tps =
                stats_get_rate(broker->stats, pair->topic, group->group, loop_now_ns(broker->loop)),
        };
}

static void list_groups(struct broker *broker, struct arena *arena, const struct map *by_group,
                        struct broker_progress *progress)
{
    struct slice broker_name = arena_copy(arena, slice_str(broker->conf.broker_name));
    size_t cursor = 0;
    const struct group_config *config;
    int count = 0;
    while (groups_next(broker->groups, &cursor, &config))
        count++;
    struct group_progress *groups = arena_zalloc(arena, ((size_t)count + 1) * sizeof *groups);
    progress->groups = groups;
    cursor = 0;
    while (groups_next(broker->groups, &cursor, &config)) {
        struct group_progress *group = &groups[progress->group_count++];
        const struct pair_list *pairs = map_get(by_group, config->name);
        group->group = arena_copy(arena, config->name);
        if (pairs != NULL)
            fill_group(broker, arena, broker_name, pairs, group);
    }
}

static void read_topic(struct store *store, struct consume_stats *stats, struct progress_query *q)
{
    struct broker_progress *progress = &q->progress;
    stats->queue_count = read_queues(store, stats->queues, stats->queue_count, &q->unreadable);
    q->rows += stats->queue_count;
    for (int i = 0; i < stats->queue_count; i++) {
        const struct consume_queue_stats *queue = &stats->queues[i];
        progress->total_diff += queue->broker_offset - queue->consumer_offset;
        progress->total_inflight_diff += queue->pull_offset - queue->consumer_offset;
    }
}

static void read_progress(struct offload *o)
{
    struct progress_query *q = (struct progress_query *)o;
    struct broker_progress *progress = &q->progress;
    for (int g = 0; g < progress->group_count; g++)
        for (int t = 0; t < progress->groups[g].topic_count; t++)
            read_topic(o->broker->store, &progress->groups[g].topics[t], q);
    broker_progress_encode(progress, &o->body);
}

static void reply_progress(struct offload *o)
{
    const struct progress_query *q = (struct progress_query *)o;
    reply_read(o, &q->unreadable, q->rows);
}

void handle_broker_progress(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct broker_consume_stats_request fields;
    struct progress_query *q = arena_zalloc(&req->arena, sizeof *q);
    if (request_fields(req, &broker_consume_stats_request_fields, &fields) != 0)
        return;
    struct map by_group;
    map_init(&by_group);
    int queues = list_pairs(broker, fields.is_order, &req->arena, &by_group);
    if (queues <= PROGRESS_QUEUES_MAX)
        list_groups(broker, &req->arena, &by_group, &q->progress);
    map_fini(&by_group);
    q->progress.broker_addr = arena_copy(&req->arena, slice_str(broker->address));
    if (queues <= PROGRESS_QUEUES_MAX)
        offload_start(&q->offload, broker, req, read_progress, reply_progress);
    else
        reply_code(req, RESP_SYSTEM_ERROR, "%d queues are more than one answer holds", queues);
}

/* ---- one group in one topic, by time --------------------------------------------------------- */

struct span_query {
    struct offload offload;
    struct queue_time_span *spans;
    int64_t *consumer_offsets;
    int queue_count;
    int64_t now_ms;
    struct unreadable unreadable;
};

static struct told_time tell_time(int64_t ms, struct arena *arena)
{
    time_t seconds = (time_t)(ms >= 0 ? ms / 1000 : (ms - 999) / 1000);
    struct tm local;
    localtime_r(&seconds, &local);
    return (struct told_time){
        ms,
        arena_printf(arena, "%04d-%02d-%02d#%02d:%02d:%02d:%03d", local.tm_year + 1900,
                     local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                     (int)(ms - (int64_t)seconds * 1000)),
    };
}

static int read_span(struct store *store, struct queue_time_span *span, int64_t consumer_offset,
                     int64_t now_ms, struct arena *arena)
{
    enum { OLDEST, NEWEST, CONSUMED, NEXT, TIMES };
    struct slice topic = span->queue.topic;
    int32_t id = span->queue.queue_id;
    struct store_bounds bounds;
    int64_t times[TIMES] = { 0 };
    int err = store_queue_bounds(store, topic, id, &bounds);
    const int64_t offsets[TIMES] = {
        [OLDEST] = bounds.min,
        [NEWEST] = bounds.max - 1,
        [CONSUMED] = consumer_offset > 0 ? consumer_offset - 1 : bounds.min,
        [NEXT] = consumer_offset,
    };
    for (int i = 0; i < TIMES && err == 0; i++)
        err = store_queue_time(store, topic, id, offsets[i], &times[i]);
    span->oldest = tell_time(times[OLDEST], arena);
    span->newest = tell_time(times[NEWEST], arena);
    span->consumed = tell_time(times[CONSUMED], arena);
    if (consumer_offset < bounds.max)
        span->delay_ms = now_ms - times[NEXT];
    return err;
}

static void read_spans(struct offload *o)
{
    struct span_query *q = (struct span_query *)o;
    int rows = 0;
    for (int i = 0; i < q->queue_count; i++)
        if (unreadable_note(&q->unreadable, q->spans[i].queue.topic, q->spans[i].queue.queue_id,
                            read_span(o->broker->store, &q->spans[i], q->consumer_offsets[i],
                                      q->now_ms, &o->req->arena)))
            q->spans[rows++] = q->spans[i];
    q->queue_count = rows;
    time_spans_encode(q->spans, q->queue_count, &o->body);
}

static void reply_spans(struct offload *o)
{
    const struct span_query *q = (struct span_query *)o;
    reply_read(o, &q->unreadable, q->queue_count);
}

void handle_time_span(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct arena *arena = &req->arena;
    struct topic_group_request fields;
    if (request_fields(req, &topic_group_request_fields, &fields) != 0)
        return;
    const struct topic_config *config = topics_get(broker->topics, fields.topic);
    if (config == NULL) {
        reply_code(req, RESP_TOPIC_NOT_EXIST, "topic[%.*s] not exist", SLICE_FMT(fields.topic));
        return;
    }
    struct span_query *q = arena_zalloc(arena, sizeof *q);
    struct slice broker_name = arena_copy(arena, slice_str(broker->conf.broker_name));
    q->now_ms = loop_now_ms(broker->loop);
    q->queue_count = queues_listed(config->write_queue_count);
    q->spans = arena_zalloc(arena, ((size_t)q->queue_count + 1) * sizeof *q->spans);
    q->consumer_offsets =
        arena_alloc(arena, ((size_t)q->queue_count + 1) * sizeof *q->consumer_offsets);
    for (int32_t id = 0; id < q->queue_count; id++) {
        q->spans[id].queue = (struct message_queue){ fields.topic, broker_name, id };
        q->consumer_offsets[id] = progress_get(broker->progress, fields.topic, fields.group, id);
    }
    offload_start(&q->offload, broker, req, read_spans, reply_spans);
}
