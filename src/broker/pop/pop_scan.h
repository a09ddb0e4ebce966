/* pop_scan.h - takes messages off the queues of one pop, one queue after the other.
 *
 *     plan ── run ── queue ── queue ── ... ── on_end
 *                      │        └── had messages: checkpoint to the log, consumer offset moved
 *                      └── not in memory: read by a worker, then on with the next queue
 *
 * Queues begin with a random one. The retry topic comes first in popFromRetryProbability of 100
 * pops, else last and only when there is room. A pop in order takes nothing from retry topics, and
 * leaves no checkpoint: what is out blocks the queue.
 *
 * Ownership  a scan is zeroed memory in its request's arena. Its buffers are freed by
 *            pop_scan_free(); when a cold read finds no worker the request is answered, and all is
 *            given back.
 * Threads    the broker's loop, but for the read of a worker.
 */
#ifndef BROKER_POP_SCAN_H
#define BROKER_POP_SCAN_H

#include "broker/offload.h"
#include "broker/pull/message_filter.h"
#include "delivery/delivery.h"
#include "wire/pop_info.h"
#include "wire/req_pop.h"

enum { POP_MESSAGES_MAX = POP_CHECKPOINT_MESSAGES_MAX, POP_SCAN_STAGES = 2 };

struct pop_scan {
    /* Set by who begins it; broker and req stand in the offload. */
    struct offload offload;
    struct pop_request fields;
    struct message_filter filter;
    void (*on_end)(struct pop_scan *scan); /* on the loop; may be called before run returns */
    /* What was taken. */
    int64_t pop_time_ms;
    int32_t revive_queue_id;
    int count;
    int64_t rest_num;       /* messages left in the queues that were looked at */
    int err;                /* of a queue that could not be read */
    bool is_cut_short;      /* a queue was passed over, since reads from the disk are left off */
    int64_t end_phy_offset; /* of the latest checkpoint; 0: none */
    struct buf body, starts, offsets, counts;
    /* Where it stands. */
    struct slice topics[POP_SCAN_STAGES]; /* empty: not read */
    enum pop_origin origins[POP_SCAN_STAGES];
    int stage;
    int32_t step;
    uint32_t random;
    struct pop_queue *claimed;
    struct pop_taking at; /* the queue at hand */
    int64_t max;          /* its end, when the scan came to it */
};

/* Draws which topics are read in which order, and forgets what an earlier run took. */
void pop_scan_plan(struct pop_scan *scan);
void pop_scan_run(struct pop_scan *scan);
/* Copies what the request's bytes lent, so that it may outlive this pass. */
void pop_scan_keep(struct pop_scan *scan);
void pop_scan_free(struct pop_scan *scan);

#endif
