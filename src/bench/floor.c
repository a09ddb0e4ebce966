/* floor.c - the echo server: one thread, one epoll set, level-triggered.
 *
 * It does what no server of pipelined requests can leave out: it reads the length of each frame,
 * steps from frame to frame, and writes an answer of its own for each into what goes out; those of
 * one read leave with one write. A long frame is answered piece by piece.
 *
 * One that keeps writes what one read brought behind all before it, into a file whose pages are
 * new; a write of many pages is the cheapest way the kernel has to make them.
 *
 * One that syncs answers what it read when its sockets are empty: all of it written behind one
 * another into a file that was written before, so that no sync needs a commit of the journal, and
 * synced once, by the thread that then answers. A disk that fails ends it.
 *
 * A connection that does not take its echo keeps it and is not read until it did, so memory is
 * twice ECHO_BYTES per connection. floor_stop() wakes the thread through an eventfd.
 */
#include "bench/floor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/thread.h"
#include "base/thread_rank.h"

enum { ECHO_BYTES = 1 << 18, ECHO_EVENTS = 64, LENGTH_BYTES = 4 };
enum { LOG_BYTES = 64 << 20, LOG_BLOCK_BYTES = 1 << 20, KEPT_BYTES = 1 << 30 };

struct echo {
    struct list link;
    int fd;
    size_t in_len;     /* read and not answered: less than a length after answer_frames() */
    size_t frame_left; /* of the frame that is being answered */
    size_t from, to;   /* of `out`: what is still to be sent back */
    bool waits;        /* for the sync */
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
    enum floor_kind kind;
    int log_fd; /* -1: it only sends back */
    off_t log_at;
    int waiting_count;
    struct echo *waiting[ECHO_EVENTS]; /* for the sync; none is closed meanwhile */
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
    echo->waits = false;
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

static void answer(struct floor *f, struct echo *echo, bool was_full)
{
    int done = send_back(echo);
    bool is_full = done == 0;
    if (done < 0 || (is_full != was_full &&
                     watch(f, EPOLL_CTL_MOD, echo->fd, is_full ? EPOLLOUT : EPOLLIN, echo) < 0))
        echo_close(echo);
}

/* False: the disk failed. */
static bool keep(struct floor *f, const struct echo *echo)
{
    if (f->log_at + (off_t)echo->to > KEPT_BYTES) {
        if (ftruncate(f->log_fd, 0) != 0)
            return false;
        f->log_at = 0;
    }
    if (pwrite(f->log_fd, echo->out, echo->to, f->log_at) != (ssize_t)echo->to)
        return false;
    f->log_at += (off_t)echo->to;
    return true;
}

/* True: there is something new to be synced. */
static bool serve(struct floor *f, struct echo *echo)
{
    bool was_full = echo->from < echo->to;
    if (echo->waits)
        return false;
    if (!was_full) {
        ssize_t got = recv(echo->fd, echo->in + echo->in_len, ECHO_BYTES - echo->in_len, 0);
        if (got <= 0) {
            if (got == 0 || errno != EAGAIN)
                echo_close(echo);
            return false;
        }
        echo->in_len += (size_t)got;
        answer_frames(echo);
        if (f->kind == FLOOR_SYNC && echo->to > 0) {
            echo->waits = true;
            f->waiting[f->waiting_count++] = echo;
            return true;
        }
        if (f->kind == FLOOR_KEEP && !keep(f, echo)) {
            echo_close(echo);
            return false;
        }
    }
    answer(f, echo, was_full);
    return false;
}

/* What waits goes to the disk, then back to where it came from. False: the disk failed. */
static bool sync_and_answer(struct floor *f)
{
    struct iovec runs[ECHO_EVENTS];
    ssize_t bytes = 0;
    for (int i = 0; i < f->waiting_count; i++) {
        runs[i] = (struct iovec){ f->waiting[i]->out, f->waiting[i]->to };
        bytes += (ssize_t)f->waiting[i]->to;
    }
    if (f->log_at + bytes > LOG_BYTES)
        f->log_at = 0;
    if (pwritev(f->log_fd, runs, f->waiting_count, f->log_at) != bytes || fdatasync(f->log_fd) != 0)
        return false;
    f->log_at += bytes;
    int count = f->waiting_count;
    f->waiting_count = 0;
    for (int i = 0; i < count; i++) {
        f->waiting[i]->waits = false;
        answer(f, f->waiting[i], false);
    }
    return true;
}

static void *floor_main(void *arg)
{
    struct floor *f = arg;
    struct epoll_event events[ECHO_EVENTS];
    bool stopping = false;
    thread_go_first();
    while (!stopping) {
        bool has_new = false;
        int room = ECHO_EVENTS - f->waiting_count;
        int ready =
            room == 0 ? 0 : epoll_wait(f->epoll_fd, events, room, f->waiting_count > 0 ? 0 : -1);
        for (int i = 0; i < ready; i++) {
            void *what = events[i].data.ptr;
            if (what == &f->stop_fd)
                stopping = true;
            else if (what == &f->listen_fd)
                accept_echo(f);
            else
                has_new |= serve(f, what);
        }
        if (f->waiting_count > 0 && !has_new)
            stopping |= !sync_and_answer(f);
    }
    list_each(link, &f->echoes)
        echo_close(list_entry(link, struct echo, link));
    return NULL;
}

/* LOG_BYTES, all of it on the disk. */
static int write_log(int fd)
{
    uint8_t *block = calloc(1, LOG_BLOCK_BYTES);
    int err = block == NULL ? ERR_NO_MEMORY : 0;
    for (off_t at = 0; err == 0 && at < LOG_BYTES; at += LOG_BLOCK_BYTES)
        if (pwrite(fd, block, LOG_BLOCK_BYTES, at) != LOG_BLOCK_BYTES)
            err = ERR_IO;
    if (err == 0 && fsync(fd) != 0)
        err = err_from_errno(errno);
    free(block);
    return err;
}

static int open_log(struct floor *f, const char *dir)
{
    if (f->kind == FLOOR_ECHO)
        return 0;
    f->log_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (f->log_fd < 0)
        return err_from_errno(errno);
    return f->kind == FLOOR_SYNC ? write_log(f->log_fd) : 0;
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
    const int fds[] = { f->listen_fd, f->stop_fd, f->epoll_fd, f->log_fd };
    for (int i = 0; i < 4; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(f);
}

int floor_start(enum floor_kind kind, const char *dir, struct floor **started)
{
    struct floor *f = calloc(1, sizeof *f);
    if (f == NULL)
        return ERR_NO_MEMORY;
    list_init(&f->echoes);
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    f->log_fd = -1;
    f->kind = kind;
    int err = listen_anywhere(f);
    if (err == 0)
        err = open_log(f, dir);
    if (err == 0)
        err = thread_start(&f->thread, "echo", floor_main, f);
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
