/* server.c - the peers that came in at one port, from the first byte to the last answer.
 *
 *     accepted ── first bytes looked at: a frame, TLS, a proxy's header ── peer.c
 *     ending   ── no more connections, no more input ── drained: every request is answered, every
 *                 answer written ── freed, which closes who is left
 *
 * What one peer may make us keep is bounded here, by the memory there is: input of one frame,
 * output it does not read.
 */
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/memory_limit.h"
#include "remoting/peer.h"
#include "wire/proxy_header.h"

/* A peer may keep so much unsent before it is not read any more, and so much before it is dropped:
 * the largest answer (a pull of a single 4 MiB message, or a table) must fit between. */
enum { OUTPUT_HIGH_BYTES = 4 << 20, OUTPUT_MAX_BYTES = 64 << 20 };
/* In a small memory a part of it, but an answer must fit. */
enum { OUTPUT_HIGH_PART = 64, OUTPUT_MAX_PART = 4, OUTPUT_LEAST_BYTES = 20 << 20 };
static_assert((int)OUTPUT_LEAST_BYTES > (int)FRAME_MAX_BYTES, "the largest answer fits");
/* Most who end their sending have closed altogether, and a consumer's departure must be noticed
 * soon although its pulls are parked: the answers of a half-closed peer are not waited for long. */
enum { STALL_MS = 30000, LINGER_MS = 1000, BACKLOG = 1024 };
enum { TLS_HANDSHAKE = 0x16 };

struct server {
    struct loop *loop;
    struct server_options options;
    struct peer_owner owner;
    struct listener *listener;
    int port;
    struct list peers;
    int peer_count;
    bool is_stopping;
};

void server_options_init(struct server_options *options)
{
    *options = (struct server_options){
        .host = "0.0.0.0", .max_conns = 65536, .idle_ms = 120000, .pending_max = 4096
    };
}

static size_t at_most(int64_t bytes, int64_t most)
{
    return (size_t)(bytes < most ? bytes : most);
}

static struct conn_limits limits_of(const struct server_options *options)
{
    int64_t memory = memory_limit_bytes(), part = memory / OUTPUT_MAX_PART;
    return (struct conn_limits){
        .input_max_bytes = FRAME_MAX_BYTES,
        .output_high_bytes = at_most(memory / OUTPUT_HIGH_PART, OUTPUT_HIGH_BYTES),
        .output_max_bytes =
            at_most(part > OUTPUT_LEAST_BYTES ? part : OUTPUT_LEAST_BYTES, OUTPUT_MAX_BYTES),
        .idle_ms = options->idle_ms,
        .stall_ms = STALL_MS,
        .linger_ms = LINGER_MS,
    };
}

int64_t server_peer_bytes_max(void)
{
    const struct server_options none = { 0 };
    struct conn_limits limits = limits_of(&none);
    return (int64_t)(limits.input_max_bytes + limits.output_max_bytes);
}

static struct sniffed refused(const char *reason)
{
    return (struct sniffed){ .what = SNIFF_REFUSE, .reason = reason };
}

static struct sniffed sniff_proxy(struct conn *conn, struct slice first)
{
    struct proxy_header header;
    size_t need = 0;
    int err = proxy_header_decode(first, &header, &need);
    if (err == ERR_INCOMPLETE)
        return (struct sniffed){ .what = SNIFF_MORE, .bytes = need };
    if (err != 0)
        return refused("malformed_proxy_header");
    struct sockaddr_storage origin = { 0 };
    if (header.source == PROXY_SOURCE_IPV4) {
        struct sockaddr_in *in = (struct sockaddr_in *)&origin;
        in->sin_family = AF_INET;
        in->sin_port = htons(header.port);
        memcpy(&in->sin_addr, header.address, sizeof in->sin_addr);
    } else if (header.source == PROXY_SOURCE_IPV6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&origin;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(header.port);
        memcpy(&in6->sin6_addr, header.address, sizeof in6->sin6_addr);
    }
    conn_set_origin(conn, header.source == PROXY_SOURCE_UNKNOWN ? NULL : &origin);
    return (struct sniffed){ .what = SNIFF_SKIP, .bytes = header.bytes };
}

