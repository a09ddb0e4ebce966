/* pull_checks.h - a pull, and what is checked before it reads, in the reference's order.
 *
 * Ownership  a pull lies in its request's arena.
 * Threads    the broker's loop; while a worker reads, the pull is the worker's.
 * Errors     false: the request was answered with the code and a remark.
 */
#ifndef BROKER_PULL_CHECKS_H
#define BROKER_PULL_CHECKS_H

#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/pull/hold.h"
#include "wire/req_pull.h"

struct pull {
    struct offload offload; /* of a cold read; holds broker and req also before */
    struct held_request held;
    struct loop_deferred turn; /* of a read of old messages */
    struct pull_request fields;
    struct message_filter filter;
    struct store_get_result result;
    int err;
    int32_t topic_sys_flag;
    int32_t group_sys_flag;
    int64_t cold_start_ns; /* a worker had to read; 0: not */
    bool may_suspend;      /* first pass of a request that wants to wait */
};

static inline struct broker *pull_broker(const struct pull *p)
{
    return p->offload.broker;
}

static inline struct request *pull_req(const struct pull *p)
{
    return p->offload.req;
}

bool pull_check_broker(struct pull *p);
/* Also fills in group_sys_flag. */
bool pull_check_group(struct pull *p);
/* Also fills in topic_sys_flag. */
bool pull_check_topic(struct pull *p);
/* Finds the filter: of the request itself, or what heartbeats said. */
bool pull_check_subscription(struct pull *p);

#endif
