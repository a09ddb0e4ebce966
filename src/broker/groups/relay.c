/* relay.c - asks a connected client something and hands its answer on. */
#include "broker/groups/relay.h"

#include <assert.h>

#include "base/log.h"

/* The member of a group, the one seen latest when several show the same id; NULL: none (also when
 * `group` is NULL). */
static struct client_member *find_member(const struct client_group *group, struct slice client_id)
{
    struct client_member *found = NULL;
    if (group == NULL)
        return NULL;
    list_each(link, &group->members) {
        struct client_member *m = list_entry(link, struct client_member, group_link);
        if (slice_eq(m->client_id, client_id) && (found == NULL || m->seen_ms >= found->seen_ms))
            found = m;
    }
    return found;
}

void relay_ask(struct client_member *member, const struct call *call, int64_t timeout_ms,
               call_done_fn *done, void *ctx)
{
    assert(timeout_ms > 0 && done != NULL);
    peer_call(member->peer, call, timeout_ms, done, ctx);
}

/* ---- a request handed on --------------------------------------------------------------------- */

struct relayed {
    struct request *req; /* which holds this */
    struct slice group;
    struct slice client_id;
};

static void answered(void *ctx, const struct call_result *result)
{
    struct relayed *r = ctx;
    if (result->err == 0)
        reply_forward(r->req, &result->header, result->body);
    else if (result->err == ERR_TIMEOUT)
        reply_code(r->req, RESP_CONSUME_MSG_TIMEOUT,
                   "consumer <%.*s> <%.*s> Timeout: no answer within %d ms", SLICE_FMT(r->group),
                   SLICE_FMT(r->client_id), RELAY_TIMEOUT_MS);
    else
        reply_code(r->req, RESP_SYSTEM_ERROR,
                   "invoke consumer <%.*s> <%.*s> Exception: its connection is gone",
                   SLICE_FMT(r->group), SLICE_FMT(r->client_id));
}

void relay_request(struct broker *broker, struct request *req, struct slice group,
                   struct slice client_id, const struct call *call)
{
    struct client_member *member =
        find_member(clients_consumer_group(broker->clients, group), client_id);
    if (member == NULL) {
        reply_code(req, RESP_SYSTEM_ERROR, "The Consumer <%.*s> <%.*s> not online",
                   SLICE_FMT(group), SLICE_FMT(client_id));
        return;
    }
    if (member->version < RELAY_SINCE_3_1_8) {
        reply_code(req, RESP_SYSTEM_ERROR,
                   "The Consumer <%.*s> Version <%d> too low to finish, please upgrade it",
                   SLICE_FMT(client_id), member->version);
        return;
    }
    struct relayed *r = arena_alloc(&req->arena, sizeof *r);
    *r = (struct relayed){
        .req = req,
        .group = arena_copy(&req->arena, group),
        .client_id = arena_copy(&req->arena, client_id),
    };
    relay_ask(member, call, RELAY_TIMEOUT_MS, answered, r);
    request_detach(req);
}
