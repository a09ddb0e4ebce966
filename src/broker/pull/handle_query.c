/* handle_query.c - messages found by key (12) and by place (33), read by a worker. */
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/requests.h"
#include "wire/req_query.h"

/* Room an answer leaves for its header below the largest frame. */
enum { QUERY_HEADER_ROOM = 64 * 1024 };

struct query {
    struct offload offload;
    struct query_message_request fields;
    int found; /* or an error */
    struct query_message_response index;
};

static void query_work(struct offload *o)
{
    struct query *q = (struct query *)o;
    q->found =
        store_query(o->broker->store, q->fields.topic, q->fields.key, q->fields.max_num,
                    q->fields.begin_timestamp, q->fields.end_timestamp, &o->body,
                    &q->index.index_last_update_timestamp, &q->index.index_last_update_phy_offset);
}

/* As many whole records from the start of `records` as one frame holds. */
static struct slice fit_in_frame(struct slice records)
{
    size_t used = 0;
    while (records.len - used >= sizeof(int32_t)) {
        size_t next = used + get_be32(records.data + used + RECORD_TOTAL_SIZE);
        if (next > records.len || next > FRAME_MAX_BYTES - QUERY_HEADER_ROOM)
            break;
        used = next;
    }
    return slice_of(records.data, used);
}

static void query_finish(struct offload *o)
{
    struct query *q = (struct query *)o;
    if (q->found < 0) {
        reply_code(o->req, RESP_SYSTEM_ERROR, "the index could not be read: %s",
                   err_name(q->found));
        return;
    }
    if (q->found == 0) {
        static const struct query_message_response nothing = { 0 };
        reply_fields(o->req, RESP_QUERY_NOT_FOUND,
                     SLICE("can not find message, maybe time range not correct"),
                     &query_message_response_fields, &nothing, slice_of(NULL, 0));
        return;
    }
    reply_fields(o->req, RESP_SUCCESS, slice_of(NULL, 0), &query_message_response_fields, &q->index,
                 fit_in_frame(buf_slice(&o->body)));
}

void handle_query_message(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct query *q = arena_zalloc(&req->arena, sizeof *q);
    if (request_fields(req, &query_message_request_fields, &q->fields) != 0)
        return;
    if (q->fields.unique_key_query)
        q->fields.max_num = broker->conf.default_query_max_num;
    if (q->fields.max_num > broker->conf.max_msgs_num_batch)
        q->fields.max_num = broker->conf.max_msgs_num_batch;
    offload_start(&q->offload, broker, req, query_work, query_finish);
}

struct view {
    struct offload offload;
    struct view_message_request fields;
    int err;
};

static void view_work(struct offload *o)
{
    struct view *v = (struct view *)o;
    v->err = store_get_at(o->broker->store, v->fields.phy_offset, &o->body);
}

static void view_finish(struct offload *o)
{
    struct view *v = (struct view *)o;
    if (v->err == 0)
        reply_body(o->req, buf_slice(&o->body));
    else
        reply_code(o->req, RESP_SYSTEM_ERROR, "can not find message by the offset, %lld",
                   (long long)v->fields.phy_offset);
}

void handle_view_message(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct view *v = arena_zalloc(&req->arena, sizeof *v);
    if (request_fields(req, &view_message_request_fields, &v->fields) != 0)
        return;
    offload_start(&v->offload, broker, req, view_work, view_finish);
}
