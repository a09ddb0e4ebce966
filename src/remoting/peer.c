/* peer.c - frames in, frames out, over one connection.
 *
 * Input is cut into frames as long as the connection may take more: a peer with `pending_max`
 * requests in hand, or one that does not read its answers, is simply not read any further.
 */
#include "remoting/peer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/ticks.h"

struct pending_call {
    struct peer *peer;
    int32_t opaque;
    int err_when_due; /* what the timer tells: ERR_TIMEOUT, or ERR_CLOSED when it never left */
    call_done_fn *done;
    void *ctx;
    struct loop_timer timer;
};

/* ---- calls out ------------------------------------------------------------------------------- */

static struct slice opaque_key(const int32_t *opaque)
{
    return slice_of(opaque, sizeof *opaque);
}

static void finish_call(struct pending_call *call, const struct call_result *result)
{
    map_remove(&call->peer->calls, opaque_key(&call->opaque));
    loop_timer_stop(&call->timer);
    struct peer *peer = call->peer;
    call_done_fn *done = call->done;
    void *ctx = call->ctx;
    free(call);
    done(ctx, result);
    peer_unref(peer);
}

static void on_call_due(struct loop_timer *timer)
{
    struct pending_call *call = list_entry(timer, struct pending_call, timer);
    finish_call(call, &(struct call_result){ .err = call->err_when_due });
}

static void write_request(struct peer *peer, const struct call *call, int32_t opaque, int32_t flag)
{
    struct arena arena;
    arena_init(&arena);
    struct header header = {
        .code = call->code,
        .version = WIRE_VERSION,
        .opaque = opaque,
        .flag = flag,
        .language = LANGUAGE_OTHER,
        .ext = call->ext,
        .ext_count = call->ext_count,
        .has_ext = true,
    };
    conn_write(peer->conn, header_encode(SERIALIZE_JSON, &header, call->body.len, &arena));
    conn_write(peer->conn, call->body);
    arena_fini(&arena);
}

void peer_call(struct peer *peer, const struct call *call, int64_t timeout_ms, call_done_fn *done,
               void *ctx)
{
    struct loop *loop = conn_loop(peer->conn);
    struct pending_call *pending = memory_zeroed(1, sizeof *pending);
    bool is_open = peer_is_open(peer);
    *pending = (struct pending_call){
        .peer = peer_ref(peer),
        .opaque = peer->next_opaque++,
        .err_when_due = is_open ? ERR_TIMEOUT : ERR_CLOSED,
        .done = done,
        .ctx = ctx,
    };
    loop_timer_init(&pending->timer, on_call_due);
    loop_timer_start(loop, &pending->timer, is_open ? timeout_ms : 0);
    map_put(&peer->calls, opaque_key(&pending->opaque), pending);
    if (is_open)
        write_request(peer, call, pending->opaque, 0);
}

void peer_tell(struct peer *peer, const struct call *call)
{
    if (peer_is_open(peer))
        write_request(peer, call, peer->next_opaque++, HEADER_ONEWAY);
}

static void fail_calls(struct peer *peer, int err)
{
    size_t cursor = 0;
    struct slice key;
    void *call;
    while (map_next(&peer->calls, &cursor, &key, &call)) {
        /* Told by its timer: whoever made the call may be the one who closes. */
        ((struct pending_call *)call)->err_when_due = err;
        loop_timer_start(conn_loop(peer->conn), &((struct pending_call *)call)->timer, 0);
    }
}

void peer_end_calls(struct peer *peer)
{
    assert(!peer_is_open(peer));
    size_t cursor = 0;
    struct slice key;
    void *call;
    while (map_next(&peer->calls, &cursor, &key, &call))
        finish_call(call, &(struct call_result){ .err = ERR_CLOSED });
}

/* ---- frames in ------------------------------------------------------------------------------- */

static void take_response(struct peer *peer, const struct header *header, struct slice body)
{
    struct pending_call *call = map_get(&peer->calls, opaque_key(&header->opaque));
    if (call == NULL)
        return; /* its caller gave up */
    finish_call(call, &(struct call_result){ .header = *header, .body = body });
}

