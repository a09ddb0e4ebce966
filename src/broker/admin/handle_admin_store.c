/* handle_admin_store.c - the store, for tools: what is to be cleaned (306, 316, 329), and a consume
 * queue as it stands (321). */
#include <stdlib.h>

#include "broker/groups/clients.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/requests.h"
#include "broker/unreadable.h"
#include "wire/body_queue_data.h"
#include "wire/names.h"
#include "wire/req_admin.h"

/* Entries in one answer. */
enum { QUEUE_DATA_MAX = 10000 };
/* Topics removed in one pass of the loop. */
enum { REMOVED_AT_ONCE = 16 };

void handle_clean_queues(struct broker *broker, struct request *req)
{
    store_clean_queues_now(broker->store);
    reply_code(req, RESP_SUCCESS, NULL);
}

void handle_clean_log(struct broker *broker, struct request *req)
{
    store_clean_now(broker->store);
    reply_code(req, RESP_SUCCESS, NULL);
}

/* ---- topics that have queues and are in no table --------------------------------------------- *
 *
 * A worker lists the directories; the loop, which alone may say that a topic does not exist, then
 * removes a few per pass, looking each up again.
 */

struct unused_topic {
    struct slice name;
    struct unused_topic *next;
};

struct clean_topics {
    struct offload offload;
    struct loop_timer step;
    struct unused_topic *list;
};

static void note_topic(void *ctx, struct slice topic)
{
    struct clean_topics *c = ctx;
    struct arena *arena = &c->offload.req->arena;
    struct unused_topic *node = arena_alloc(arena, sizeof *node);
    *node = (struct unused_topic){ arena_copy(arena, topic), c->list };
    c->list = node;
}

static void list_stored_topics(struct offload *o)
{
    store_each_topic(o->broker->store, note_topic, o);
}

static bool is_unused(const struct broker *broker, struct slice topic)
{
    return topics_get(broker->topics, topic) == NULL &&
           !topic_is_system(topic, slice_str(broker->conf.cluster_name)) &&
           !slice_starts_with(topic, SLICE(TOPIC_LMQ_PREFIX));
}

static void remove_some(struct loop_timer *timer)
{
    struct clean_topics *c =
        (struct clean_topics *)((char *)timer - offsetof(struct clean_topics, step));
    struct broker *broker = c->offload.broker;
    for (int removed = 0; c->list != NULL && removed < REMOVED_AT_ONCE; c->list = c->list->next) {
        if (!is_unused(broker, c->list->name))
            continue;
        store_delete_topic(broker->store, c->list->name);
        removed++;
    }
    if (c->list != NULL) {
        loop_timer_start(broker->loop, timer, 0);
        return;
    }
    broker->offloads_out--;
    reply_code(c->offload.req, RESP_SUCCESS, NULL);
}

static void remove_unused(struct offload *o)
{
    struct clean_topics *c = (struct clean_topics *)o;
    o->broker->offloads_out++; /* the broker does not end before it is done */
    loop_timer_init(&c->step, remove_some);
    loop_timer_start(o->broker->loop, &c->step, 0);
}

void handle_clean_topics(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct clean_topics *c = arena_zalloc(&req->arena, sizeof *c);
    offload_start(&c->offload, broker, req, list_stored_topics, remove_unused);
}

/* ---- a consume queue as it stands ------------------------------------------------------------ */

struct queue_query {
    struct offload offload;
    struct query_consume_queue_request fields;
    struct subscription subscription; /* as text: it outlives the client that has it */
    struct queue_data data;
    bool is_there;
    struct unreadable unreadable;
};

static struct subscription subscription_copy(const struct subscription *from, struct arena *arena)
{
    struct subscription copy = *from;
    struct slice *tags = arena_alloc(arena, ((size_t)from->tag_count + 1) * sizeof *tags);
    int32_t *codes = arena_alloc(arena, ((size_t)from->code_count + 1) * sizeof *codes);
    for (int i = 0; i < from->tag_count; i++)
        tags[i] = arena_copy(arena, from->tags[i]);
    for (int i = 0; i < from->code_count; i++)
        codes[i] = from->codes[i];
    copy.topic = arena_copy(arena, from->topic);
    copy.sub_string = arena_copy(arena, from->sub_string);
    copy.expression_type = arena_copy(arena, from->expression_type);
    copy.tags = tags;
    copy.codes = codes;
    return copy;
}

static void note_subscription(struct broker *broker, struct queue_query *q, struct arena *arena)
{
    struct slice group = q->fields.consumer_group;
    const struct client_group *online = clients_consumer_group(broker->clients, group);
    const struct client_subscription *found =
        online == NULL ? NULL : client_group_subscription(online, q->fields.topic);
    if (found == NULL) {
        q->data.filter_data = arena_printf(arena, "%.*s@%.*s is not online!", SLICE_FMT(group),
                                           SLICE_FMT(q->fields.topic));
        return;
    }
    q->subscription = subscription_copy(&found->data, arena);
    q->data.subscription = &q->subscription;
    q->data.filter_data = SLICE("null");
}

static void read_queue(struct offload *o)
{
    struct queue_query *q = (struct queue_query *)o;
    const struct query_consume_queue_request *f = &q->fields;
    struct store *store = o->broker->store;
    struct store_bounds bounds;
    int err = store_queue_bounds(store, f->topic, f->queue_id, &bounds);
    q->data.min_index = bounds.min;
    q->data.max_index = bounds.max;
    q->is_there = q->data.max_index > 0;
    int count = f->count < 0 ? 0 : f->count;
    if (count > QUEUE_DATA_MAX)
        count = QUEUE_DATA_MAX;
    struct queue_data_entry *entries =
        arena_alloc(&o->req->arena, ((size_t)count + 1) * sizeof *entries);
    q->data.entries = entries;
    struct store_queue_entry entry;
    while (err == 0 && q->data.count < count) {
        err = store_queue_entry_at(store, f->topic, f->queue_id, f->index + q->data.count, &entry);
        if (err == 0)
            entries[q->data.count++] =
                (struct queue_data_entry){ entry.phy_offset, entry.bytes, entry.tags_code };
    }
    unreadable_note(&q->unreadable, f->topic, f->queue_id, err == ERR_NOT_FOUND ? 0 : err);
    queue_data_encode(&q->data, &o->body);
}

static void answer_queue(struct offload *o)
{
    struct queue_query *q = (struct queue_query *)o;
    const struct query_consume_queue_request *f = &q->fields;
    if (unreadable_answer(o->req, &q->unreadable))
        return;
    if (!q->is_there)
        reply_code(o->req, RESP_SYSTEM_ERROR, "%d@%.*s is not exist!", f->queue_id,
                   SLICE_FMT(f->topic));
    else if (f->index < q->data.min_index || f->index >= q->data.max_index)
        reply_code(o->req, RESP_SUCCESS, "Index %lld of %d@%.*s is not exist!", (long long)f->index,
                   f->queue_id, SLICE_FMT(f->topic));
    else
        reply_body(o->req, buf_slice(&o->body));
}

void handle_queue_data(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct queue_query *q = arena_zalloc(&req->arena, sizeof *q);
    if (request_fields(req, &query_consume_queue_request_fields, &q->fields) != 0)
        return;
    if (q->fields.consumer_group.data != NULL)
        note_subscription(broker, q, &req->arena);
    offload_start(&q->offload, broker, req, read_queue, answer_queue);
}
