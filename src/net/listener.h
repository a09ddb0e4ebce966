/* listener.h - accepts connections on one address and opens a conn for each.
 * When the process runs out of descriptors, accepting pauses for 100 ms instead of spinning.
 *
 * Threads    the loop it was opened on.
 * Bounds     at most `max_conns` open at once: beyond, a newcomer is closed at once and counted.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/conn.h"
#include "net/tls.h"

struct listener;

/* What the first bytes of a connection turned out to be.
 *
 *     socket ── [proxy header: SKIP] ──┬── PLAIN ── user
 *                                      └── TLS ── handshake ── decrypted first bytes: PLAIN ── user
 */
struct sniffed {
    enum { SNIFF_PLAIN, SNIFF_MORE, SNIFF_SKIP, SNIFF_TLS, SNIFF_REFUSE } what;
    size_t bytes;       /* MORE: so many are needed in all; SKIP: drop these and look again */
    const char *reason; /* REFUSE: for the log */
};

/* What comes before the first byte of the user's must be over in so long. */
enum { READY_MS = 10000 };

struct listener_options {
    const char *host; /* numeric, e.g. "0.0.0.0" */
    int port;         /* 0: the kernel picks */
    int backlog;
    int max_conns;
    int receive_buffer_bytes; /* SO_RCVBUF of its connections; 0: as large as the kernel likes */
    struct conn_limits limits;
    /* Looks at the first bytes (at least one) of a connection; NULL takes everything as plain. */
    struct sniffed (*sniff)(void *ctx, struct conn *conn, struct slice first);
    struct tls_server *tls; /* takes over at SNIFF_TLS; NULL when that is never said */
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
