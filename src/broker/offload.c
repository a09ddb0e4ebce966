/* offload.c - the part of a request that may wait, done by a worker. */
#include "broker/offload.h"

#include <assert.h>

#include "base/fault.h"

static struct offload *offload_of(struct job *job)
{
    return (struct offload *)((char *)job - offsetof(struct offload, job));
}

static void run(struct job *job)
{
    struct offload *o = offload_of(job);
    o->work(o);
}

static void done(struct job *job)
{
    struct offload *o = offload_of(job);
    struct buf body = o->body; /* the answer ends the request, and *o with it */
    assert(o->broker->offloads_out > 0);
    o->broker->offloads_out--;
    o->finish(o);
    buf_fini(&body);
}

bool offload_start(struct offload *o, struct broker *broker, struct request *req,
                   void (*work)(struct offload *o), void (*finish)(struct offload *o))
{
    assert(req->is_detached);
    *o = (struct offload){
        .job = { .run = run, .done = done },
        .broker = broker,
        .req = req,
        .body = BUF_INIT,
        .work = work,
        .finish = finish,
    };
    broker->offloads_out++;
    int err = fault_check("offload.start");
    if (err == 0)
        err = workers_submit(broker->workers, broker->loop, &o->job);
    if (err == 0)
        return true;
    broker->offloads_out--;
    reply_code(req, RESP_SYSTEM_BUSY, "[OVERLOAD]system busy, too many requests wait for the disk");
    return false;
}
