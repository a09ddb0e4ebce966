/* calls.c - one function per request and per answer: structs to frames and back. */
#include "client/client.h"

#include <stdio.h>

bool call_failure(const struct call_result *result, char *text, size_t text_bytes)
{
    if (result->err == 0 && result->header.code == RESP_SUCCESS)
        return false;
    if (result->err == ERR_TIMEOUT)
        snprintf(text, text_bytes, "no answer in time");
    else if (result->err == ERR_CLOSED)
        snprintf(text, text_bytes, "connection refused or lost");
    else if (result->err != 0)
        snprintf(text, text_bytes, "%s", err_name(result->err));
    else
        snprintf(text, text_bytes, "code %d: %.*s", result->header.code,
                 SLICE_FMT(result->header.remark));
    return true;
}

/* A request whose header fields come from a struct by table; `fields` NULL: none. */
struct outgoing {
    int32_t code;
    const struct fields *fields;
    enum field_names names;
    const void *from;
    struct slice body;
    int64_t timeout_ms;
};

static void call_out(struct client *client, const char *address, const struct outgoing *out,
                     call_done_fn *done, void *ctx)
{
    struct arena arena;
    arena_init(&arena);
    struct call call = { .code = out->code, .body = out->body };
    if (out->fields != NULL)
        call.ext = fields_encode(out->fields, out->names, out->from, &arena, &call.ext_count);
    client_call(client, address, &call, out->timeout_ms, done, ctx);
    arena_fini(&arena);
}

/* Without a body, by long names. */
static void call_plain(struct client *client, const char *address, int32_t code,
                       const struct fields *fields, const void *from, call_done_fn *done, void *ctx)
{
    struct outgoing out = { .code = code,
                            .fields = fields,
                            .names = FIELD_LONG_NAMES,
                            .from = from,
                            .timeout_ms = CALL_TIMEOUT_MS };
    call_out(client, address, &out, done, ctx);
}

static int answer_fields(const struct call_result *result, const struct fields *fields, void *into)
{
    const char *missing;
    if (fields_decode(fields, FIELD_LONG_NAMES, &result->header, into, &missing) != 0)
        return ERR_CORRUPT;
    return 0;
}

void call_route(struct client *client, const char *address, struct slice topic, call_done_fn *done,
                void *ctx)
{
    struct route_request fields = { .topic = topic, .accept_standard_json_only = true };
    call_plain(client, address, REQ_GET_ROUTEINFO_BY_TOPIC, &route_request_fields, &fields, done,
               ctx);
}

int answer_route(const struct call_result *result, struct arena *arena, struct route_data *route)
{
    return route_data_decode(result->body, arena, route);
}

void call_cluster_info(struct client *client, const char *address, call_done_fn *done, void *ctx)
{
    call_plain(client, address, REQ_GET_BROKER_CLUSTER_INFO, NULL, NULL, done, ctx);
}

int answer_cluster_info(const struct call_result *result, struct arena *arena,
                        struct cluster_info *info)
{
    return cluster_info_decode(result->body, arena, info);
}

void call_topic_list(struct client *client, const char *address, call_done_fn *done, void *ctx)
{
    call_plain(client, address, REQ_GET_ALL_TOPIC_LIST_FROM_NAMESERVER, NULL, NULL, done, ctx);
}

int answer_topic_list(const struct call_result *result, struct arena *arena,
                      struct topic_list *list)
{
    return topic_list_decode(result->body, arena, list);
}

void call_send(struct client *client, const char *address, const struct send_request *fields,
               struct slice body, call_done_fn *done, void *ctx)
{
    struct outgoing out = { .code = REQ_SEND_MESSAGE_V2,
                            .fields = &send_request_fields,
                            .names = FIELD_LETTERS,
                            .from = fields,
                            .body = body,
                            .timeout_ms = CALL_TIMEOUT_MS };
    call_out(client, address, &out, done, ctx);
}

int answer_send(const struct call_result *result, struct send_response *response)
{
    return answer_fields(result, &send_response_fields, response);
}

void call_pull(struct client *client, const char *address, const struct pull_request *fields,
               call_done_fn *done, void *ctx)
{
    struct outgoing out = { .code = REQ_PULL_MESSAGE,
                            .fields = &pull_request_fields,
                            .names = FIELD_LONG_NAMES,
                            .from = fields,
                            .timeout_ms = fields->suspend_timeout_ms + CALL_TIMEOUT_MS };
    call_out(client, address, &out, done, ctx);
}

int answer_pull(const struct call_result *result, struct pull_response *response)
{
    return answer_fields(result, &pull_response_fields, response);
}

void call_heartbeat(struct client *client, const char *address, const struct heartbeat *heartbeat,
                    call_done_fn *done, void *ctx)
{
    struct buf body = BUF_INIT;
    heartbeat_encode(heartbeat, &body);
    struct outgoing out = { .code = REQ_HEART_BEAT,
                            .body = buf_slice(&body),
                            .timeout_ms = CALL_TIMEOUT_MS };
    call_out(client, address, &out, done, ctx);
    buf_fini(&body);
}

void call_unregister(struct client *client, const char *address,
                     const struct unregister_client_request *fields, call_done_fn *done, void *ctx)
{
    call_plain(client, address, REQ_UNREGISTER_CLIENT, &unregister_client_request_fields, fields,
               done, ctx);
}

void call_consumer_list(struct client *client, const char *address, struct slice group,
                        call_done_fn *done, void *ctx)
{
    struct consumer_list_request fields = { .consumer_group = group };
    call_plain(client, address, REQ_GET_CONSUMER_LIST_BY_GROUP, &consumer_list_request_fields,
               &fields, done, ctx);
}

int answer_consumer_list(const struct call_result *result, struct arena *arena,
                         struct consumer_list *list)
{
    return consumer_list_decode(result->body, arena, list);
}

void call_query_offset(struct client *client, const char *address,
                       const struct query_consumer_offset_request *fields, call_done_fn *done,
                       void *ctx)
{
    call_plain(client, address, REQ_QUERY_CONSUMER_OFFSET, &query_consumer_offset_request_fields,
               fields, done, ctx);
}

void call_update_offset(struct client *client, const char *address,
                        const struct update_consumer_offset_request *fields, call_done_fn *done,
                        void *ctx)
{
    call_plain(client, address, REQ_UPDATE_CONSUMER_OFFSET, &update_consumer_offset_request_fields,
               fields, done, ctx);
}

void call_max_offset(struct client *client, const char *address, const struct queue_request *fields,
                     call_done_fn *done, void *ctx)
{
    call_plain(client, address, REQ_GET_MAX_OFFSET, &queue_request_fields, fields, done, ctx);
}

int answer_offset(const struct call_result *result, int64_t *queue_offset)
{
    struct offset_response response;
    int err = answer_fields(result, &offset_response_fields, &response);
    if (err == 0)
        *queue_offset = response.offset;
    return err;
}

void call_slow_requests(struct client *client, const char *address, call_done_fn *done, void *ctx)
{
    call_plain(client, address, REQ_GET_SLOW_REQUESTS, NULL, NULL, done, ctx);
}

int answer_slow_requests(const struct call_result *result, struct arena *arena,
                         struct slow_requests *body)
{
    return slow_requests_decode(result->body, arena, body);
}
