/* handle_broker.c - what brokers tell and ask: registration, heartbeats, versions, their group. */
#include "base/crc.h"
#include "base/log.h"
#include "namesrv/internal.h"
#include "wire/names.h"

enum { LARGE_BODY_BYTES = 65536 };

/* Brokers of 5.3 with compressedRegister send a zlib stream and say "compressed: false": the stream
 * shows itself, no JSON begins like that. */
static bool is_compressed(const struct register_broker_request *broker, struct slice body)
{
    enum { ZLIB_FIRST_BYTE = 0x78 };
    return broker->compressed || (body.len > 0 && body.data[0] == ZLIB_FIRST_BYTE);
}

/* The order settings go along with the answer once there are any. */
static void reply_registered(struct namesrv *ns, struct request *req,
                             const struct register_broker_response *answer)
{
    struct buf body = BUF_INIT;
    struct kv_table order;
    if (ns->conf.return_order_topic_config_to_broker &&
        kv_list(&ns->kv, SLICE(KV_NAMESPACE_ORDER_TOPIC), &req->arena, &order))
        kv_table_encode(&order, &body);
    reply_fields(req, RESP_SUCCESS, (struct slice){ NULL, 0 }, &register_broker_response_fields,
                 answer, buf_slice(&body));
    buf_fini(&body);
}

/* A refusal with the answer's header, empty. */
static void refuse_registration(struct request *req, const char *why)
{
    static const struct register_broker_response no_answer;
    reply_fields(req, RESP_SYSTEM_ERROR, slice_str(why), &register_broker_response_fields,
                 &no_answer, (struct slice){ NULL, 0 });
}

/* A registration on its way through decoding, in its request's arena. */
struct registration {
    struct job job;
    struct namesrv *ns;
    struct request *req;
    struct register_broker_request broker;
    struct register_body body;
    const char *fault; /* why the body is refused; NULL: it is in `body` */
};

/* On the loop, or on a worker. */
static void decode_registration(struct registration *r)
{
    struct request *req = r->req;
    if (r->broker.body_crc32 != 0 && (uint32_t)r->broker.body_crc32 != crc31(req->body))
        r->fault = "crc32 not match";
    else if (register_body_decode(req->body, is_compressed(&r->broker, req->body),
                                  req->header.version, &req->arena, &r->body) != 0)
        r->fault = "the body is no registration";
}

static void take_registration(struct registration *r)
{
    struct namesrv *ns = r->ns;
    struct request *req = r->req;
    struct register_broker_response answer;
    if (r->fault != NULL) {
        refuse_registration(req, r->fault);
        return;
    }
    const char *why = route_table_register(&ns->routes, &r->broker, &r->body, req->peer,
                                           namesrv_now_ms(ns), &answer);
    if (why != NULL) {
        log_warn("broker_refused name=%.*s address=%.*s why=\"%s\"",
                 SLICE_FMT(r->broker.broker_name), SLICE_FMT(r->broker.broker_addr), why);
        refuse_registration(req, why);
        return;
    }
    peer_set_user(req->peer, ns); /* its end is the end of its brokers */
    namesrv_plan_expiry(ns);
    reply_registered(ns, req, &answer);
}

static void run_decode(struct job *job)
{
    decode_registration((struct registration *)((char *)job - offsetof(struct registration, job)));
}

static void decoded(struct job *job)
{
    struct registration *r =
        (struct registration *)((char *)job - offsetof(struct registration, job));
    r->ns->decodes_out--;
    if (peer_is_open(r->req->peer))
        take_registration(r);
    else /* it is gone, and its brokers with it */
        request_drop(r->req);
}

