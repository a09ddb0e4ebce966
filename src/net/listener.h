/* listener.h - accepts connections on one address and opens a conn for each.
 *
 * Threads    the loop it was opened on.
 * Bounds     at most `max_conns` open at once: beyond, a newcomer is closed at once and counted.
 * When the process runs out of descriptors, accepting pauses for 100 ms instead of spinning.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/conn.h"

struct listener;

/* What the first bytes of a connection turned out to be. */
enum sniffed { SNIFF_PLAIN, SNIFF_MORE, SNIFF_REFUSE };

struct listener_options {
    const char *host; /* numeric, e.g. "0.0.0.0" */
    int port;         /* 0: the kernel picks */
    int backlog;
    int max_conns;
    struct conn_limits limits;
    /* Looks at the first bytes (at least one) of a connection; NULL takes everything as plain. */
    enum sniffed (*sniff)(void *ctx, struct conn *conn, struct slice first);
    /* A connection is ready for its user: call conn_set_user() here. False refuses it. */
    bool (*on_conn)(void *ctx, struct conn *conn);
    void *ctx;
};

MUST_CHECK int listener_open(struct loop *loop, const struct listener_options *options,
                             struct listener **listener);
/* Stops accepting; connections that went to their user stay open, those that said nothing yet are
 * closed. */
void listener_close(struct listener *listener);
int listener_port(const struct listener *listener);
int listener_conn_count(const struct listener *listener);

#endif