static void take_request(struct peer *peer, struct request *req)
{
    if (peer->owner->on_request == NULL)
        reply_code(req, RESP_REQUEST_CODE_NOT_SUPPORTED, " request type %d not supported",
                   req->header.code);
    else
        peer->owner->on_request(peer->owner->ctx, req);
}

/* False: the frame was not one, and the connection has been closed. */
static bool take_frame(struct peer *peer, const struct frame *frame)
{
    struct request *req = request_new(peer);
    req->begun_ticks = peer->untimed == 0 ? ticks_now() : 0;
    if (peer->untimed > 0)
        peer->untimed--;
    int err = header_decode(frame->type, frame->header, &req->arena, &req->header);
    if (err != 0) {
        request_free(req);
        peer_close(peer, "malformed_header");
        return false;
    }
    req->type = frame->type;
    req->body = frame->body;
    if (req->header.flag & HEADER_RESPONSE) {
        take_response(peer, &req->header, req->body);
        request_free(req);
        peer->untimed = 0; /* what the caller did has taken its time */
    } else {
        take_request(peer, req);
    }
    return true;
}

static size_t on_input(struct conn *conn, void *ctx, struct slice in)
{
    struct peer *peer = ctx;
    size_t used = 0;
    peer->untimed = 0;
    while (used < in.len && !conn_input_is_held(conn)) {
        struct frame frame;
        size_t need = 0;
        int err = frame_parse(slice_from(in, used), &frame, &need);
        if (err == ERR_INCOMPLETE) {
            conn_need(conn, need);
            break;
        }
        if (err != 0) {
            peer_close(peer, err == ERR_TOO_BIG ? "frame_too_big" : "malformed_frame");
            break;
        }
        if (!take_frame(peer, &frame))
            break;
        used += frame.bytes;
    }
    return used;
}

static void on_closed(struct conn *conn, void *ctx)
{
    (void)conn;
    struct peer *peer = ctx;
    const struct peer_owner *owner = peer->owner;
    list_remove(&peer->link);
    fail_calls(peer, ERR_CLOSED);
    if (owner->on_closed != NULL)
        owner->on_closed(owner->ctx, peer);
    peer->owner = NULL;
    peer_unref(peer);
}

static bool on_half_closed(struct conn *conn, void *ctx)
{
    (void)conn;
    const struct peer *peer = ctx;
    return peer->in_hand > 0;
}

const struct conn_user peer_conn_user = { on_input, on_closed, on_half_closed };

/* ---- life ------------------------------------------------------------------------------------ */

struct peer *peer_new(struct conn *conn, const struct peer_owner *owner)
{
    struct peer *peer = memory_zeroed(1, sizeof *peer);
    peer->conn = conn_ref(conn);
    peer->owner = owner;
    peer->refs = 1;
    map_init(&peer->calls);
    list_init(&peer->link);
    conn_set_user(conn, &peer_conn_user, peer);
    return peer;
}

struct peer *peer_ref(struct peer *peer)
{
    assert(peer->refs > 0);
    peer->refs++;
    return peer;
}

void peer_unref(struct peer *peer)
{
    assert(peer->refs > 0);
    if (--peer->refs > 0)
        return;
    assert(peer->in_hand == 0 && peer->calls.count == 0);
    map_fini(&peer->calls);
    conn_unref(peer->conn);
    free(peer);
}

bool peer_is_open(const struct peer *peer)
{
    return conn_is_open(peer->conn);
}

void peer_close(struct peer *peer, const char *reason)
{
    conn_close(peer->conn, reason);
}

void peer_leave_untimed(struct peer *peer, int count)
{
    assert(count >= 0);
    peer->untimed = count;
}

const struct conn_address *peer_address(const struct peer *peer)
{
    return conn_peer(peer->conn);
}

void *peer_user(const struct peer *peer)
{
    return peer->user;
}

void peer_set_user(struct peer *peer, void *user)
{
    peer->user = user;
}
