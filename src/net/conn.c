/* conn.c - life and deadlines of a connection. Bytes in: conn_input.c; bytes out: conn_output.c.
 *
 * One timer per connection stands at the earliest of its deadlines and looks again when it fires,
 * instead of being moved with every byte.
 */
#include "net/conn_internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"

static_assert(sizeof(struct conn) <= 1024, "a silent connection costs next to nothing");

/* ---- the plain socket ------------------------------------------------------------------------ */

static ssize_t plain_read(struct conn *conn, void *into, size_t len)
{
    return recv(conn->watch.fd, into, len, 0);
}

static ssize_t plain_write(struct conn *conn, const struct iovec *runs, int count)
{
    struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)runs,
                              .msg_iovlen = (size_t)count };
    return sendmsg(conn->watch.fd, &message, MSG_NOSIGNAL);
}

static void plain_close(struct conn *conn)
{
    close(conn->watch.fd);
}

const struct transport plain_transport = { plain_read, plain_write, plain_close };

/* ---- life ------------------------------------------------------------------------------------ */

static void format_address(struct conn_address *address)
{
    char host[INET6_ADDRSTRLEN] = "?";
    switch (address->sockaddr.ss_family) {
    case AF_INET: {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&address->sockaddr;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(address->text, sizeof address->text, "%s:%d", host, ntohs(in->sin_port));
        break;
    }
    case AF_INET6: {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->sockaddr;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(address->text, sizeof address->text, "[%s]:%d", host, ntohs(in6->sin6_port));
        break;
    }
    default:
        snprintf(address->text, sizeof address->text, "local");
    }
}

static void on_timer(struct loop_timer *timer);

int conn_open(struct loop *loop, int fd, const struct conn_limits *limits,
              const struct conn_user *user, void *ctx, struct conn **opened)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL)
        return ERR_NO_MEMORY;
    conn->loop = loop;
    conn->watch = (struct loop_watch){ conn_on_ready, fd, EPOLLIN };
    conn->transport = &plain_transport;
    conn->refs = 1;
    conn->is_open = true;
    conn->user = user;
    conn->ctx = ctx;
    conn->limits = *limits;
    conn->need = 1;
    conn->last_io_ns = loop_now_ns(loop);
    loop_deferred_init(&conn->flush, conn_run_flush);
    loop_deferred_init(&conn->redeliver, conn_run_redeliver);
    loop_deferred_init(&conn->read_on, conn_run_read_on);
    loop_timer_init(&conn->timer, on_timer);
    list_init(&conn->unsniffed);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a unix socket has none: fine */
    socklen_t len = sizeof conn->peer.sockaddr;
    getpeername(fd, (struct sockaddr *)&conn->peer.sockaddr, &len);
    format_address(&conn->peer);
    int err = loop_watch_start(loop, &conn->watch);
    if (err != 0) {
        free(conn);
        return err;
    }
    conn_arm_timer(conn);
    *opened = conn;
    return 0;
}

struct conn *conn_ref(struct conn *conn)
{
    assert(conn->refs > 0);
    conn->refs++;
    return conn;
}

void conn_unref(struct conn *conn)
{
    assert(conn->refs > 0);
    if (--conn->refs > 0)
        return;
    assert(!conn->is_open);
    free(conn);
}

void conn_close(struct conn *conn, const char *reason)
{
    if (!conn->is_open)
        return;
    if (reason != NULL)
        log_info("conn_closed peer=%s reason=%s", conn->peer.text, reason);
    conn->is_open = false;
    list_remove(&conn->unsniffed);
    loop_watch_stop(conn->loop, &conn->watch);
    conn->transport->close(conn);
    loop_timer_stop(&conn->timer);
    loop_undefer(&conn->flush);
    loop_undefer(&conn->redeliver);
    loop_undefer(&conn->read_on);
    conn_free_output(conn);
    if (!conn->is_delivering)
        conn_free_input(conn); /* else the user still looks at it */
    if (conn->user->on_closed != NULL)
        conn->user->on_closed(conn, conn->ctx);
    if (conn->on_gone != NULL)
        conn->on_gone(conn->on_gone_ctx);
    conn_unref(conn);
}

