/* conn.h - one TCP connection: bytes in, bytes out, both bounded.
 *
 * Input      is kept until the user has taken it: `on_input` is given all that is there and says
 *            how many bytes it used, or conn_need() how many it must see at once. A user that
 *            stops taking (conn_pause_input) stops the reading, so TCP holds the peer back.
 * Output     conn_write() copies into chunks; one writev at the end of the pass sends them. Above
 *            `output_high_bytes` the connection is throttled: its input is not read until the
 *            output fell below half of that. A peer that takes nothing for `stall_ms` while output
 *            waits, or lets it grow above `output_max_bytes`, is dropped with one log line.
 * Begin      before the user sees anything, the first bytes go to the listener's sniffer, which may
 *            put another transport (TLS) below this one and learn from a proxy where the connection
 *            comes from.
 * End        a peer that ended its sending still gets the answers to what it sent; then it is
 *            closed.
 * Ownership  counted: the loop has a reference until the connection is over, which on_closed()
 *            tells its user once; whoever keeps the pointer takes one of his own.
 * Threads    the connection's loop.
 * Errors     0, or a negative code of base/err.h; the socket is still the caller's then.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <sys/socket.h>

#include "base/slice.h"
#include "net/loop.h"

struct conn;

struct conn_limits {
    size_t input_max_bytes;   /* largest run conn_need() may ask for */
    size_t output_high_bytes; /* throttle above */
    size_t output_max_bytes;  /* drop above */
    int64_t idle_ms;          /* close when nothing was read or written for so long; 0: never */
    int64_t stall_ms;         /* drop when output waits and the peer takes nothing; 0: never */
    int64_t linger_ms;        /* how long a half-closed peer's answers are waited for */
};

struct conn_user {
    /* `in` is everything received and not yet taken. Returns how many bytes were used. To have the
     * connection cut, call conn_close(). Not called again until more than what was left has come.
     */
    size_t (*on_input)(struct conn *conn, void *ctx, struct slice in);
    /* Once, when the connection is over for whatever reason; no call into conn but conn_unref(). */
    void (*on_closed)(struct conn *conn, void *ctx);
    /* The peer ended its sending; return true when answers are still owed. May be NULL: none are.
     */
    bool (*on_half_closed)(struct conn *conn, void *ctx);
};

struct conn_address {
    struct sockaddr_storage sockaddr;
    char text[64]; /* "10.1.1.5:40112", "[::1]:40112" */
};

/* Wraps a connected, non-blocking socket, which the conn now owns. The loop's reference is the only
 * one. */
MUST_CHECK int conn_open(struct loop *loop, int fd, const struct conn_limits *limits,
                         const struct conn_user *user, void *ctx, struct conn **conn);

struct conn *conn_ref(struct conn *conn);
void conn_unref(struct conn *conn);

/* Ends the connection: on_closed runs before this returns. `reason` is for the log, e.g. "idle";
 * NULL logs nothing. Harmless when closed already. */
void conn_close(struct conn *conn, const char *reason);
bool conn_is_open(const struct conn *conn);

/* Queues bytes for the end of the pass. On a closed connection they are dropped. */
void conn_write(struct conn *conn, struct slice bytes);

/* Where the next `bytes` bytes may be made in place; conn_wrote() says how many there are. NULL:
 * not so many in one piece, or the connection is closed. */
uint8_t *conn_room(struct conn *conn, size_t bytes);
void conn_wrote(struct conn *conn, size_t bytes);

/* on_input is not called again before `bytes` bytes (from the start of what is untaken) are there.
 */
void conn_need(struct conn *conn, size_t bytes);

/* While paused nothing is read; pauses nest with the throttle. */
void conn_pause_input(struct conn *conn);
void conn_resume_input(struct conn *conn);
/* True while input is held back: paused, throttled or closing. A user that finds it so between two
 * frames returns what it used; the rest is delivered again when input is wanted. */
bool conn_input_is_held(const struct conn *conn);

void conn_set_user(struct conn *conn, const struct conn_user *user, void *ctx);
struct loop *conn_loop(const struct conn *conn);
size_t conn_output_bytes(const struct conn *conn);
/* When what is delivered now was there at the latest: this pass, or an earlier one that had no time
 * for it. Monotonic, ns. */
int64_t conn_arrived_ns(const struct conn *conn);
const struct conn_address *conn_peer(const struct conn *conn);

/* A proxy in between said where the connection really comes from: conn_peer() tells that from now
 * on. NULL: it said nothing of use. At most once. */
void conn_set_origin(struct conn *conn, const struct sockaddr_storage *origin);
bool conn_is_relayed(const struct conn *conn);
bool conn_is_encrypted(const struct conn *conn); /* TLS, from the handshake's begin on */

/* Starts a connection to a numeric or resolvable `host`; on_connected(ctx, conn or NULL, err) runs
 * on the loop, never before this returns. Names are resolved on `workers` when one is given, else
 * only numeric hosts are taken. Returns a handle to cancel with, valid until on_connected ran. */
struct conn_dial;
struct workers;
typedef void conn_dial_fn(void *ctx, struct conn *conn, int err);
MUST_CHECK int conn_dial_start(struct loop *loop, struct workers *workers, const char *host,
                               int port, int64_t timeout_ms, const struct conn_limits *limits,
                               const struct conn_user *user, void *user_ctx,
                               conn_dial_fn *on_connected, void *ctx, struct conn_dial **dial);
void conn_dial_cancel(struct conn_dial *dial);

#endif
