/* loop.h - one thread's event loop: sockets that became ready, timers that are due, and work posted
 * by other threads.
 *
 * A pass: wait, run the callbacks of what is ready, run what was posted, run due timers, go on with
 * the backlog for half a millisecond, then run what was deferred (flushes of connections, wake-ups
 * of held requests), do one thing that may wait until then, and wait again. So everything that
 * arrived together is handled together and answered with one write per connection. What passes
 * leave of the backlog is others' affair: what was deferred runs before it, too. So whoever asks
 * little waits for the end of a short pass only, however much others ask.
 *
 * Threads    everything is called on the loop's own thread, except loop_post() and loop_stop().
 *            A loop sleeps until something is due: an idle loop does not wake. A loop with a deputy
 *            has two threads of which one at a time runs it; "the loop's thread" is that one.
 * Time       loop_now_*() is read once per pass (and after each wait); it may be stale by as much
 *            as a pass takes.
 * Errors     0, or a negative code of base/err.h.
 * The waiting itself is behind net/poller.h, the one place that knows epoll.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct loop;

MUST_CHECK int loop_new(const char *name, struct loop **loop);
/* Not running, and no other thread is in loop_post(), which a task that ran does not show. What was
 * posted and never ran is dropped. */
void loop_free(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* Any thread, or a signal handler: the running pass is finished, then loop_run() returns. */
void loop_stop(struct loop *loop);
/* True on the thread that runs the loop (or before it ever ran). For assertions. */
bool loop_is_current(const struct loop *loop);

int64_t loop_now_ms(const struct loop *loop); /* wall clock, ms */
int64_t loop_now_ns(const struct loop *loop); /* monotonic, ns */

/* A task another thread hands over. The struct is the caller's and belongs to the loop until
 * `run(task)` is called on the loop's thread; it may be freed or posted again from there. */
struct loop_task {
    void (*run)(struct loop_task *task);
    struct loop_task *next;
};
void loop_post(struct loop *loop, struct loop_task *task);

/* Something to do once at the end of this pass, or sooner; deferring it twice is the same as once.
 */
struct loop_deferred {
    void (*run)(struct loop_deferred *deferred);
    struct list link; /* list_init() before first use: loop_deferred_init() */
};
void loop_deferred_init(struct loop_deferred *d, void (*run)(struct loop_deferred *d));
void loop_defer(struct loop *loop, struct loop_deferred *d);
void loop_undefer(struct loop_deferred *d);

/* One more step of what is too much for one turn, such as reading on from a connection that has
 * more. In this pass, or in a later one when it has lasted long enough; in the order of the calls.
 * A step may ask for the next one, which comes behind those of the others. */
void loop_go_on(struct loop *loop, struct loop_deferred *step);
/* The same for what is long and not urgent: behind everything else, when the answers of the pass
 * are out, and one in each pass. */
void loop_go_last(struct loop *loop, struct loop_deferred *step);

/* A second thread for the loop, which runs it while the first one is on an errand that lasts. In a
 * running loop, once; it ends with loop_run(). */
MUST_CHECK int loop_add_deputy(struct loop *loop);
bool loop_has_deputy(const struct loop *loop);

/* Something that may block and that answers wait for, such as a sync of the disk. The thread that
 * runs the loop goes itself, so that nobody has to be woken for it, neither before nor behind it;
 * the loop is then run by the deputy: at once when errands have been long, else when this one has
 * lasted a millisecond or two. */
struct loop_errand {
    void (*run)(struct loop_errand *errand);  /* not on the loop */
    void (*done)(struct loop_errand *errand); /* on the loop, behind run() */
};
/* As soon as nothing else is to be done, or patience_ns after the call: what is read until then may
 * come along. Asking twice is the same as once; asking during run() is for another time. The loop
 * has a deputy; there is one errand under way at a time, and one asked for. */
void loop_errand_ask(struct loop *loop, struct loop_errand *errand, int64_t patience_ns);

/* A one-shot timer, never early. */
struct loop_timer {
    void (*run)(struct loop_timer *timer);
    int64_t due_ns; /* monotonic; valid while armed */
    uint32_t at;    /* heap position + 1; 0 = not armed */
    struct loop *loop;
};
void loop_timer_init(struct loop_timer *t, void (*run)(struct loop_timer *t));
/* Arms it, or moves it when armed. delay_ms <= 0: in the next pass. */
void loop_timer_start(struct loop *loop, struct loop_timer *t, int64_t delay_ms);
/* The same, by the wall clock: due as soon as it shows wall_ms, not a millisecond later, as it runs
 * now. It may be set meanwhile: a timer that has more than a minute to go is due after that one, so
 * that whoever armed it looks again. */
void loop_timer_start_at(struct loop *loop, struct loop_timer *t, int64_t wall_ms);
void loop_timer_stop(struct loop_timer *t);

/* A descriptor to watch; `events` and `ready` are EPOLLIN | EPOLLOUT | EPOLLRDHUP bits
 * (level-triggered). */
struct loop_watch {
    void (*run)(struct loop_watch *watch, uint32_t ready);
    int fd;
    uint32_t events;
};
MUST_CHECK int loop_watch_start(struct loop *loop, struct loop_watch *w);
MUST_CHECK int loop_watch_change(struct loop *loop, struct loop_watch *w, uint32_t events);
void loop_watch_stop(struct loop *loop, struct loop_watch *w);

#endif