void conn_check_finished(struct conn *conn)
{
    if (!conn->is_open || conn->out_bytes > 0)
        return;
    bool has_unread = !list_empty(&conn->redeliver.link); /* the user has not seen all it sent */
    if (!conn->is_half_closed || has_unread)
        return;
    if (conn->user->on_half_closed == NULL || !conn->user->on_half_closed(conn, conn->ctx))
        conn_close(conn, NULL);
}

bool conn_is_open(const struct conn *conn)
{
    return conn->is_open;
}

/* ---- deadlines ------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static int64_t idle_deadline_ns(const struct conn *conn)
{
    return conn->limits.idle_ms == 0 ? INT64_MAX
                                     : conn->last_io_ns + conn->limits.idle_ms * 1000000;
}

static int64_t stall_deadline_ns(const struct conn *conn)
{
    return conn->limits.stall_ms == 0 || conn->stalled_since_ns == 0
               ? INT64_MAX
               : conn->stalled_since_ns + conn->limits.stall_ms * 1000000;
}

static int64_t linger_deadline_ns(const struct conn *conn)
{
    return conn->linger_until_ns == 0 ? INT64_MAX : conn->linger_until_ns;
}

static int64_t ready_deadline_ns(const struct conn *conn)
{
    return conn->ready_until_ns == 0 ? INT64_MAX : conn->ready_until_ns;
}

void conn_arm_timer(struct conn *conn)
{
    int64_t due_ns = earlier(earlier(idle_deadline_ns(conn), stall_deadline_ns(conn)),
                             earlier(linger_deadline_ns(conn), ready_deadline_ns(conn)));
    if (due_ns == INT64_MAX)
        return;
    if (conn->timer.at != 0 && conn->timer.due_ns <= due_ns)
        return; /* fires early enough, and looks again then */
    int64_t left_ns = due_ns - loop_now_ns(conn->loop);
    loop_timer_start(conn->loop, &conn->timer, left_ns > 0 ? left_ns / 1000000 + 1 : 0);
}

static void on_timer(struct loop_timer *timer)
{
    struct conn *conn = list_entry(timer, struct conn, timer);
    int64_t now_ns = loop_now_ns(conn->loop);
    if (now_ns >= stall_deadline_ns(conn))
        conn_close(conn, "does_not_read");
    else if (now_ns >= linger_deadline_ns(conn))
        conn_close(conn, conn->is_half_closed ? "half_closed" : "does_not_read");
    else if (now_ns >= ready_deadline_ns(conn))
        conn_close(conn, "handshake_timeout");
    else if (now_ns >= idle_deadline_ns(conn))
        conn_close(conn, "idle");
    else
        conn_arm_timer(conn);
}

void conn_set_ready_deadline(struct conn *conn, int64_t ms)
{
    conn->ready_until_ns = ms == 0 ? 0 : loop_now_ns(conn->loop) + ms * 1000000;
    conn_arm_timer(conn);
}

/* ---- what one may ask ------------------------------------------------------------------------ */

void conn_set_user(struct conn *conn, const struct conn_user *user, void *ctx)
{
    conn->user = user;
    conn->ctx = ctx;
}

void conn_set_origin(struct conn *conn, const struct sockaddr_storage *origin)
{
    assert(!conn->is_relayed);
    conn->is_relayed = true;
    if (origin == NULL)
        return;
    conn->peer.sockaddr = *origin;
    format_address(&conn->peer);
}

bool conn_is_relayed(const struct conn *conn)
{
    return conn->is_relayed;
}

bool conn_is_encrypted(const struct conn *conn)
{
    return conn->tls != NULL;
}

struct loop *conn_loop(const struct conn *conn)
{
    return conn->loop;
}

size_t conn_output_bytes(const struct conn *conn)
{
    return conn->out_bytes;
}

int64_t conn_arrived_ns(const struct conn *conn)
{
    return conn->more_since_ns != 0 ? conn->more_since_ns : loop_now_ns(conn->loop);
}

const struct conn_address *conn_peer(const struct conn *conn)
{
    return &conn->peer;
}
