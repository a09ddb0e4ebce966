/* peer.h - the inside of a peer, shared by peer.c, request.c, server.c, client.c.
 *
 * Threads    the loop of the connection.
 */
#ifndef REMOTING_PEER_H
#define REMOTING_PEER_H

#include "base/map.h"
#include "remoting/remoting.h"

/* What a peer belongs to: a server or a client. Outlives its peers' connections. */
struct peer_owner {
    struct loop *loop;
    int pending_max;
    void (*on_request)(void *ctx, struct request *req); /* NULL: every request is refused */
    void (*on_closed)(void *ctx, struct peer *peer);
    void *ctx;
};

/* Owner: the loop's thread. */
struct peer {
    struct conn *conn;
    const struct peer_owner *owner; /* NULL once the connection is over */
    int refs;
    int in_hand; /* requests not yet answered */
    bool is_paused;
    int untimed; /* peer_leave_untimed() */
    int32_t next_opaque;
    struct map calls; /* opaque -> struct pending_call */
    void *user;
    struct list link; /* in the owner's list of open peers */
};

extern const struct conn_user peer_conn_user;

/* Makes `conn` speak frames; the peer holds one reference on it and is itself held by the open
 * connection until that is over. */
struct peer *peer_new(struct conn *conn, const struct peer_owner *owner);

/* Ends the calls under way with ERR_CLOSED now, on a closed peer. */
void peer_end_calls(struct peer *peer);

/* request.c */
struct request *request_new(struct peer *peer);
void request_free(struct request *req);

#endif
