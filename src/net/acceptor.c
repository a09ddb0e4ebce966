#include "net/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ACCEPTS_PER_PASS = 64, PAUSE_MS = 100 };

void acceptor_say_refused(struct acceptor *acceptor, const char *why)
{
    uint32_t held;
    if (log_limit_pass(&acceptor->refused_limit, loop_now_ns(acceptor->loop), &held))
        log_warn("conn_refused port=%d reason=%s held_back=%u", acceptor->port, why, held);
}

static void on_ready(struct loop_watch *watch, uint32_t ready)
{
    (void)ready;
    struct acceptor *acceptor = list_entry(watch, struct acceptor, watch);
    for (int i = 0; i < ACCEPTS_PER_PASS; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            acceptor->on_fd(acceptor, fd);
            continue;
        }
        if (errno == EAGAIN)
            return;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            acceptor_say_refused(acceptor, "no_descriptors");
            if (loop_watch_change(acceptor->loop, watch, 0) == 0)
                loop_timer_start(acceptor->loop, &acceptor->resume, PAUSE_MS);
            return;
        }
        /* ECONNABORTED and the like: that one has gone, the next may be there */
    }
}

static void on_resume(struct loop_timer *timer)
{
    struct acceptor *acceptor = list_entry(timer, struct acceptor, resume);
    if (loop_watch_change(acceptor->loop, &acceptor->watch, EPOLLIN) != 0)
        loop_timer_start(acceptor->loop, timer, PAUSE_MS);
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

int acceptor_open(struct acceptor *acceptor, struct loop *loop,
                  const struct acceptor_options *options)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    const char *step = "address";
    int cause = EINVAL;
    *acceptor = (struct acceptor){ .loop = loop, .on_fd = options->on_fd };
    loop_timer_init(&acceptor->resume, on_resume);
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
    acceptor->port = bound_port(fd);
    acceptor->watch = (struct loop_watch){ on_ready, fd, EPOLLIN };
    int err = loop_watch_start(loop, &acceptor->watch);
    if (err != 0)
        close(fd);
    return err;
fail_close:
    close(fd);
fail:
    log_write(options->failure_level, "listen_failed host=%s port=%d step=%s errno=%s",
              options->host, options->port, step, err_errno_name(cause));
    return cause == EADDRINUSE ? ERR_EXISTS : err_from_errno(cause);
}

void acceptor_close(struct acceptor *acceptor)
{
    loop_watch_stop(acceptor->loop, &acceptor->watch);
    close(acceptor->watch.fd);
    loop_timer_stop(&acceptor->resume);
}
