/* handle_reply.c - SEND_REPLY_MESSAGE (324), SEND_REPLY_MESSAGE_V2 (325): the answer to a message
 * that asked for one.
 *
 * The reply names the client that asked (REPLY_TO_CLIENT). It is pushed to that client's connection
 * and, unless storeReplyMessageEnable is off, stored like any message; the sender is told whether
 * the client took it. It is stored before the client has answered, so that nothing of it is kept in
 * memory meanwhile.
 */
#include "base/log.h"
#include "broker/groups/clients.h"
#include "broker/groups/relay.h"
#include "broker/internal.h"
#include "broker/requests.h"
#include "broker/send/acks.h"
#include "broker/send/put.h"
#include "broker/send/send.h"
#include "wire/properties.h"
#include "wire/req_send.h"

struct reply_message {
    struct broker *broker;
    struct request *req; /* which holds this */
    struct slice client_id;
    int32_t queue_id;
    bool is_stored;
    struct store_put_result put;
};

static struct slice trace_on_text(const struct broker *broker)
{
    return broker->conf.trace_on ? SLICE("true") : SLICE("false");
}

/* Tells the sender how it went; `fault` (data NULL: none) is why the client did not get it. */
static void answer(struct reply_message *r, struct slice fault)
{
    struct arena *arena = &r->req->arena;
    struct broker *broker = r->broker;
    bool has_place = r->is_stored || fault.data == NULL;
    struct send_response fields = {
        .msg_id = SLICE("0"), /* clients want one */
        .queue_id = r->queue_id,
        .msg_region = slice_str(broker->conf.region_id),
        .trace_on = trace_on_text(broker),
    };
    if (r->is_stored) {
        char *id = arena_alloc(arena, MSG_ID_TEXT_MAX);
        fields.msg_id = slice_of(id, msg_id_encode(&broker->self, r->put.phy_offset, id));
        fields.queue_offset = r->put.queue_offset;
    }
    struct send_refused_response refused = { fields.msg_region, fields.trace_on };
    struct reply reply = { .code = fault.data == NULL ? RESP_SUCCESS : RESP_SYSTEM_ERROR,
                           .remark = fault,
                           .has_ext = true };
    reply.ext = has_place ? fields_encode(&send_response_fields, FIELD_LONG_NAMES, &fields, arena,
                                          &reply.ext_count)
                          : fields_encode(&send_refused_response_fields, FIELD_LONG_NAMES, &refused,
                                          arena, &reply.ext_count);
    if (r->is_stored && fault.data == NULL)
        acks_reply(broker, r->req, &reply, r->put.end_phy_offset, true);
    else
        reply_send(r->req, &reply);
}

static void pushed(void *ctx, const struct call_result *result)
{
    struct reply_message *r = ctx;
    struct slice fault = { NULL, 0 };
    if (result->err != 0 || result->header.code != RESP_SUCCESS)
        fault = arena_printf(&r->req->arena, "push reply message to %.*s fail: %s",
                             SLICE_FMT(r->client_id),
                             result->err != 0 ? err_name(result->err) : "it refused");
    answer(r, fault);
}

static void push(struct reply_message *r, struct client_member *member,
                 const struct send_request *fields, const struct record *record)
{
    struct arena *arena = &r->req->arena;
    int64_t now_ms = loop_now_ms(r->broker->loop);
    struct property_change change = { SLICE(PROPERTY_PUSH_REPLY_TIME),
                                      arena_printf(arena, "%lld", (long long)now_ms) };
    struct push_reply_request header = {
        .producer_group = fields->producer_group,
        .topic = fields->topic,
        .default_topic = fields->default_topic,
        .default_topic_queue_nums = fields->default_topic_queue_nums,
        .queue_id = fields->queue_id,
        .sys_flag = fields->sys_flag,
        .born_timestamp = fields->born_timestamp,
        .flag = fields->flag,
        .properties = properties_edit(fields->properties, &change, 1, arena),
        .reconsume_times = fields->reconsume_times,
        .unit_mode = fields->unit_mode,
        .born_host = slice_str(peer_address(r->req->peer)->text),
        .store_host = slice_str(r->broker->address),
        .store_timestamp = now_ms,
    };
    struct call call = { .code = REQ_PUSH_REPLY_MESSAGE_TO_CLIENT, .body = record->body };
    call.ext = fields_encode(&push_reply_request_fields, FIELD_LONG_NAMES, &header, arena,
                             &call.ext_count);
    relay_ask(member, &call, RELAY_TIMEOUT_MS, pushed, r);
}

static void store_reply(struct reply_message *r, struct record *record)
{
    if (!r->broker->conf.store_reply_message_enable)
        return;
    int err = broker_put(r->broker, record, 1, &r->req->arena, &r->put, NULL);
    r->is_stored = err == 0;
    if (err != 0)
        log_warn("reply_message_not_stored topic=%.*s reason=%s", SLICE_FMT(record->topic),
                 err_name(err));
}

void handle_reply_message(struct broker *broker, struct request *req)
{
    enum field_names names =
        req->header.code == REQ_SEND_REPLY_MESSAGE ? FIELD_LONG_NAMES : FIELD_LETTERS;
    struct send_request fields;
    struct record record;
    if (!send_check(broker, req, names, &fields, &record))
        return;
    struct slice client_id = property_get(fields.properties, SLICE(PROPERTY_REPLY_TO_CLIENT));
    struct client_member *member =
        client_id.data == NULL ? NULL : clients_producer(broker->clients, client_id);
    struct reply_message *r = arena_zalloc(&req->arena, sizeof *r);
    r->broker = broker;
    r->req = req;
    r->client_id = client_id.data == NULL ? client_id : arena_copy(&req->arena, client_id);
    r->queue_id = fields.queue_id;
    if (member != NULL)
        push(r, member, &fields, &record);
    store_reply(r, &record);
    if (member != NULL) {
        req->body = slice_of(NULL, 0); /* pushed and stored: not worth a copy */
        request_detach(req);
    } else if (client_id.data == NULL) {
        answer(r, SLICE("reply message properties[" PROPERTY_REPLY_TO_CLIENT "] is null"));
    } else {
        answer(r, arena_printf(&req->arena, "push reply message fail, channel of <%.*s> not found.",
                               SLICE_FMT(client_id)));
    }
}
