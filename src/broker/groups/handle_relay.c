/* handle_relay.c - what only a client knows, asked of it for tools: its inside (307), what comes of
 * a message consumed at once (309), where it is in a topic (223). */
#include "broker/groups/clients.h"
#include "broker/groups/relay.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/requests.h"
#include "wire/body_consumer_status.h"
#include "wire/req_admin.h"

enum { STATUS_TIMEOUT_MS = 5000 };

/* ---- 307 ------------------------------------------------------------------------------------- */

void handle_running_info(struct broker *broker, struct request *req)
{
    struct consumer_running_info_request fields;
    if (request_fields(req, &consumer_running_info_request_fields, &fields) != 0)
        return;
    struct call call = { .code = REQ_GET_CONSUMER_RUNNING_INFO,
                         .ext = req->header.ext,
                         .ext_count = req->header.ext_count,
                         .body = req->body };
    relay_request(broker, req, fields.consumer_group, fields.client_id, &call);
}

/* ---- 309: the message is read here and sent along -------------------------------------------- */

struct directly {
    struct offload offload;
    struct consume_directly_request fields;
    int64_t phy_offset;
    int err;
};

static void read_message(struct offload *o)
{
    struct directly *d = (struct directly *)o;
    d->err = store_get_at(o->broker->store, d->phy_offset, &o->body);
}

/* The request's fields with what the broker knows better. */
static const struct ext_field *completed_fields(const struct directly *d, int *count)
{
    struct broker *broker = d->offload.broker;
    struct request *req = d->offload.req;
    const struct topic_config *topic = topics_get(broker->topics, d->fields.topic);
    const struct group_config *group = groups_get(broker->groups, d->fields.consumer_group);
    struct ext_field added[3] = { { SLICE("brokerName"), slice_str(broker->conf.broker_name) } };
    int added_count = 1;
    if (topic != NULL)
        added[added_count++] =
            (struct ext_field){ SLICE("topicSysFlag"),
                                arena_printf(&req->arena, "%d", topic->sys_flag) };
    if (group != NULL)
        added[added_count++] =
            (struct ext_field){ SLICE("groupSysFlag"),
                                arena_printf(&req->arena, "%d", group->group_sys_flag) };
    struct ext_field *ext =
        arena_alloc(&req->arena, ((size_t)req->header.ext_count + 3) * sizeof *ext);
    *count = 0;
    for (int i = 0; i < req->header.ext_count; i++) {
        bool is_replaced = false;
        for (int k = 0; k < added_count; k++)
            is_replaced |= slice_eq(req->header.ext[i].key, added[k].key);
        if (!is_replaced)
            ext[(*count)++] = req->header.ext[i];
    }
    for (int k = 0; k < added_count; k++)
        ext[(*count)++] = added[k];
    return ext;
}

static void send_message(struct offload *o)
{
    struct directly *d = (struct directly *)o;
    if (d->err != 0) {
        reply_code(o->req, RESP_SYSTEM_ERROR, "no message %.*s: %s", SLICE_FMT(d->fields.msg_id),
                   err_name(d->err));
        return;
    }
    struct call call = { .code = REQ_CONSUME_MESSAGE_DIRECTLY, .body = buf_slice(&o->body) };
    call.ext = completed_fields(d, &call.ext_count);
    relay_request(o->broker, o->req, d->fields.consumer_group, d->fields.client_id, &call);
}

void handle_consume_directly(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct directly *d = arena_zalloc(&req->arena, sizeof *d);
    struct host store_host;
    if (request_fields(req, &consume_directly_request_fields, &d->fields) != 0)
        return;
    if (msg_id_decode(d->fields.msg_id, &store_host, &d->phy_offset) != 0)
        reply_code(req, RESP_SYSTEM_ERROR, "msgId %.*s is not the id of a stored message",
                   SLICE_FMT(d->fields.msg_id));
    else
        offload_start(&d->offload, broker, req, read_message, send_message);
}

/* ---- 223: one client, or all, asked at the same time ----------------------------------------- */

struct status_query {
    struct request *req; /* which holds this */
    struct consumer_status *clients;
    int client_count;
    int asked;
};

struct status_call {
    struct status_query *query;
    struct slice client_id;
};

/* Who does not answer is left out. */
static void client_answered(void *ctx, const struct call_result *result)
{
    struct status_call *call = ctx;
    struct status_query *q = call->query;
    struct consumer_status *status = &q->clients[q->client_count];
    if (result->err == 0 && result->header.code == RESP_SUCCESS &&
        consumer_status_decode(result->body, &q->req->arena, status) == 0) {
        status->client_id = call->client_id;
        q->client_count++;
    }
    if (--q->asked > 0)
        return;
    struct buf body = BUF_INIT;
    consumer_status_table_encode(q->clients, q->client_count, &body);
    reply_body(q->req, buf_slice(&body));
    buf_fini(&body);
}

static void ask_client(struct status_query *q, struct client_member *m, const struct call *call)
{
    struct status_call *ctx = arena_alloc(&q->req->arena, sizeof *ctx);
    *ctx = (struct status_call){ q, arena_copy(&q->req->arena, m->client_id) };
    q->asked++;
    relay_ask(m, call, STATUS_TIMEOUT_MS, client_answered, ctx);
}

static void ask_clients(struct request *req, const struct client_group *group,
                        const struct consumer_status_request *fields)
{
    struct consumer_status_request header = { .topic = fields->topic, .group = fields->group };
    struct call call = { .code = REQ_GET_CONSUMER_STATUS_FROM_CLIENT };
    call.ext = fields_encode(&consumer_status_request_fields, FIELD_LONG_NAMES, &header,
                             &req->arena, &call.ext_count);
    struct status_query *q = arena_zalloc(&req->arena, sizeof *q);
    q->req = req;
    q->clients = arena_zalloc(&req->arena, (size_t)group->member_count * sizeof *q->clients);
    list_each(link, &group->members) {
        struct client_member *m = list_entry(link, struct client_member, group_link);
        if (fields->client_addr.len == 0 || slice_eq(fields->client_addr, m->client_id))
            ask_client(q, m, &call);
    }
    if (q->asked > 0)
        return;
    struct buf body = BUF_INIT;
    consumer_status_table_encode(NULL, 0, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_consumer_status(struct broker *broker, struct request *req)
{
    request_detach(req);
    struct consumer_status_request fields;
    if (request_fields(req, &consumer_status_request_fields, &fields) != 0)
        return;
    const struct client_group *group = clients_consumer_group(broker->clients, fields.group);
    if (group == NULL) {
        reply_code(req, RESP_SYSTEM_ERROR, "No Any Consumer online in the consumer group: [%.*s]",
                   SLICE_FMT(fields.group));
        return;
    }
    list_each(link, &group->members) {
        const struct client_member *m = list_entry(link, struct client_member, group_link);
        if (m->version < RELAY_SINCE_3_0_7) {
            reply_code(req, RESP_SYSTEM_ERROR,
                       "the client does not support this feature. version=%d", m->version);
            return;
        }
    }
    ask_clients(req, group, &fields);
}
