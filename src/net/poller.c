#include "net/poller.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { BATCH_MAX = 256 };

struct poller {
    int epoll_fd;
    int wake_fd;
    bool only_ms; /* the kernel has no epoll_pwait2 */
    int batch_count;
    int batch_at;
    struct epoll_event batch[BATCH_MAX];
};

int poller_new(struct poller **made)
{
    struct poller *poller = calloc(1, sizeof *poller);
    int cause = ENOMEM;
    if (poller == NULL)
        goto fail;
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    cause = errno;
    if (poller->epoll_fd < 0)
        goto fail_free;
    poller->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cause = errno;
    if (poller->wake_fd < 0)
        goto fail_epoll;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->wake_fd, &event) != 0) {
        cause = errno;
        goto fail_wake;
    }
    *made = poller;
    return 0;
fail_wake:
    close(poller->wake_fd);
fail_epoll:
    close(poller->epoll_fd);
fail_free:
    free(poller);
fail:
    log_error("poller_new_failed errno=%d", cause);
    return err_from_errno(cause);
}

void poller_free(struct poller *poller)
{
    close(poller->wake_fd);
    close(poller->epoll_fd);
    free(poller);
}

static int control(struct poller *poller, int op, struct loop_watch *watch)
{
    struct epoll_event event = { .events = watch->events, .data.ptr = watch };
    if (epoll_ctl(poller->epoll_fd, op, watch->fd, &event) == 0)
        return 0;
    int cause = errno;
    log_error("epoll_ctl_failed op=%d fd=%d errno=%d", op, watch->fd, cause);
    return err_from_errno(cause);
}

int poller_add(struct poller *poller, struct loop_watch *watch)
{
    return control(poller, EPOLL_CTL_ADD, watch);
}

int poller_change(struct poller *poller, struct loop_watch *watch)
{
    return control(poller, EPOLL_CTL_MOD, watch);
}

void poller_remove(struct poller *poller, struct loop_watch *watch)
{
    int cause = epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL) == 0 ? 0 : errno;
    assert(cause == 0);
    for (int i = poller->batch_at; i < poller->batch_count; i++)
        if (poller->batch[i].data.ptr == watch)
            poller->batch[i].events = 0;
}

/* For kernels before 5.11: whole milliseconds, rounded up so that no timer is early. */
static int wait_in_ms(struct poller *poller, int64_t timeout_ns)
{
    int64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 > 0 ? 1 : 0);
    if (timeout_ms > INT_MAX)
        timeout_ms = INT_MAX;
    return epoll_wait(poller->epoll_fd, poller->batch, BATCH_MAX,
                      timeout_ns < 0 ? -1 : (int)timeout_ms);
}

int poller_wait(struct poller *poller, int64_t timeout_ns)
{
    struct timespec timeout = { .tv_sec = timeout_ns / 1000000000,
                                .tv_nsec = timeout_ns % 1000000000 };
    int ready = poller->only_ms ? wait_in_ms(poller, timeout_ns)
                                : epoll_pwait2(poller->epoll_fd, poller->batch, BATCH_MAX,
                                               timeout_ns < 0 ? NULL : &timeout, NULL);
    if (ready < 0 && errno == ENOSYS && !poller->only_ms) {
        poller->only_ms = true;
        return poller_wait(poller, timeout_ns);
    }
    if (ready < 0) {
        assert(errno == EINTR);
        ready = 0;
    }
    return ready;
}

void poller_run(struct poller *poller, int ready)
{
    poller->batch_count = ready;
    for (poller->batch_at = 0; poller->batch_at < ready;) {
        struct epoll_event event = poller->batch[poller->batch_at++];
        struct loop_watch *watch = event.data.ptr;
        if (watch == NULL) {
            uint64_t wakes;
            while (read(poller->wake_fd, &wakes, sizeof wakes) < 0 && errno == EINTR)
                ;
        } else if (event.events != 0) {
            watch->run(watch, event.events);
        }
    }
    poller->batch_count = 0;
}

void poller_wake(struct poller *poller)
{
    uint64_t one = 1;
    while (write(poller->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}
