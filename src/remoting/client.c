/* client.c - one kept connection per address, dialled when something is to be said.
 *
 * Calls made while a connection is being dialled wait with their link and go out in order.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "remoting/peer.h"

enum {
    OUTPUT_HIGH_BYTES = 16 << 20,
    OUTPUT_MAX_BYTES = 64 << 20,
    STALL_MS = 30000,
    PENDING_MAX = 1024
};

struct client {
    struct loop *loop;
    struct client_options options;
    struct peer_owner owner;
    struct map links; /* address -> struct link */
    struct list peers;
    bool is_ending;
};

struct link {
    struct client *client;
    struct slice address;   /* the key in client->links */
    struct peer *peer;      /* NULL: not connected */
    struct conn_dial *dial; /* NULL: not dialling */
    struct list waiting;
};

struct waiting_call {
    struct list link;
    struct arena arena; /* holds the call's slices */
    struct call call;
    int64_t timeout_ms;
    call_done_fn *done; /* NULL: one-way */
    void *ctx;
};

void client_options_init(struct client_options *options)
{
    *options = (struct client_options){ .connect_timeout_ms = 3000, .idle_ms = 120000 };
}

static void on_request(void *ctx, struct request *req)
{
    struct client *client = ctx;
    client->options.on_request(client->options.ctx, req);
}

static void on_closed(void *ctx, struct peer *peer)
{
    (void)ctx;
    struct link *link = peer_user(peer);
    assert(link->peer == peer);
    link->peer = NULL;
    peer_unref(peer);
}

int client_new(struct loop *loop, const struct client_options *options, struct client **made)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return ERR_NO_MEMORY;
    client->loop = loop;
    client->options = *options;
    client->owner =
        (struct peer_owner){ loop, PENDING_MAX, options->on_request == NULL ? NULL : on_request,
                             on_closed, client };
    map_init(&client->links);
    list_init(&client->peers);
    *made = client;
    return 0;
}

static void free_waiting(struct waiting_call *waiting)
{
    list_remove(&waiting->link);
    arena_fini(&waiting->arena);
    free(waiting);
}

static void fail_waiting(struct link *link, int err)
{
    struct list failed;
    list_init(&failed);
    while (!list_empty(&link->waiting)) {
        struct list *first = link->waiting.next;
        list_remove(first);
        list_append(&failed, first);
    }
    while (!list_empty(&failed)) {
        struct waiting_call *waiting = list_entry(failed.next, struct waiting_call, link);
        call_done_fn *done = waiting->done;
        void *ctx = waiting->ctx;
        free_waiting(waiting);
        if (done != NULL)
            done(ctx, &(struct call_result){ .err = err });
    }
}

static void send_on(struct peer *peer, const struct call *call, int64_t timeout_ms,
                    call_done_fn *done, void *ctx)
{
    if (done == NULL)
        peer_tell(peer, call);
    else
        peer_call(peer, call, timeout_ms, done, ctx);
}

static void send_waiting(struct link *link)
{
    while (!list_empty(&link->waiting)) {
        struct waiting_call *waiting = list_entry(link->waiting.next, struct waiting_call, link);
        send_on(link->peer, &waiting->call, waiting->timeout_ms, waiting->done, waiting->ctx);
        free_waiting(waiting);
    }
}

static void on_connected(void *ctx, struct conn *conn, int err)
{
    struct link *link = ctx;
    link->dial = NULL;
    if (err != 0) {
        fail_waiting(link, err == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_CLOSED);
        return;
    }
    struct peer *peer = peer_new(conn, &link->client->owner);
    list_append(&link->client->peers, &peer->link);
    peer_set_user(peer, link);
    link->peer = peer_ref(peer);
    if (link->client->options.tls != NULL)
        tls_connect(link->client->options.tls, conn, link->client->options.connect_timeout_ms);
    send_waiting(link);
}

