/* request.c - a request's life, from the frame to its one answer.
 *
 * Request structs and the first chunk of their arenas are used again: a send allocates nothing.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/thread_end.h"
#include "remoting/peer.h"

enum { POOL_MAX = 256 };

static _Thread_local struct list pool;
static _Thread_local int pool_count = -1; /* -1: the list is not set up yet */

static void empty_pool(void)
{
    while (pool_count > 0) {
        struct request *req = list_entry(pool.next, struct request, link);
        list_remove(&req->link);
        pool_count--;
        arena_fini(&req->arena);
        free(req);
    }
    pool_count = -1;
}

struct request *request_new(struct peer *peer)
{
    struct request *req;
    if (pool_count > 0) {
        req = list_entry(pool.next, struct request, link);
        list_remove(&req->link);
        pool_count--;
    } else {
        req = memory_zeroed(1, sizeof *req);
        arena_init(&req->arena);
        list_init(&req->link);
    }
    req->peer = peer_ref(peer);
    req->arrived_ns = conn_arrived_ns(peer->conn);
    req->is_detached = false;
    peer->in_hand++;
    if (peer->in_hand >= peer->owner->pending_max && !peer->is_paused) {
        peer->is_paused = true;
        conn_pause_input(peer->conn);
    }
    return req;
}

void request_free(struct request *req)
{
    struct peer *peer = req->peer;
    assert(peer->in_hand > 0);
    peer->in_hand--;
    if (peer->is_paused &&
        (peer->owner == NULL || peer->in_hand < peer->owner->pending_max / 2 + 1)) {
        peer->is_paused = false;
        conn_resume_input(peer->conn);
    }
    req->peer = NULL;
    arena_reset(&req->arena);
    if (pool_count < 0) {
        list_init(&pool);
        pool_count = 0;
        thread_at_end(empty_pool);
    }
    if (pool_count < POOL_MAX) {
        list_append(&pool, &req->link);
        pool_count++;
    } else {
        arena_fini(&req->arena);
        free(req);
    }
    peer_unref(peer);
}

void request_detach(struct request *req)
{
    if (req->is_detached)
        return;
    req->is_detached = true;
    struct arena *arena = &req->arena;
    struct ext_field *ext = arena_alloc(arena, sizeof *ext * (size_t)(req->header.ext_count + 1));
    for (int i = 0; i < req->header.ext_count; i++)
        ext[i] = (struct ext_field){ arena_copy(arena, req->header.ext[i].key),
                                     arena_copy(arena, req->header.ext[i].value) };
    req->header.ext = ext;
    if (req->header.remark.data != NULL)
        req->header.remark = arena_copy(arena, req->header.remark);
    req->body = arena_copy(arena, req->body);
}

void request_strip(struct request *req)
{
    req->header.ext = NULL;
    req->header.ext_count = 0;
    req->header.remark = slice_of(NULL, 0);
    req->body = slice_of(NULL, 0);
    req->is_detached = true;
}

int request_fields(struct request *req, const struct fields *fields, void *into)
{
    return request_fields_named(req, fields, FIELD_LONG_NAMES, into);
}

int request_fields_named(struct request *req, const struct fields *fields, enum field_names names,
                         void *into)
{
    const char *missing = NULL;
    int err = fields_decode(fields, names, &req->header, into, &missing);
    if (err != 0)
        reply_code(req, RESP_SYSTEM_ERROR, "the custom field <%s> is missing", missing);
    return err;
}

/* In place, if it is no monster. */
static void write_header(struct request *req, const struct header *header, size_t body_bytes)
{
    struct conn *conn = req->peer->conn;
    struct header cut;
    size_t bound;
    const struct header *fit = header_fit(req->type, header, &cut, &bound);
    uint8_t *room = conn_room(conn, bound);
    if (room == NULL) {
        conn_write(conn, header_encode(req->type, fit, body_bytes, &req->arena));
        return;
    }
    size_t bytes = header_put(req->type, fit, body_bytes, room);
    assert(bytes <= bound);
    conn_wrote(conn, bytes);
}

static void write_answer(struct request *req, const struct header *header, struct slice body)
{
    struct conn *conn = req->peer->conn;
    if (!request_is_oneway(req) && conn_is_open(conn)) {
        write_header(req, header, body.len);
        conn_write(conn, body);
    }
    request_free(req);
}

void reply_send(struct request *req, const struct reply *reply)
{
    struct header header = {
        .code = reply->code,
        .version = WIRE_VERSION,
        .opaque = req->header.opaque,
        .flag = HEADER_RESPONSE,
        .language = LANGUAGE_JAVA,
        .remark = reply->remark,
        .ext = reply->ext,
        .ext_count = reply->ext_count,
        .has_ext = reply->has_ext,
        .fields = reply->fields,
        .values = reply->values,
    };
    write_answer(req, &header, reply->body);
}

void reply_forward(struct request *req, const struct header *answer, struct slice body)
{
    struct header header = *answer;
    header.opaque = req->header.opaque;
    header.flag = HEADER_RESPONSE;
    write_answer(req, &header, body);
}

void reply_code(struct request *req, int32_t code, const char *remark, ...)
{
    enum { REMARK_MAX = 1024 };
    struct reply reply = { .code = code };
    if (remark != NULL) {
        char text[REMARK_MAX];
        va_list args;
        va_start(args, remark);
        int len = vsnprintf(text, sizeof text, remark, args);
        va_end(args);
        size_t kept = len < 0 ? 0 : len < REMARK_MAX ? (size_t)len : REMARK_MAX - 1;
        reply.remark = arena_copy(&req->arena, slice_of(text, kept));
    }
    reply_send(req, &reply);
}

void reply_fields(struct request *req, int32_t code, struct slice remark,
                  const struct fields *fields, const void *from, struct slice body)
{
    const struct reply reply = { .code = code,
                                 .remark = remark,
                                 .has_ext = true,
                                 .fields = fields,
                                 .values = from,
                                 .body = body };
    reply_send(req, &reply);
}

void reply_body(struct request *req, struct slice body)
{
    reply_send(req, &(struct reply){ .code = RESP_SUCCESS, .body = body });
}

void request_drop(struct request *req)
{
    request_free(req);
}
