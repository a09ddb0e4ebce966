/* poller.h - waiting for descriptors: the one place that knows epoll.
 *
 * An io_uring twin has to offer the same calls.
 *
 * Threads    whoever runs the loop, except poller_wake(), and poller_wait(), during which another
 *            thread may run the loop and call the others but poller_run().
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include "net/loop.h"

struct poller;

MUST_CHECK int poller_new(struct poller **poller);
void poller_free(struct poller *poller);

MUST_CHECK int poller_add(struct poller *poller, struct loop_watch *watch);
MUST_CHECK int poller_change(struct poller *poller, struct loop_watch *watch);
/* The watch is not called again, also when it is ready in the batch being run or waited for. */
void poller_remove(struct poller *poller, struct loop_watch *watch);

/* The wait under way or the next one ends at due_ns (monotonic clock), if not before. */
#define POLLER_NEVER INT64_MAX
void poller_set_due(struct poller *poller, int64_t due_ns);

/* A wait: poller_expect(), poller_wait(), poller_run(). Waits until something is ready, a wake, or
 * what was set with poller_set_due(); not at all unless may_block. Now and then it ends early with
 * nothing ready. Returns how many descriptors are ready; poller_run() then calls them. */
void poller_expect(struct poller *poller);
int poller_wait(struct poller *poller, bool may_block);
void poller_run(struct poller *poller, int ready);

/* Ends the wait under way or the next one. Any thread, or a signal handler. */
void poller_wake(struct poller *poller);

#endif
