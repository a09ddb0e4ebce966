/* remoting.h - requests and responses over connections, both ways, matched by opaque.
 *
 * A peer is the other end of one connection, whoever opened it. A request that came in is answered
 * exactly once, or dropped when it was one-way; a call that goes out is answered, refused or timed
 * out exactly once.
 *
 * Ownership  a request handed to the handler belongs to the handler, until reply_send() or
 *            request_drop() takes it over. Its slices borrow the connection's input until the
 *            handler returns; whoever keeps it longer calls request_detach() first. Everything
 *            allocated from its arena lives until it is taken over. Peers are reference counted
 *            (peer_ref/peer_unref); a request holds its peer.
 * Threads    the loop of the connection, for everything. A detached request may be read and its
 *            arena used by one worker while the loop leaves it alone.
 * Bounds     per peer: `pending_max` requests not yet answered (its input is paused beyond), and
 *            the connection's input and output limits.
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef REMOTING_REMOTING_H
#define REMOTING_REMOTING_H

#include "base/arena.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/tls.h"
#include "net/workers.h"
#include "wire/codes.h"
#include "wire/fields.h"
#include "wire/header.h"

struct peer;

struct request {
    struct header header; /* code, opaque, version, language, ext fields */
    enum serialize_type type;
    struct slice body;
    struct arena arena;
    struct peer *peer;
    int64_t arrived_ns;   /* monotonic, when its bytes were there at the latest */
    uint64_t begun_ticks; /* base/ticks.h, before its header was decoded; 0: peer_leave_untimed() */
    bool is_detached;
    struct list link; /* free for the owner */
};

static inline bool request_is_oneway(const struct request *req)
{
    return (req->header.flag & HEADER_ONEWAY) != 0;
}

/* Copies header, ext fields and body into the arena, so that the request may outlive the handler.
 */
void request_detach(struct request *req);
/* The same for a request of which nothing is wanted any more but its answer: it loses ext fields,
 * remark and body. */
void request_strip(struct request *req);

/* Decodes the ext fields by a table. When a mandatory field is missing the request is answered with
 * SYSTEM_ERROR and a remark that names it, and ERR_INVALID returned: it is gone then. */
MUST_CHECK int request_fields(struct request *req, const struct fields *fields, void *into);
/* The same of a request whose fields may have the other names. */
MUST_CHECK int request_fields_named(struct request *req, const struct fields *fields,
                                    enum field_names names, void *into);

struct reply {
    int32_t code;        /* enum response_code */
    struct slice remark; /* data NULL: none */
    const struct ext_field *ext;
    int ext_count;
    bool has_ext; /* an answer header exists, even when nothing in it is set */
    /* More of it, from a struct by its table; both live until the answer was sent. NULL: none. */
    const struct fields *fields;
    const void *values;
    struct slice body;
};

/* Answers and takes the request over. One-way requests are just dropped. */
void reply_send(struct request *req, const struct reply *reply);
/* An answer without header fields; the remark is printf-formatted, NULL for none. */
void reply_code(struct request *req, int32_t code, const char *remark, ...)
    __attribute__((format(printf, 3, 4)));
/* An answer whose header fields come from a struct by table. */
void reply_fields(struct request *req, int32_t code, struct slice remark,
                  const struct fields *fields, const void *from, struct slice body);
/* Success with a body. */
void reply_body(struct request *req, struct slice body);
/* Passes on what somebody else answered, as it came: code, remark, fields, language and version. */
void reply_forward(struct request *req, const struct header *answer, struct slice body);
/* Ends the request without an answer: it was one-way, or its answer is not wanted any more. */
void request_drop(struct request *req);

/* ---- peers ---------------------------------------------------------------------------------- */

struct peer *peer_ref(struct peer *peer);
void peer_unref(struct peer *peer);
bool peer_is_open(const struct peer *peer);
const struct conn_address *peer_address(const struct peer *peer); /* the other end */
/* A pointer the owner of the server may hang on the peer (its entry among live clients). */
void *peer_user(const struct peer *peer);
void peer_set_user(struct peer *peer, void *user);
void peer_close(struct peer *peer, const char *reason);
/* So many requests that came with the one being handled, right behind it, need not say when they
 * were begun. */
void peer_leave_untimed(struct peer *peer, int count);

/* A request going out. Slices are borrowed until the call returns. */
struct call {
    int32_t code;
    const struct ext_field *ext;
    int ext_count;
    struct slice body;
};

/* How a call ended: err 0 and the response (borrowed for the duration of the callback), or
 * ERR_TIMEOUT, ERR_CLOSED (connection lost or refused). */
struct call_result {
    int err;
    struct header header;
    struct slice body;
};
typedef void call_done_fn(void *ctx, const struct call_result *result);

/* `done` runs exactly once on the loop, never before this returns. */
void peer_call(struct peer *peer, const struct call *call, int64_t timeout_ms, call_done_fn *done,
               void *ctx);
/* One-way: no response will come. */
void peer_tell(struct peer *peer, const struct call *call);

/* ---- server --------------------------------------------------------------------------------- */

struct server;

struct server_options {
    const char *host;
    int port;
    int max_conns;
    int64_t idle_ms; /* serverChannelMaxIdleTimeSeconds */
    int pending_max;
    int receive_buffer_bytes; /* serverSocketRcvBufSize; 0: as large as the kernel likes */
    struct tls_server *tls;   /* outlives the server; NULL: TLS is refused */
    /* A request came in; it is the callee's now. */
    void (*on_request)(void *ctx, struct request *req);
    /* A peer's connection is over. May be NULL. */
    void (*on_peer_closed)(void *ctx, struct peer *peer);
    void *ctx;
};
void server_options_init(struct server_options *options);

MUST_CHECK int server_start(struct loop *loop, const struct server_options *options,
                            struct server **server);
int server_port(const struct server *server);
/* What one peer may make a server keep, received and to be sent, beside its requests. */
int64_t server_peer_bytes_max(void);
int server_peer_count(const struct server *server);
/* No new connections and no new requests from here on; requests in hand may still be answered. */
void server_stop_accepting(struct server *server);
/* True when every request in hand was answered and sent. */
bool server_is_drained(const struct server *server);
/* Closes what is left; calls under way to its peers end with ERR_CLOSED first. */
void server_free(struct server *server);

/* ---- client --------------------------------------------------------------------------------- */

/* Calls to "host:port" addresses over one kept connection each, opened on first use, opened again
 * after a loss by the next call. */
struct client;

struct client_options {
    int64_t connect_timeout_ms;
    int64_t idle_ms;
    struct workers *workers; /* resolves names; NULL: numeric hosts only */
    struct tls_client *tls;  /* outlives the client; NULL: plain connections */
    /* A request from the other side (push). May be NULL: answered REQUEST_CODE_NOT_SUPPORTED. */
    void (*on_request)(void *ctx, struct request *req);
    void *ctx;
};
void client_options_init(struct client_options *options);

MUST_CHECK int client_new(struct loop *loop, const struct client_options *options,
                          struct client **client);
/* Calls under way end with ERR_CLOSED first. */
void client_free(struct client *client);
void client_call(struct client *client, const char *address, const struct call *call,
                 int64_t timeout_ms, call_done_fn *done, void *ctx);
void client_tell(struct client *client, const char *address, const struct call *call);
/* False: the next call to it will open a new connection; the other side knows nothing of ours. */
bool client_is_connected(const struct client *client, const char *address);

#endif
