/* poller.h - waiting for descriptors: the one place that knows epoll.
 *
 * An io_uring twin has to offer the same five calls. Threads: the loop's, except poller_wake().
 */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include "net/loop.h"

struct poller;

MUST_CHECK int poller_new(struct poller **poller);
void poller_free(struct poller *poller);

MUST_CHECK int poller_add(struct poller *poller, struct loop_watch *watch);
MUST_CHECK int poller_change(struct poller *poller, struct loop_watch *watch);
/* The watch is not called again, also when it is ready in the batch being run. */
void poller_remove(struct poller *poller, struct loop_watch *watch);

/* Waits until something is ready, a wake, or due_ns (monotonic clock; POLLER_NOW: does not wait,
 * POLLER_NEVER: has no end). Now and then it ends early with nothing ready. Returns how many
 * descriptors are ready; poller_run() then calls them. */
#define POLLER_NOW INT64_MIN
#define POLLER_NEVER INT64_MAX
int poller_wait(struct poller *poller, int64_t due_ns);
void poller_run(struct poller *poller, int ready);

/* Ends the wait under way or the next one. Any thread, or a signal handler. */
void poller_wake(struct poller *poller);

#endif
