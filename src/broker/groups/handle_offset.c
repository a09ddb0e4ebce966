/* handle_offset.c - offsets of consumer groups (14, 15) and of queues (29 to 32). */
#include "broker/groups/progress.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/requests.h"
#include "broker/send/light_queues.h"
#include "broker/unreadable.h"
#include "wire/req_offset.h"

static void reply_offset(struct request *req, int64_t offset)
{
    struct offset_response fields = { .offset = offset };
    reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &offset_response_fields, &fields,
                 slice_of(NULL, 0));
}

/* A queue that never held a message, or still holds its first one close to the end of the log: a
 * new group may begin at 0 and miss nothing. */
static int may_begin_at_zero(struct broker *broker, struct slice topic, int32_t queue_id, bool *may)
{
    const struct topic_config *config = topics_get(broker->topics, topic);
    struct store_bounds bounds;
    *may = false;
    if (config == NULL || queue_id < 0 || queue_id >= config->read_queue_count)
        return 0;
    int err = store_queue_bounds(broker->store, topic, queue_id, &bounds);
    if (err != 0 || bounds.min > 0)
        return err;
    *may = bounds.max == 0;
    return *may ? 0 : store_queue_begins_in_memory(broker->store, topic, queue_id, may);
}

/* A group that has no offset begins where its client likes, which is at the end for many: that is
 * not answered for a queue that cannot be read now. */
static void answer_new_group(struct broker *broker, struct request *req,
                             const struct query_consumer_offset_request *fields)
{
    struct unreadable unreadable = { .err = 0 };
    bool may_begin = false;
    if (fields->set_zero_if_not_found)
        unreadable_note(&unreadable, fields->topic, fields->queue_id,
                        may_begin_at_zero(broker, fields->topic, fields->queue_id, &may_begin));
    if (unreadable_answer(req, &unreadable))
        return;
    if (may_begin)
        reply_offset(req, 0);
    else
        reply_code(req, RESP_QUERY_NOT_FOUND, "Not found, maybe this group consumer boot first");
}

void handle_query_offset(struct broker *broker, struct request *req)
{
    struct query_consumer_offset_request fields;
    if (request_fields(req, &query_consumer_offset_request_fields, &fields) != 0)
        return;
    int64_t offset =
        progress_get(broker->progress, fields.topic, fields.consumer_group, fields.queue_id);
    if (offset > 0)
        offset = light_queues_offset(broker, fields.topic, fields.queue_id, offset);
    if (offset >= 0)
        reply_offset(req, offset);
    else
        answer_new_group(broker, req, &fields);
}

void handle_update_offset(struct broker *broker, struct request *req)
{
    struct update_consumer_offset_request fields;
    if (request_fields(req, &update_consumer_offset_request_fields, &fields) != 0)
        return;
    if (groups_get(broker->groups, fields.consumer_group) == NULL) {
        reply_code(req, RESP_SUBSCRIPTION_GROUP_NOT_EXIST, "Group %.*s not exist!",
                   SLICE_FMT(fields.consumer_group));
    } else if (topics_get(broker->topics, fields.topic) == NULL) {
        reply_code(req, RESP_TOPIC_NOT_EXIST, "Topic %.*s not exist!", SLICE_FMT(fields.topic));
    } else if (fields.queue_id == QUEUE_ID_ABSENT) {
        reply_code(req, RESP_INVALID_PARAMETER, "QueueId is null, topic is %.*s",
                   SLICE_FMT(fields.topic));
    } else if (fields.commit_offset == OFFSET_ABSENT) {
        reply_code(req, RESP_INVALID_PARAMETER, "Offset is null, topic is %.*s",
                   SLICE_FMT(fields.topic));
    } else {
        if (progress_commit(broker->progress, fields.topic, fields.consumer_group, fields.queue_id,
                            fields.commit_offset))
            reply_code(req, RESP_SUCCESS, NULL);
        else
            reply_code(req, RESP_SUCCESS, "Offset has been previously reset");
    }
}

void handle_max_offset(struct broker *broker, struct request *req)
{
    struct queue_request fields;
    struct store_bounds bounds;
    if (request_fields(req, &queue_request_fields, &fields) == 0 &&
        bounds_or_answer(broker, req, fields.topic, fields.queue_id, &bounds))
        reply_offset(req, bounds.max);
}

void handle_min_offset(struct broker *broker, struct request *req)
{
    struct queue_request fields;
    struct store_bounds bounds;
    if (request_fields(req, &queue_request_fields, &fields) == 0 &&
        bounds_or_answer(broker, req, fields.topic, fields.queue_id, &bounds))
        reply_offset(req, bounds.min);
}

/* ---- what may have to read a record ---------------------------------------------------------- */

struct search {
    struct offload offload;
    struct search_offset_request fields;
    int64_t offset;
    struct unreadable unreadable;
};

static void search_work(struct offload *o)
{
    struct search *s = (struct search *)o;
    enum store_boundary boundary =
        slice_eq(s->fields.boundary_type, SLICE("upper")) ? BOUNDARY_UPPER : BOUNDARY_LOWER;
    unreadable_note(&s->unreadable, s->fields.topic, s->fields.queue_id,
                    store_queue_offset_by_time(o->broker->store, s->fields.topic,
                                               s->fields.queue_id, s->fields.timestamp, boundary,
                                               &s->offset));
}

static void search_finish(struct offload *o)
{
    const struct search *s = (struct search *)o;
    if (!unreadable_answer(o->req, &s->unreadable))
        reply_offset(o->req, s->offset);
}

void handle_search_offset(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct search *s = arena_zalloc(&req->arena, sizeof *s);
    if (request_fields(req, &search_offset_request_fields, &s->fields) == 0)
        offload_start(&s->offload, broker, req, search_work, search_finish);
}

struct earliest {
    struct offload offload;
    struct queue_request fields;
    int64_t timestamp_ms;
    struct unreadable unreadable;
};

static void earliest_work(struct offload *o)
{
    struct earliest *e = (struct earliest *)o;
    struct store *store = o->broker->store;
    struct slice topic = e->fields.topic;
    int32_t queue_id = e->fields.queue_id;
    struct store_bounds bounds;
    if (unreadable_note(&e->unreadable, topic, queue_id,
                        store_queue_bounds(store, topic, queue_id, &bounds)))
        unreadable_note(&e->unreadable, topic, queue_id,
                        store_queue_time(store, topic, queue_id, bounds.min, &e->timestamp_ms));
}

static void earliest_finish(struct offload *o)
{
    const struct earliest *e = (struct earliest *)o;
    struct earliest_store_time_response fields = { e->timestamp_ms };
    if (unreadable_answer(o->req, &e->unreadable))
        return;
    reply_fields(o->req, RESP_SUCCESS, slice_of(NULL, 0), &earliest_store_time_response_fields,
                 &fields, slice_of(NULL, 0));
}

void handle_earliest_time(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct earliest *e = arena_zalloc(&req->arena, sizeof *e);
    if (request_fields(req, &queue_request_fields, &e->fields) == 0)
        offload_start(&e->offload, broker, req, earliest_work, earliest_finish);
}
