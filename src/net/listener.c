#include "net/listener.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn_internal.h"

enum { ACCEPTS_PER_PASS = 64, PAUSE_MS = 100 };

/* Lives until it was closed and the last of its connections is gone. */
struct listener {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer resume;
    struct listener_options options;
    struct conn_user sniffer;
    int port;
    int conn_count;
    bool is_closed;
    struct list unsniffed; /* connections that have not said yet what they are */
    struct log_limit refused_limit;
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

static void say_refused(struct listener *listener, const char *why)
{
    uint32_t held;
    if (log_limit_pass(&listener->refused_limit, loop_now_ns(listener->loop), &held))
        log_warn("conn_refused port=%d reason=%s held_back=%u", listener->port, why, held);
}

static void take(struct listener *listener, int fd)
{
    if (listener->conn_count >= listener->options.max_conns) {
        say_refused(listener, "too_many");
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

static void on_ready(struct loop_watch *watch, uint32_t ready)
{
    (void)ready;
    struct listener *listener = list_entry(watch, struct listener, watch);
    for (int i = 0; i < ACCEPTS_PER_PASS; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(listener, fd);
            continue;
        }
        if (errno == EAGAIN)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            say_refused(listener, "no_descriptors");
            if (loop_watch_change(listener->loop, watch, 0) == 0)
                loop_timer_start(listener->loop, &listener->resume, PAUSE_MS);
            return;
        }
        /* ECONNABORTED and the like: that one has gone, the next may be there */
    }
}

static void on_resume(struct loop_timer *timer)
{
    struct listener *listener = list_entry(timer, struct listener, resume);
    if (loop_watch_change(listener->loop, &listener->watch, EPOLLIN) != 0)
        loop_timer_start(listener->loop, timer, PAUSE_MS);
}

static int parse_address(const char *host, int port, struct sockaddr_storage *address,
                         socklen_t *len)
{
    memset(address, 0, sizeof *address);
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        *len = sizeof *in;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        *len = sizeof *in6;
        return 0;
    }
    return ERR_INVALID;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    return address.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&address)->sin6_port)
                                         : ntohs(((const struct sockaddr_in *)&address)->sin_port);
}

int listener_open(struct loop *loop, const struct listener_options *options,
                  struct listener **opened)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    const char *step = "address";
    int cause = EINVAL;
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return ERR_NO_MEMORY;
    listener->loop = loop;
    listener->options = *options;
    listener->sniffer.on_input = on_first_bytes;
    list_init(&listener->unsniffed);
    loop_timer_init(&listener->resume, on_resume);
    if (parse_address(options->host, options->port, &address, &len) != 0)
        goto fail;
    step = "socket";
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    cause = errno;
    if (fd < 0)
        goto fail;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int receive =
        options->receive_buffer_bytes; /* before listen(): it bounds the first window, too */
    if (receive > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive);
    step = "bind";
    if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, options->backlog) != 0) {
        cause = errno;
        goto fail_close;
    }
    listener->port = bound_port(fd);
    listener->watch = (struct loop_watch){ on_ready, fd, EPOLLIN };
    int err = loop_watch_start(loop, &listener->watch);
    if (err != 0) {
        close(fd);
        free(listener);
        return err;
    }
    *opened = listener;
    return 0;
fail_close:
    close(fd);
fail:
    log_error("listen_failed host=%s port=%d step=%s errno=%s", options->host, options->port, step,
              err_errno_name(cause));
    free(listener);
    return cause == EADDRINUSE ? ERR_EXISTS : err_from_errno(cause);
}

void listener_close(struct listener *listener)
{
    assert(!listener->is_closed);
    loop_watch_stop(listener->loop, &listener->watch);
    close(listener->watch.fd);
    loop_timer_stop(&listener->resume);
    list_each(link, &listener->unsniffed)
        conn_close(list_entry(link, struct conn, unsniffed), NULL);
    listener->is_closed = true;
    free_when_unused(listener);
}

int listener_port(const struct listener *listener)
{
    return listener->port;
}

int listener_conn_count(const struct listener *listener)
{
    return listener->conn_count;
}
