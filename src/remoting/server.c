#include <assert.h>
#include <stdlib.h>

#include "remoting/peer.h"

/* A peer may keep so much unsent before it is not read any more, and so much before it is dropped:
 * the largest answer (a pull of a single 4 MiB message, or a table) must fit between. */
enum { OUTPUT_HIGH_BYTES = 4 << 20, OUTPUT_MAX_BYTES = 64 << 20 };
/* Most who end their sending have closed altogether, and a consumer's departure must be noticed
 * soon although its pulls are parked: the answers of a half-closed peer are not waited for long. */
enum { STALL_MS = 30000, LINGER_MS = 1000, BACKLOG = 1024 };
enum { TLS_HANDSHAKE = 0x16, PROXY_V1 = 'P', PROXY_V2 = 0x0D };

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

/* A frame starts with its length, below 16 MiB: the first byte is 0 (1 for the largest frame). TLS
 * and the PROXY protocol show themselves by theirs. */
static enum sniffed sniff(void *ctx, struct conn *conn, struct slice first)
{
    (void)ctx;
    (void)conn;
    uint8_t byte = first.data[0];
    return byte == TLS_HANDSHAKE || byte == PROXY_V1 || byte == PROXY_V2 ? SNIFF_REFUSE
                                                                         : SNIFF_PLAIN;
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
        .limits = { .input_max_bytes = FRAME_MAX_BYTES,
                    .output_high_bytes = OUTPUT_HIGH_BYTES,
                    .output_max_bytes = OUTPUT_MAX_BYTES,
                    .idle_ms = options->idle_ms,
                    .stall_ms = STALL_MS,
                    .linger_ms = LINGER_MS },
        .sniff = sniff,
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
