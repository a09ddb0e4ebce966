/* dial.c - connecting out: resolve (on a worker, when the host is a name), connect, wait until it
 * stands. A name may have several addresses: each is tried in turn, within the one timeout. */
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn.h"
#include "net/workers.h"

struct conn_dial {
    struct loop *loop;
    struct loop_watch watch; /* fd -1 while there is no socket */
    struct loop_timer timer;
    struct loop_task failed; /* tells of a failure that was known at once, in the next pass */
    struct job resolve;
    bool is_resolving;
    bool is_cancelled;
    int err;
    char host[256];
    char port[8];
    struct addrinfo *addresses;
    const struct addrinfo *next; /* of the addresses, the one to try next; NULL: none is left */
    struct conn_limits limits;
    const struct conn_user *user;
    void *user_ctx;
    conn_dial_fn *on_connected;
    void *ctx;
};

static int resolve(struct conn_dial *dial, int flags)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };
    if (getaddrinfo(dial->host, dial->port, &hints, &dial->addresses) != 0)
        return ERR_NOT_FOUND;
    dial->next = dial->addresses;
    return 0;
}

static void dial_free(struct conn_dial *dial)
{
    if (dial->addresses != NULL)
        freeaddrinfo(dial->addresses);
    free(dial);
}

static void drop_socket(struct conn_dial *dial)
{
    if (dial->watch.fd < 0)
        return;
    loop_watch_stop(dial->loop, &dial->watch);
    close(dial->watch.fd);
    dial->watch.fd = -1;
}

static void finish(struct conn_dial *dial, struct conn *conn, int err)
{
    loop_timer_stop(&dial->timer);
    conn_dial_fn *on_connected = dial->on_connected;
    void *ctx = dial->ctx;
    dial_free(dial);
    on_connected(ctx, conn, err);
}

static int start_connecting(struct conn_dial *dial);

static void on_writable(struct loop_watch *watch, uint32_t ready)
{
    (void)ready;
    struct conn_dial *dial = list_entry(watch, struct conn_dial, watch);
    int cause = 0;
    socklen_t len = sizeof cause;
    getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &cause, &len);
    if (cause != 0) {
        drop_socket(dial);
        int err = dial->next != NULL ? start_connecting(dial) : err_from_errno(cause);
        if (err != 0)
            finish(dial, NULL, err);
        return;
    }
    int fd = watch->fd;
    loop_watch_stop(dial->loop, watch);
    watch->fd = -1;
    struct conn *conn = NULL;
    int err = conn_open(dial->loop, fd, &dial->limits, dial->user, dial->user_ctx, &conn);
    if (err != 0)
        close(fd);
    finish(dial, conn, err);
}

static void on_timeout(struct loop_timer *timer)
{
    struct conn_dial *dial = list_entry(timer, struct conn_dial, timer);
    if (dial->is_resolving) { /* the worker still holds it: told when it comes back */
        dial->err = ERR_TIMEOUT;
        return;
    }
    drop_socket(dial);
    finish(dial, NULL, ERR_TIMEOUT);
}

static int connect_to(struct conn_dial *dial, const struct addrinfo *to)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_from_errno(errno);
    if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) {
        int cause = errno;
        close(fd);
        return err_from_errno(cause);
    }
    dial->watch = (struct loop_watch){ on_writable, fd, EPOLLOUT };
    int err = loop_watch_start(dial->loop, &dial->watch);
    if (err != 0) {
        close(fd);
        dial->watch.fd = -1;
    }
    return err;
}

/* To the next address that does not fail at once; the error is the last one's. */
static int start_connecting(struct conn_dial *dial)
{
    int err = ERR_NOT_FOUND;
    while (err != 0 && dial->next != NULL) {
        err = connect_to(dial, dial->next);
        dial->next = dial->next->ai_next;
    }
    return err;
}

static void tell_failed(struct loop_task *task)
{
    struct conn_dial *dial = list_entry(task, struct conn_dial, failed);
    if (dial->is_cancelled) {
        dial_free(dial);
        return;
    }
    finish(dial, NULL, dial->err);
}

static void fail_later(struct conn_dial *dial, int err)
{
    dial->err = err;
    loop_timer_stop(&dial->timer);
    dial->failed.run = tell_failed;
    loop_post(dial->loop, &dial->failed);
}

static void run_resolve(struct job *job)
{
    struct conn_dial *dial = list_entry(job, struct conn_dial, resolve);
    (void)resolve(dial, 0); /* no addresses: told when the job comes back */
}

static void resolved(struct job *job)
{
    struct conn_dial *dial = list_entry(job, struct conn_dial, resolve);
    dial->is_resolving = false;
    if (dial->is_cancelled) {
        dial_free(dial);
        return;
    }
    int err = dial->err;
    if (err == 0)
        err = start_connecting(dial);
    if (err != 0)
        finish(dial, NULL, err);
}

int conn_dial_start(struct loop *loop, struct workers *workers, const char *host, int port,
                    int64_t timeout_ms, const struct conn_limits *limits,
                    const struct conn_user *user, void *user_ctx, conn_dial_fn *on_connected,
                    void *ctx, struct conn_dial **started)
{
    struct conn_dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL)
        return ERR_NO_MEMORY;
    dial->loop = loop;
    dial->watch.fd = -1;
    dial->limits = *limits;
    dial->user = user;
    dial->user_ctx = user_ctx;
    dial->on_connected = on_connected;
    dial->ctx = ctx;
    loop_timer_init(&dial->timer, on_timeout);
    snprintf(dial->host, sizeof dial->host, "%s", host);
    snprintf(dial->port, sizeof dial->port, "%d", port);
    loop_timer_start(loop, &dial->timer, timeout_ms);
    int err = resolve(dial, AI_NUMERICHOST);
    if (err == 0) {
        err = start_connecting(dial);
    } else if (workers != NULL) {
        dial->resolve = (struct job){ .run = run_resolve, .done = resolved };
        err = workers_submit(workers, loop, &dial->resolve);
        dial->is_resolving = err == 0;
    }
    if (err != 0)
        fail_later(dial, err);
    *started = dial;
    return 0;
}

void conn_dial_cancel(struct conn_dial *dial)
{
    loop_timer_stop(&dial->timer);
    drop_socket(dial);
    if (dial->is_resolving || dial->err != 0)
        dial->is_cancelled = true; /* freed when it comes back */
    else
        dial_free(dial);
}
