/* acks.c - sends parked until their bytes are on disk (flushDiskType=SYNC_FLUSH).
 *
 * Puts happen in order on the loop, so those parked stand in the order of their ends and of their
 * deadlines: one list, one timer for its head. The flusher is asked once per pass of the loop, for
 * the highest end; what arrives during a sync rides on the next.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "broker/internal.h"

struct ack {
    struct list link;
    struct request *req;
    struct reply reply;
    int64_t end_phy_offset;
    int64_t deadline_ns;
};

struct acks {
    struct broker *broker;
    struct list parked; /* of ack.link */
    struct loop_timer deadline;
    struct loop_deferred ask_flush;
    int64_t asked_end;
    struct loop_task flushed;
    atomic_bool is_posted; /* `flushed` is on its way to the loop */
};

static struct ack *first(struct acks *a)
{
    return list_entry(a->parked.next, struct ack, link);
}

static void answer(struct ack *ack, int32_t code)
{
    struct request *req = ack->req;
    struct reply reply = ack->reply; /* *ack lives in the request's arena */
    list_remove(&ack->link);
    reply.code = code;
    if (code == RESP_FLUSH_DISK_TIMEOUT)
        reply.remark = SLICE("FLUSH_DISK_TIMEOUT");
    reply_send(req, &reply);
}

static void plan_deadline(struct acks *a)
{
    if (list_empty(&a->parked)) {
        loop_timer_stop(&a->deadline);
        return;
    }
    int64_t wait_ns = first(a)->deadline_ns - loop_now_ns(a->broker->loop);
    loop_timer_start(a->broker->loop, &a->deadline, wait_ns / 1000000 + 1);
}

static void deadline_passed(struct loop_timer *timer)
{
    struct acks *a = (struct acks *)((char *)timer - offsetof(struct acks, deadline));
    while (!list_empty(&a->parked) && first(a)->deadline_ns <= loop_now_ns(a->broker->loop))
        answer(first(a), RESP_FLUSH_DISK_TIMEOUT);
    plan_deadline(a);
}

/* After a failed sync nothing parked will ever be on disk for certain: it is stored, and the
 * clients are told that no more is known. */
static void answer_flushed(struct loop_task *task)
{
    struct acks *a = (struct acks *)((char *)task - offsetof(struct acks, flushed));
    atomic_store(&a->is_posted, false);
    bool has_failed = store_refuses_puts(a->broker->store) == ERR_IO;
    int64_t flushed_to = store_flushed_to(a->broker->store);
    while (!list_empty(&a->parked) && first(a)->end_phy_offset <= flushed_to)
        answer(first(a), first(a)->reply.code);
    while (has_failed && !list_empty(&a->parked))
        answer(first(a), RESP_FLUSH_DISK_TIMEOUT);
    plan_deadline(a);
}

void acks_flushed(struct acks *acks)
{
    if (!atomic_exchange(&acks->is_posted, true))
        loop_post(acks->broker->loop, &acks->flushed);
}

static void ask_flush(struct loop_deferred *deferred)
{
    struct acks *a = (struct acks *)((char *)deferred - offsetof(struct acks, ask_flush));
    store_request_flush(a->broker->store, a->asked_end);
}

void acks_reply(struct broker *broker, struct request *req, const struct reply *reply,
                int64_t end_phy_offset, bool wait)
{
    struct acks *a = broker->acks;
    if (!wait || strcmp(broker->conf.flush_disk_type, "SYNC_FLUSH") != 0 ||
        store_flushed_to(broker->store) >= end_phy_offset) {
        reply_send(req, reply);
        return;
    }
    req->body = slice_of(NULL, 0); /* stored: not worth a copy */
    request_detach(req);
    struct ack *ack = arena_alloc(&req->arena, sizeof *ack);
    *ack = (struct ack){
        .req = req,
        .reply = *reply,
        .end_phy_offset = end_phy_offset,
        .deadline_ns = loop_now_ns(broker->loop) + broker->conf.sync_flush_timeout_ms * 1000000,
    };
    bool is_first = list_empty(&a->parked);
    list_append(&a->parked, &ack->link);
    a->asked_end = end_phy_offset;
    loop_defer(broker->loop, &a->ask_flush);
    if (is_first)
        plan_deadline(a);
}

int acks_new(struct broker *broker, struct acks **acks)
{
    struct acks *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ERR_NO_MEMORY;
    a->broker = broker;
    list_init(&a->parked);
    loop_timer_init(&a->deadline, deadline_passed);
    loop_deferred_init(&a->ask_flush, ask_flush);
    a->flushed.run = answer_flushed;
    *acks = a;
    return 0;
}

bool acks_are_idle(const struct acks *acks)
{
    return list_empty(&acks->parked) && !atomic_load(&acks->is_posted);
}

void acks_free(struct acks *acks)
{
    if (acks == NULL)
        return;
    assert(acks_are_idle(acks));
    loop_undefer(&acks->ask_flush);
    free(acks);
}
