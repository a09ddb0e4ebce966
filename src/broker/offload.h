/* offload.h - the part of a request that may wait (cold reads, the index), done by a worker.
 *
 * Ownership  an offload lives in its request's arena and ends with it.
 * Threads    started and finished on the broker's loop; `work` runs on a worker, where it may read
 *            its own struct, use the request's arena and call the store, and nothing else: broker
 *            tables belong to the loop and may change meanwhile.
 */
#ifndef BROKER_OFFLOAD_H
#define BROKER_OFFLOAD_H

#include "broker/internal.h"

struct offload {
    struct job job;
    struct broker *broker;
    struct request *req;
    struct buf body; /* empty at first; freed after `finish` */
    void (*work)(struct offload *o);
    void (*finish)(struct offload *o); /* answers the request */
};

/* Takes req, which is detached, over: hands it to a worker, or answers SYSTEM_BUSY when too many
 * wait (false; req and `o` are gone then). `o` is in its arena, usually at the start of a larger
 * struct with what `work` needs. */
bool offload_start(struct offload *o, struct broker *broker, struct request *req,
                   void (*work)(struct offload *o), void (*finish)(struct offload *o));

#endif
