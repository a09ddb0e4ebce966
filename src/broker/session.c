#include "broker/session.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/groups/clients.h"
#include "broker/internal.h"
#include "broker/pop/pop_hold.h"
#include "broker/pull/hold.h"

struct session *session_of(struct peer *peer)
{
    struct session *session = peer_user(peer);
    if (session != NULL)
        return session;
    session = memory_take(sizeof *session);
    list_init(&session->held);
    list_init(&session->held_pops);
    list_init(&session->members);
    session->sends = (struct rate_limit){ 0 };
    peer_set_user(peer, session);
    return session;
}

void session_end(struct broker *broker, struct peer *peer)
{
    struct session *session = peer_user(peer);
    if (session == NULL)
        return;
    hold_drop_owner(broker->hold, &session->held);
    pop_hold_drop_owner(broker->pop_hold, &session->held_pops);
    clients_remove_all(broker->clients, &session->members);
    assert(list_empty(&session->held) && list_empty(&session->held_pops));
    assert(list_empty(&session->members));
    peer_set_user(peer, NULL);
    free(session);
}
