/* acceptor.h - listens on one address and hands over the descriptor of each connection that comes.
 * When the process runs out of descriptors, accepting pauses for 100 ms instead of spinning.
 *
 * Ownership  a descriptor that was handed over is the callee's; it does not block.
 * Threads    the loop it was opened on.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef NET_ACCEPTOR_H
#define NET_ACCEPTOR_H

#include "base/log.h"
#include "net/loop.h"

struct acceptor {
    struct loop *loop;
    struct loop_watch watch;
    struct loop_timer resume;
    int port;
    struct log_limit refused_limit;
    void (*on_fd)(struct acceptor *acceptor, int fd);
};

struct acceptor_options {
    const char *host; /* numeric, e.g. "0.0.0.0" */
    int port;         /* 0: the kernel picks */
    int backlog;
    int receive_buffer_bytes;     /* SO_RCVBUF of its connections; 0: as the kernel likes */
    enum log_level failure_level; /* how loud it is that nobody can be accepted here */
    void (*on_fd)(struct acceptor *acceptor, int fd);
};

/* ERR_EXISTS: another process has the port. */
MUST_CHECK int acceptor_open(struct acceptor *acceptor, struct loop *loop,
                             const struct acceptor_options *options);
void acceptor_close(struct acceptor *acceptor);
/* For a connection that is refused, and whose descriptor the caller closes: says so in the log. */
void acceptor_say_refused(struct acceptor *acceptor, const char *why);

#endif
