/* poller.c - epoll, with one descriptor to be woken by and one for the time.
 *
 * The end of a wait is the alarm's, not epoll's: a timeout given to epoll is programmed into the
 * clock's hardware at each wait and taken out again behind it, which on a virtual machine costs
 * more than the rest of the wait. The alarm stays where it is until something is due before it.
 *
 * What is removed while a thread waits may be in what that wait will bring: it is kept in mind
 * until then, by its address alone.
 */
#include "net/poller.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"

enum { BATCH_MAX = 256 };

struct poller {
    int epoll_fd;
    int wake_fd;
    int alarm_fd;
    int64_t alarm_ns; /* when the alarm goes off; POLLER_NEVER: it is not set */
    int batch_count;
    int batch_at;
    bool is_waiting;          /* from poller_expect() until poller_run() */
    struct loop_watch **gone; /* removed meanwhile */
    int gone_count;
    int gone_cap;
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
    poller->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    cause = errno;
    if (poller->alarm_fd < 0)
        goto fail_wake;
    poller->alarm_ns = POLLER_NEVER;
    struct epoll_event wake = { .events = EPOLLIN, .data.ptr = &poller->wake_fd };
    /* edge-triggered: told once each time it goes off, nothing has to be read */
    struct epoll_event alarm = { .events = EPOLLIN | EPOLLET, .data.ptr = &poller->alarm_fd };
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->wake_fd, &wake) != 0 ||
        epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->alarm_fd, &alarm) != 0) {
        cause = errno;
        goto fail_alarm;
    }
    *made = poller;
    return 0;
fail_alarm:
    close(poller->alarm_fd);
fail_wake:
    close(poller->wake_fd);
fail_epoll:
    close(poller->epoll_fd);
fail_free:
    free(poller);
fail:
    log_error("poller_new_failed errno=%s", err_errno_name(cause));
    return err_from_errno(cause);
}

void poller_free(struct poller *poller)
{
    close(poller->alarm_fd);
    close(poller->wake_fd);
    close(poller->epoll_fd);
    free(poller->gone);
    free(poller);
}

static int control(struct poller *poller, int op, struct loop_watch *watch)
{
    struct epoll_event event = { .events = watch->events, .data.ptr = watch };
    if (epoll_ctl(poller->epoll_fd, op, watch->fd, &event) == 0)
        return 0;
    int cause = errno;
    log_error("epoll_ctl_failed op=%d fd=%d errno=%s", op, watch->fd, err_errno_name(cause));
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

static void keep_gone(struct poller *poller, struct loop_watch *watch)
{
    MEMORY_GROW(poller->gone, poller->gone_count, poller->gone_cap, 16);
    poller->gone[poller->gone_count++] = watch;
}

void poller_remove(struct poller *poller, struct loop_watch *watch)
{
    int cause = epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL) == 0 ? 0 : errno;
    assert(cause == 0);
    if (poller->is_waiting) {
        keep_gone(poller, watch);
        return;
    }
    for (int i = poller->batch_at; i < poller->batch_count; i++)
        if (poller->batch[i].data.ptr == watch)
            poller->batch[i].events = 0;
}

static void set_alarm(struct poller *poller, int64_t due_ns)
{
    assert(due_ns > 0);
    struct itimerspec at = { .it_value = { .tv_sec = due_ns / 1000000000,
                                           .tv_nsec = due_ns % 1000000000 } };
    int cause = timerfd_settime(poller->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0 ? 0 : errno;
    assert(cause == 0);
    poller->alarm_ns = due_ns;
}

void poller_set_due(struct poller *poller, int64_t due_ns)
{
    if (due_ns < poller->alarm_ns)
        set_alarm(poller, due_ns);
}

void poller_expect(struct poller *poller)
{
    assert(!poller->is_waiting);
    assert(poller->gone_count == 0);
    poller->is_waiting = true;
}

int poller_wait(struct poller *poller, bool may_block)
{
    int ready = epoll_wait(poller->epoll_fd, poller->batch, BATCH_MAX, may_block ? -1 : 0);
    if (ready < 0) {
        assert(errno == EINTR);
        ready = 0;
    }
    return ready;
}

static void take_wakes(struct poller *poller)
{
    uint64_t wakes;
    while (read(poller->wake_fd, &wakes, sizeof wakes) < 0 && errno == EINTR)
        ;
}

static void forget_gone(struct poller *poller, int ready)
{
    for (int i = 0; i < poller->gone_count; i++)
        for (int j = 0; j < ready; j++)
            if (poller->batch[j].data.ptr == poller->gone[i])
                poller->batch[j].events = 0;
    poller->gone_count = 0;
}

void poller_run(struct poller *poller, int ready)
{
    assert(poller->is_waiting);
    poller->is_waiting = false;
    forget_gone(poller, ready);
    poller->batch_count = ready;
    for (poller->batch_at = 0; poller->batch_at < ready;) {
        struct epoll_event event = poller->batch[poller->batch_at++];
        if (event.events == 0) /* removed meanwhile */
            continue;
        if (event.data.ptr == &poller->wake_fd) {
            take_wakes(poller);
        } else if (event.data.ptr == &poller->alarm_fd) {
            poller->alarm_ns = POLLER_NEVER;
        } else {
            struct loop_watch *watch = event.data.ptr;
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
