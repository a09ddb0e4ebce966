/* floor.c - the echo server: one thread, one epoll set, level-triggered.
 *
 * It does what no server of pipelined requests can leave out: it reads the length of each frame,
 * steps from frame to frame, and writes an answer of its own for each into what goes out; those of
 * one read leave with one write. A long frame is answered piece by piece.
 *
 * A connection that does not take its echo keeps it and is not read until it did, so memory is
 * twice ECHO_BYTES per connection. floor_stop() wakes the thread through an eventfd.
 */
#include "bench/floor.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"

enum { ECHO_BYTES = 1 << 18, ECHO_EVENTS = 64, LENGTH_BYTES = 4 };

struct echo {
    struct list link;
    int fd;
    size_t in_len;     /* read and not answered: less than a length after answer_frames() */
    size_t frame_left; /* of the frame that is being answered */
    size_t from, to;   /* of `out`: what is still to be sent back */
    uint8_t in[ECHO_BYTES];
    uint8_t out[ECHO_BYTES];
};

struct floor {
    int listen_fd;
    int stop_fd;
    int epoll_fd;
    struct sockaddr_in address;
    pthread_t thread;
    struct list echoes; /* the thread's */
};

static int watch(struct floor *f, int op, int fd, uint32_t events, void *what)
{
    struct epoll_event event = { .events = events, .data.ptr = what };
    return epoll_ctl(f->epoll_fd, op, fd, &event);
}

static void echo_close(struct echo *echo)
{
    close(echo->fd);
    list_remove(&echo->link);
    free(echo);
}

static void accept_echo(struct floor *f)
{
    int one = 1;
    int fd = accept4(f->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct echo *echo = malloc(sizeof *echo);
    if (echo == NULL) {
        close(fd);
        return;
    }
    echo->fd = fd;
    echo->from = echo->to = 0;
    echo->in_len = echo->frame_left = 0;
    list_append(&f->echoes, &echo->link);
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 ||
        watch(f, EPOLL_CTL_ADD, fd, EPOLLIN, echo) < 0)
        echo_close(echo);
}

/* Everything read becomes answers, but for a length that is not all there. */
static void answer_frames(struct echo *echo)
{
    size_t at = 0;
    echo->from = echo->to = 0;
    for (;;) {
        size_t there = echo->in_len - at;
        if (echo->frame_left == 0 && there >= LENGTH_BYTES)
            echo->frame_left = LENGTH_BYTES + (size_t)get_be32(echo->in + at);
        size_t piece = echo->frame_left < there ? echo->frame_left : there;
        if (piece == 0)
            break;
        memcpy(echo->out + echo->to, echo->in + at, piece);
        echo->to += piece;
        echo->frame_left -= piece;
        at += piece;
    }
    echo->in_len -= at;
    memmove(echo->in, echo->in + at, echo->in_len);
}

/* 1: all is sent back, 0: the socket is full, -1: the connection is over. */
static int send_back(struct echo *echo)
{
    if (echo->from == echo->to)
        return 1;
    ssize_t sent = send(echo->fd, echo->out + echo->from, echo->to - echo->from, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN ? 0 : -1;
    echo->from += (size_t)sent;
    return echo->from == echo->to;
}

static void serve(struct floor *f, struct echo *echo)
{
    bool was_full = echo->from < echo->to;
    if (!was_full) {
        ssize_t got = recv(echo->fd, echo->in + echo->in_len, ECHO_BYTES - echo->in_len, 0);
        if (got <= 0) {
            if (got == 0 || errno != EAGAIN)
                echo_close(echo);
            return;
        }
        echo->in_len += (size_t)got;
        answer_frames(echo);
    }
    int done = send_back(echo);
    bool is_full = done == 0;
    if (done < 0 || (is_full != was_full &&
                     watch(f, EPOLL_CTL_MOD, echo->fd, is_full ? EPOLLOUT : EPOLLIN, echo) < 0))
        echo_close(echo);
}

static void *floor_main(void *arg)
{
    struct floor *f = arg;
    struct epoll_event events[ECHO_EVENTS];
    bool stopping = false;
    while (!stopping) {
        int ready = epoll_wait(f->epoll_fd, events, ECHO_EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            void *what = events[i].data.ptr;
            if (what == &f->stop_fd)
                stopping = true;
            else if (what == &f->listen_fd)
                accept_echo(f);
            else
                serve(f, what);
        }
    }
    list_each(link, &f->echoes)
        echo_close(list_entry(link, struct echo, link));
    return NULL;
}

static int listen_anywhere(struct floor *f)
{
    socklen_t len = sizeof f->address;
    f->address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (f->listen_fd < 0 || f->stop_fd < 0 || f->epoll_fd < 0 ||
        bind(f->listen_fd, (struct sockaddr *)&f->address, len) < 0 ||
        listen(f->listen_fd, SOMAXCONN) < 0 ||
        getsockname(f->listen_fd, (struct sockaddr *)&f->address, &len) < 0 ||
        watch(f, EPOLL_CTL_ADD, f->listen_fd, EPOLLIN, &f->listen_fd) < 0 ||
        watch(f, EPOLL_CTL_ADD, f->stop_fd, EPOLLIN, &f->stop_fd) < 0)
        return err_from_errno(errno);
    return 0;
}

static void floor_free(struct floor *f)
{
    const int fds[] = { f->listen_fd, f->stop_fd, f->epoll_fd };
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(f);
}

int floor_start(struct floor **started)
{
    struct floor *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ERR_NO_MEMORY;
    list_init(&f->echoes);
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int err = listen_anywhere(f);
    if (err == 0) {
        int cause = pthread_create(&f->thread, NULL, floor_main, f);
        err = cause == 0 ? 0 : err_from_errno(cause);
    }
    if (err != 0) {
        floor_free(f);
        return err;
    }
    *started = f;
    return 0;
}

void floor_stop(struct floor *f)
{
    /* cannot fail: an eventfd refuses a write only when its count is full */
    (void)eventfd_write(f->stop_fd, 1);
    pthread_join(f->thread, NULL);
    floor_free(f);
}

struct sockaddr_in floor_address(const struct floor *f)
{
    return f->address;
}

int64_t floor_cpu_ns(const struct floor *f)
{
    clockid_t clock;
    struct timespec used;
    if (pthread_getcpuclockid(f->thread, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}