/* "host:port" or "[v6]:port"; false when it is neither. */
static bool split_address(struct slice address, char host[256], int *port)
{
    size_t colon = address.len;
    while (colon > 0 && address.data[colon - 1] != ':')
        colon--;
    int32_t number;
    if (colon < 2 || !slice_to_i32(slice_from(address, colon), &number) || number < 1 ||
        number > 65535)
        return false;
    struct slice name = slice_of(address.data, colon - 1);
    if (name.len >= 2 && name.data[0] == '[' && name.data[name.len - 1] == ']')
        name = slice_of(name.data + 1, name.len - 2);
    if (name.len == 0 || name.len > 255)
        return false;
    memcpy(host, name.data, name.len);
    host[name.len] = 0;
    *port = number;
    return true;
}

/* A connection that never is dialled fails like one that is refused: in a later pass, by the dial.
 */
static void dial(struct link *link)
{
    struct client *client = link->client;
    const struct conn_limits limits = {
        .input_max_bytes = FRAME_MAX_BYTES,
        .output_high_bytes = OUTPUT_HIGH_BYTES,
        .output_max_bytes = OUTPUT_MAX_BYTES,
        .idle_ms = client->options.idle_ms,
        .stall_ms = STALL_MS,
    };
    char host[256] = "";
    int port = 0;
    if (!split_address(link->address, host, &port))
        host[0] = 0; /* no such host: the dial says so */
    int err = conn_dial_start(client->loop, client->options.workers, host, port,
                              client->options.connect_timeout_ms, &limits, &peer_conn_user, NULL,
                              on_connected, link, &link->dial);
    if (err != 0)
        memory_none(0); /* it fails at nothing else */
}

static struct link *link_to(struct client *client, const char *address)
{
    struct slice key = slice_str(address);
    struct link *link = map_get(&client->links, key);
    if (link != NULL)
        return link;
    link = memory_zeroed(1, sizeof *link);
    link->client = client;
    link->address = slice_of(memory_text(key), key.len);
    list_init(&link->waiting);
    map_put(&client->links, key, link);
    return link;
}

static void wait_for_connection(struct link *link, const struct call *call, int64_t timeout_ms,
                                call_done_fn *done, void *ctx)
{
    struct waiting_call *waiting = memory_zeroed(1, sizeof *waiting);
    arena_init(&waiting->arena);
    struct ext_field *ext =
        arena_alloc(&waiting->arena, sizeof *ext * (size_t)(call->ext_count + 1));
    for (int i = 0; i < call->ext_count; i++)
        ext[i] = (struct ext_field){ arena_copy(&waiting->arena, call->ext[i].key),
                                     arena_copy(&waiting->arena, call->ext[i].value) };
    waiting->call =
        (struct call){ call->code, ext, call->ext_count, arena_copy(&waiting->arena, call->body) };
    waiting->timeout_ms = timeout_ms;
    waiting->done = done;
    waiting->ctx = ctx;
    list_append(&link->waiting, &waiting->link);
    if (link->dial == NULL)
        dial(link);
}

static void say(struct client *client, const char *address, const struct call *call,
                int64_t timeout_ms, call_done_fn *done, void *ctx)
{
    assert(!client->is_ending);
    struct link *link = link_to(client, address);
    if (link->peer != NULL && peer_is_open(link->peer))
        send_on(link->peer, call, timeout_ms, done, ctx);
    else
        wait_for_connection(link, call, timeout_ms, done, ctx);
}

void client_call(struct client *client, const char *address, const struct call *call,
                 int64_t timeout_ms, call_done_fn *done, void *ctx)
{
    say(client, address, call, timeout_ms, done, ctx);
}

void client_tell(struct client *client, const char *address, const struct call *call)
{
    say(client, address, call, 0, NULL, NULL);
}

bool client_is_connected(const struct client *client, const char *address)
{
    const struct link *link = map_get(&client->links, slice_str(address));
    return link != NULL && link->peer != NULL && peer_is_open(link->peer);
}

void client_free(struct client *client)
{
    client->is_ending = true;
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&client->links, &cursor, &key, &value)) {
        struct link *link = value;
        if (link->dial != NULL)
            conn_dial_cancel(link->dial);
        fail_waiting(link, ERR_CLOSED);
        if (link->peer != NULL) {
            struct peer *peer = peer_ref(link->peer);
            peer_close(peer, NULL);
            peer_end_calls(peer);
            peer_unref(peer);
        }
        free((void *)(uintptr_t)link->address.data);
        free(link);
    }
    map_fini(&client->links);
    free(client);
}
