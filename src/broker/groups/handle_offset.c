/* handle_offset.c - offsets of consumer groups (14, 15) and of queues (29 to 32). */
#include "broker/groups/progress.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/requests.h"
#include "broker/send/light_queues.h"
#include "wire/req_offset.h"

static void reply_offset(struct request *req, int64_t offset)
{
    struct offset_response fields = { .offset = offset };
    reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &offset_response_fields, &fields,
                 slice_of(NULL, 0));
}

/* A queue that never held a message, or still holds its first one close to the end of the log: a
 * new group may begin at 0 and miss nothing. */
static bool may_begin_at_zero(struct broker *broker, struct slice topic, int32_t queue_id)
{
    const struct topic_config *config = topics_get(broker->topics, topic);
    if (config == NULL || queue_id < 0 || queue_id >= config->read_queue_count)
        return false;
    return store_queue_min(broker->store, topic, queue_id) <= 0 &&
           (store_queue_max(broker->store, topic, queue_id) == 0 ||
            store_queue_in_memory(broker->store, topic, queue_id, 0));
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
    else if (fields.set_zero_if_not_found &&
             may_begin_at_zero(broker, fields.topic, fields.queue_id))
        reply_offset(req, 0);
    else
        reply_code(req, RESP_QUERY_NOT_FOUND, "Not found, maybe this group consumer boot first");
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

/* Or one that cannot be read passed for one without messages. False: answered. */
static bool is_readable(struct broker *broker, struct request *req, struct slice topic,
                        int32_t queue_id)
{
    int err = store_queue_open(broker->store, topic, queue_id);
    if (err != 0)
        reply_code(req, RESP_SYSTEM_ERROR, "queue %d of topic %.*s cannot be read: %s", queue_id,
                   SLICE_FMT(topic), err_name(err));
    return err == 0;
}

void handle_max_offset(struct broker *broker, struct request *req)
{
    struct queue_request fields;
    if (request_fields(req, &queue_request_fields, &fields) == 0 &&
        is_readable(broker, req, fields.topic, fields.queue_id))
        reply_offset(req, store_queue_max(broker->store, fields.topic, fields.queue_id));
}

void handle_min_offset(struct broker *broker, struct request *req)
{
    struct queue_request fields;
    if (request_fields(req, &queue_request_fields, &fields) == 0 &&
        is_readable(broker, req, fields.topic, fields.queue_id))
        reply_offset(req, store_queue_min(broker->store, fields.topic, fields.queue_id));
}

/* ---- what may have to read a record ---------------------------------------------------------- */

struct search {
    struct offload offload;
    struct search_offset_request fields;
    int64_t offset;
};

static void search_work(struct offload *o)
{
    struct search *s = (struct search *)o;
    enum store_boundary boundary =
        slice_eq(s->fields.boundary_type, SLICE("upper")) ? BOUNDARY_UPPER : BOUNDARY_LOWER;
    s->offset = store_queue_offset_by_time(o->broker->store, s->fields.topic, s->fields.queue_id,
                                           s->fields.timestamp, boundary);
}

static void search_finish(struct offload *o)
{
    reply_offset(o->req, ((struct search *)o)->offset);
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
};

static void earliest_work(struct offload *o)
{
    struct earliest *e = (struct earliest *)o;
    struct store *store = o->broker->store;
    e->timestamp_ms = store_queue_time(store, e->fields.topic, e->fields.queue_id,
                                       store_queue_min(store, e->fields.topic, e->fields.queue_id));
}

static void earliest_finish(struct offload *o)
{
    struct earliest_store_time_response fields = { ((struct earliest *)o)->timestamp_ms };
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
