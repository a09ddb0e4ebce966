/* saved_reply.c - the answer to a change of a table: given when the change is on disk. */
#include "broker/saved_reply.h"

struct saved_reply {
    struct save_waiter waiter; /* first, to get back from it */
    struct request *req;
};

static void saved(struct save_waiter *waiter, int err)
{
    struct saved_reply *s = (struct saved_reply *)waiter;
    if (err == 0)
        reply_code(s->req, RESP_SUCCESS, NULL);
    else
        reply_code(s->req, RESP_SYSTEM_ERROR, "changed, but not saved yet: %s", err_name(err));
}

void reply_when_saved(struct broker *broker, struct request *req, enum saved_table table)
{
    if (!req->is_detached)
        request_detach(req);
    struct saved_reply *s = arena_zalloc(&req->arena, sizeof *s);
    s->waiter.done = saved;
    s->req = req;
    saver_wait(broker->saver, table, &s->waiter);
}