static struct sniffed sniff_tls(const struct server *server, struct slice first)
{
    const struct tls_server *tls = server->options.tls;
    size_t need = 0;
    if (tls == NULL || tls_server_mode(tls) == TLS_DISABLED)
        return refused("tls_is_disabled");
    int err = tls_hello_check(first, &need);
    if (err == ERR_INCOMPLETE)
        return (struct sniffed){ .what = SNIFF_MORE, .bytes = need };
    return err == 0 ? (struct sniffed){ .what = SNIFF_TLS } : refused("malformed_tls_hello");
}

/* A frame starts with its length, below 16 MiB: the first byte is 0 (1 for the largest frame). TLS
 * and the PROXY protocol show themselves by theirs. */
static struct sniffed sniff(void *ctx, struct conn *conn, struct slice first)
{
    const struct server *server = ctx;
    const struct tls_server *tls = server->options.tls;
    if (conn_is_encrypted(conn))
        return (struct sniffed){ .what = SNIFF_PLAIN };
    if (!conn_is_relayed(conn) && proxy_header_begins(first.data[0]))
        return sniff_proxy(conn, first);
    if (first.data[0] == TLS_HANDSHAKE)
        return sniff_tls(server, first);
    if (tls != NULL && tls_server_mode(tls) == TLS_ENFORCING)
        return refused("tls_is_required");
    return (struct sniffed){ .what = SNIFF_PLAIN };
}

static bool on_conn(void *ctx, struct conn *conn)
{
    struct server *server = ctx;
    if (server->is_stopping)
        return false;
    struct peer *peer = peer_new(conn, &server->owner);
    list_append(&server->peers, &peer->link);
    server->peer_count++;
    return true;
}

static void on_request(void *ctx, struct request *req)
{
    struct server *server = ctx;
    server->options.on_request(server->options.ctx, req);
}

static void on_closed(void *ctx, struct peer *peer)
{
    struct server *server = ctx;
    server->peer_count--;
    if (server->options.on_peer_closed != NULL)
        server->options.on_peer_closed(server->options.ctx, peer);
}

int server_start(struct loop *loop, const struct server_options *options, struct server **started)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return ERR_NO_MEMORY;
    server->loop = loop;
    server->options = *options;
    server->owner =
        (struct peer_owner){ loop, options->pending_max, on_request, on_closed, server };
    list_init(&server->peers);
    struct listener_options listen = {
        .host = options->host,
        .port = options->port,
        .backlog = BACKLOG,
        .max_conns = options->max_conns,
        .receive_buffer_bytes = options->receive_buffer_bytes,
        .limits = limits_of(options),
        .sniff = sniff,
        .tls = options->tls,
        .on_conn = on_conn,
        .ctx = server,
    };
    int err = listener_open(loop, &listen, &server->listener);
    if (err != 0) {
        free(server);
        return err;
    }
    server->port = listener_port(server->listener);
    *started = server;
    return 0;
}

int server_port(const struct server *server)
{
    return server->port;
}

int server_peer_count(const struct server *server)
{
    return server->peer_count;
}

void server_stop_accepting(struct server *server)
{
    if (server->is_stopping)
        return;
    server->is_stopping = true;
    listener_close(server->listener);
    list_each(link, &server->peers)
        conn_pause_input(list_entry(link, struct peer, link)->conn);
}

bool server_is_drained(const struct server *server)
{
    for (const struct list *link = server->peers.next; link != &server->peers; link = link->next) {
        const struct peer *peer = list_entry(link, struct peer, link);
        if (peer->in_hand > 0 || conn_output_bytes(peer->conn) > 0)
            return false;
    }
    return true;
}

void server_free(struct server *server)
{
    server_stop_accepting(server);
    while (!list_empty(&server->peers)) {
        struct peer *peer = peer_ref(list_entry(server->peers.next, struct peer, link));
        peer_close(peer, NULL);
        peer_end_calls(peer);
        peer_unref(peer);
    }
    assert(server->peer_count == 0);
    free(server);
}