/* A body of many topics is decoded by a worker: routes are asked for meanwhile. */
void namesrv_register_broker(struct namesrv *ns, struct request *req)
{
    struct register_broker_request broker;
    bool is_large = req->body.len > LARGE_BODY_BYTES;
    if (is_large)
        request_detach(req); /* first: the fields borrow from it */
    if (request_fields(req, &register_broker_request_fields, &broker) != 0)
        return;
    struct registration *r = arena_alloc(&req->arena, sizeof *r);
    *r = (struct registration){
        .job = { .run = run_decode, .done = decoded }, .ns = ns, .req = req, .broker = broker
    };
    if (is_large && workers_submit(ns->workers, ns->loop, &r->job) == 0) {
        ns->decodes_out++;
        return;
    }
    decode_registration(r);
    take_registration(r);
}

void namesrv_unregister_broker(struct namesrv *ns, struct request *req)
{
    struct broker_identity_request broker;
    if (request_fields(req, &broker_identity_request_fields, &broker) != 0)
        return;
    route_table_unregister(&ns->routes, broker.broker_name, broker.broker_addr);
    reply_code(req, RESP_SUCCESS, NULL);
}

void namesrv_broker_heartbeat(struct namesrv *ns, struct request *req)
{
    struct broker_heartbeat_request broker;
    if (request_fields(req, &broker_heartbeat_request_fields, &broker) != 0)
        return;
    route_table_heartbeat(&ns->routes, broker.broker_name, broker.broker_addr, namesrv_now_ms(ns));
    reply_code(req, RESP_SUCCESS, NULL);
}

void namesrv_query_data_version(struct namesrv *ns, struct request *req)
{
    struct broker_identity_request broker;
    struct data_version asked = { 0 };
    if (request_fields(req, &broker_identity_request_fields, &broker) != 0)
        return;
    if (req->body.len > 0 && data_version_decode(req->body, &asked) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no data version");
        return;
    }
    const struct data_version *known =
        route_table_query_version(&ns->routes, &broker, namesrv_now_ms(ns));
    struct query_data_version_response answer = { known == NULL ||
                                                  !data_version_eq(known, &asked) };
    struct buf body = BUF_INIT;
    if (known != NULL)
        data_version_encode(known, &body);
    reply_fields(req, RESP_SUCCESS, (struct slice){ NULL, 0 }, &query_data_version_response_fields,
                 &answer, buf_slice(&body));
    buf_fini(&body);
}

void namesrv_get_member_group(struct namesrv *ns, struct request *req)
{
    struct member_group_request asked;
    if (request_fields(req, &member_group_request_fields, &asked) != 0)
        return;
    struct member_group group = { .cluster = asked.cluster_name, .broker_name = asked.broker_name };
    struct buf body = BUF_INIT;
    route_table_members(&ns->routes, asked.broker_name, &req->arena, &group);
    member_group_encode(&group, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void namesrv_wipe_write_perm(struct namesrv *ns, struct request *req)
{
    struct write_perm_request asked;
    if (request_fields(req, &write_perm_request_fields, &asked) != 0)
        return;
    struct wipe_write_perm_response answer = { route_table_set_write_perm(
        &ns->routes, asked.broker_name, false) };
    log_info("write_perm_wiped broker=%.*s topics=%d peer=%s", SLICE_FMT(asked.broker_name),
             answer.wipe_topic_count, peer_address(req->peer)->text);
    reply_fields(req, RESP_SUCCESS, (struct slice){ NULL, 0 }, &wipe_write_perm_response_fields,
                 &answer, (struct slice){ NULL, 0 });
}

void namesrv_add_write_perm(struct namesrv *ns, struct request *req)
{
    struct write_perm_request asked;
    if (request_fields(req, &write_perm_request_fields, &asked) != 0)
        return;
    struct add_write_perm_response answer = { route_table_set_write_perm(&ns->routes,
                                                                         asked.broker_name, true) };
    log_info("write_perm_added broker=%.*s topics=%d peer=%s", SLICE_FMT(asked.broker_name),
             answer.add_topic_count, peer_address(req->peer)->text);
    reply_fields(req, RESP_SUCCESS, (struct slice){ NULL, 0 }, &add_write_perm_response_fields,
                 &answer, (struct slice){ NULL, 0 });
}
