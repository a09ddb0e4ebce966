/* relay.h - asks a connected client something and hands its answer on.
 *
 * Threads    the broker's loop.
 * Errors     none: a client that is not there, is too old, does not answer or goes away is told to
 *            who asked, exactly once.
 */
#ifndef BROKER_RELAY_H
#define BROKER_RELAY_H

#include "broker/groups/clients.h"
#include "broker/internal.h"

/* How long a client has for its answer when nothing else is said, as with the reference. */
enum { RELAY_TIMEOUT_MS = 10000 };
/* Versions from which clients know what is asked of them: consume status and offset reset, and what
 * needs a client's inside (running info, consuming a message at once). */
enum { RELAY_SINCE_3_0_7 = 28, RELAY_SINCE_3_1_8 = 62 };

/* Asks a member. `done` gets its answer, ERR_TIMEOUT or ERR_CLOSED, exactly once, never before this
 * returns. The call is borrowed until this returns. */
void relay_ask(struct client_member *member, const struct call *call, int64_t timeout_ms,
               call_done_fn *done, void *ctx);

/* Asks the consumer `client_id` of `group` and answers `req`, which is taken over, with what it
 * answered, unchanged. Not online or older than RELAY_SINCE_3_1_8: SYSTEM_ERROR; no answer within
 * RELAY_TIMEOUT_MS: CONSUME_MSG_TIMEOUT; gone: SYSTEM_ERROR. Names and call are borrowed. */
void relay_request(struct broker *broker, struct request *req, struct slice group,
                   struct slice client_id, const struct call *call);

#endif
