/* session.h - what the broker keeps per connection, made when first needed and gone when it closes.
 *
 * Ownership  the connection's; who stands in a list of it leaves it by itself, or by session_end().
 * Threads    the broker's loop.
 */
#ifndef BROKER_SESSION_H
#define BROKER_SESSION_H

#include "base/list.h"
#include "broker/guard/ladder.h"

struct broker;
struct peer;

struct session {
    struct list held;        /* hold.c: its parked pulls */
    struct list held_pops;   /* pop_hold.c: its parked pops and notifications */
    struct list members;     /* clients.c: its places in groups */
    struct rate_limit sends; /* guard.c: how fast it may send */
};

struct session *session_of(struct peer *peer);
/* The connection closed: nothing of it is left. */
void session_end(struct broker *broker, struct peer *peer);

#endif
