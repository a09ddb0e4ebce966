#include "net/listener.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/acceptor.h"
#include "net/conn_internal.h"

/* Lives until it was closed and the last of its connections is gone. */
struct listener {
    struct loop *loop;
    struct acceptor acceptor;
    struct listener_options options;
    struct conn_user sniffer;
    int conn_count;
    bool is_closed;
    struct list unsniffed; /* connections that have not said yet what they are */
};

static void free_when_unused(struct listener *listener)
{
    if (listener->is_closed && listener->conn_count == 0)
        free(listener);
}

static void on_gone(void *ctx)
{
    struct listener *listener = ctx;
    listener->conn_count--;
    free_when_unused(listener);
}

static struct sniffed look(const struct listener *listener, struct conn *conn, struct slice first)
{
    const struct listener_options *options = &listener->options;
    if (options->sniff == NULL)
        return (struct sniffed){ .what = SNIFF_PLAIN };
    return options->sniff(options->ctx, conn, first);
}

static void hand_over(const struct listener *listener, struct conn *conn)
{
    list_remove(&conn->unsniffed);
    if (conn->ready_until_ns != 0)
        conn_set_ready_deadline(conn, 0);
    if (!listener->options.on_conn(listener->options.ctx, conn))
        conn_close(conn, "refused");
}

/* The user of a connection until its first bytes said what it is. */
static size_t on_first_bytes(struct conn *conn, void *ctx, struct slice in)
{
    const struct listener *listener = ctx;
    size_t used = 0;
    struct sniffed sniffed = look(listener, conn, in);
    while (sniffed.what == SNIFF_SKIP && used + sniffed.bytes < in.len) {
        used += sniffed.bytes;
        sniffed = look(listener, conn, slice_from(in, used));
    }
    if (sniffed.what != SNIFF_PLAIN && conn->ready_until_ns == 0)
        conn_set_ready_deadline(conn, READY_MS);
    switch (sniffed.what) {
    case SNIFF_PLAIN:
        hand_over(listener, conn);
        return used;
    case SNIFF_MORE:
        conn_need(conn, sniffed.bytes);
        return used;
    case SNIFF_SKIP: /* and nothing behind it yet */
        return in.len;
    case SNIFF_TLS:
        tls_accept(listener->options.tls, conn, slice_from(in, used));
        return in.len;
    case SNIFF_REFUSE:
        conn_close(conn, sniffed.reason);
        return used;
    }
    return used;
}

static void take(struct acceptor *acceptor, int fd)
{
    struct listener *listener = list_entry(acceptor, struct listener, acceptor);
    if (listener->conn_count >= listener->options.max_conns) {
        acceptor_say_refused(&listener->acceptor, "too_many");
        close(fd);
        return;
    }
    struct conn *conn;
    if (conn_open(listener->loop, fd, &listener->options.limits, &listener->sniffer, listener,
                  &conn) != 0) {
        close(fd);
        return;
    }
    conn->on_gone = on_gone;
    conn->on_gone_ctx = listener;
    listener->conn_count++;
    list_append(&listener->unsniffed, &conn->unsniffed);
}

int listener_open(struct loop *loop, const struct listener_options *options,
                  struct listener **opened)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return ERR_NO_MEMORY;
    listener->loop = loop;
    listener->options = *options;
    listener->sniffer.on_input = on_first_bytes;
    list_init(&listener->unsniffed);
    const struct acceptor_options at = { .host = options->host,
                                         .port = options->port,
                                         .backlog = options->backlog,
                                         .receive_buffer_bytes = options->receive_buffer_bytes,
                                         .failure_level = LOG_ERROR,
                                         .on_fd = take };
    int err = acceptor_open(&listener->acceptor, loop, &at);
    if (err != 0)
        free(listener);
    else
        *opened = listener;
    return err;
}

void listener_close(struct listener *listener)
{
    assert(!listener->is_closed);
    acceptor_close(&listener->acceptor);
    list_each(link, &listener->unsniffed)
        conn_close(list_entry(link, struct conn, unsniffed), NULL);
    listener->is_closed = true;
    free_when_unused(listener);
}

int listener_port(const struct listener *listener)
{
    return listener->acceptor.port;
}

int listener_conn_count(const struct listener *listener)
{
    return listener->conn_count;
}
