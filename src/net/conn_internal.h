/* conn_internal.h - the inside of a connection: what the files behind conn.h share with those that
 * look at its first bytes (listener.c) or carry them encrypted (tls_internal.h).
 *
 * Threads    the connection's loop.
 */
#ifndef NET_CONN_INTERNAL_H
#define NET_CONN_INTERNAL_H

#include <sys/uio.h>

#include "net/conn.h"

/* How bytes get across: the plain socket, or TLS (tls.c). Results as recv() and sendmsg(): -1 with
 * errno EAGAIN when it would block; a read that comes back short has no more for now, unless it set
 * conn->has_unread. */
struct transport {
    ssize_t (*read)(struct conn *conn, void *into, size_t len);
    ssize_t (*write)(struct conn *conn, const struct iovec *runs, int count);
    void (*close)(struct conn *conn); /* ends what lies below, the socket included */
};
extern const struct transport plain_transport;

struct out_chunk;

/* Owner: the loop's thread. */
struct conn {
    struct loop *loop;
    struct loop_watch watch;
    const struct transport *transport;
    struct tls *tls; /* the transport's, NULL on a plain connection */
    bool is_open;
    int refs;
    const struct conn_user *user;
    void *ctx;
    struct conn_limits limits;

    uint8_t *in; /* what was read and not taken; NULL while empty */
    size_t in_len;
    size_t in_cap;
    size_t need;
    int pauses;
    bool is_throttled;
    bool is_half_closed;
    bool is_delivering;
    bool has_unread;          /* bytes lie in the transport: no event will tell of them */
    bool reads_when_writable; /* the transport must write before it can read on */
    bool output_waits;        /* the transport cannot send yet: it is still shaking hands */
    bool is_relayed;          /* a proxy said where the connection comes from */

    struct out_chunk *out_first;
    struct out_chunk *out_last;
    size_t out_bytes;
    bool wants_writable; /* the kernel's buffer is full */
    struct loop_deferred flush;
    struct loop_deferred redeliver;
    struct loop_deferred read_on; /* its turn among those that have more than one read */
    int64_t more_since_ns;        /* what is read next was there then; 0: it came just now */

    struct loop_timer timer; /* the earliest of idle, stall and linger */
    int64_t last_io_ns;
    int64_t stalled_since_ns; /* 0: output is moving */
    int64_t linger_until_ns;  /* 0: not lingering */
    int64_t ready_until_ns;   /* 0: its first bytes are dealt with */

    struct list unsniffed;      /* in the listener's list until the first bytes were looked at */
    void (*on_gone)(void *ctx); /* the listener counts */
    void *on_gone_ctx;
    struct conn_address peer;
};

/* conn.c */
void conn_arm_timer(struct conn *conn);
/* Closes a connection that has nothing left to do: half-closed by a peer who got all its answers.
 */
void conn_check_finished(struct conn *conn);
/* What comes first on a connection (a handshake, a proxy's header) must be over in so long; 0: it
 * is over. */
void conn_set_ready_deadline(struct conn *conn, int64_t ms);

/* conn_input.c */
void conn_on_ready(struct loop_watch *watch, uint32_t ready);
void conn_run_redeliver(struct loop_deferred *deferred);
void conn_run_read_on(struct loop_deferred *step);
void conn_update_events(struct conn *conn);
/* Input is allowed again: what was left lies here already, no event will tell of it. */
void conn_input_wanted(struct conn *conn);
void conn_free_input(struct conn *conn);

/* conn_output.c */
void conn_flush(struct conn *conn);
void conn_run_flush(struct loop_deferred *deferred);
void conn_free_output(struct conn *conn);

#endif
