/* acks.c - sends parked until what their answer promises is true.
 *
 * A message is found through its topic: the answer to the first sends to a topic that came to be by
 * itself waits until the topic is in its file. And with flushDiskType=SYNC_FLUSH every answer waits
 * until the message's bytes are on disk.
 *
 * Those parked stand in the order of their deadlines: one list, one timer for its head. Puts happen
 * in order on the loop, so that is the order of their ends too, but for a pop that had more queues
 * to read behind its last checkpoint: it waits for those before it. The thread that runs the loop
 * syncs the log itself, as an errand (net/loop.h), when it has read everything that came; what
 * arrives during a sync rides on the next. When the flusher is just at it, it is asked instead:
 *
 *     NOBODY ──park──> WAITED ──flushed──> POSTED ──loop──> WAITED or NOBODY
 *
 * The flusher posts to the loop from WAITED only, so a broker where nobody waits is never woken,
 * and nothing is on its way to a broker that has ended.
 */
#include "broker/send/acks.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "broker/figures/evidence.h"
#include "broker/guard/guard.h"
#include "broker/internal.h"
#include "broker/saver.h"

/* So long what has come is read before the first of it is synced, if there is no end to it. */
enum { GATHER_NS = 300000 };

struct ack {
    struct list link;
    struct request *req;
    struct reply reply;
    int64_t end_phy_offset;
    bool waits_for_disk;
    int64_t deadline_ns;
    int64_t parked_ns; /* when it began to wait for the disk; 0: it did not */
};

struct acks {
    struct broker *broker;
    struct list parked;   /* of ack.link */
    int64_t farthest_end; /* that one of them waits for, or waited */
    struct loop_timer deadline;
    struct loop_deferred ask_flush;
    struct loop_errand sync;
    bool is_syncing;           /* the errand is asked for or under way */
    bool is_flusher_at_it;     /* what the errand found; its own until it is done */
    int64_t given_up_end;      /* the farthest of an answer that did not wait any longer */
    int64_t given_up_since_ns; /* when the first of them since the last sync began to wait */
    struct list unsaved; /* of ack.link: sends since a topic was created that is not saved yet */
    struct save_waiter topics_saved;
    bool topics_pending; /* topics_saved is with the saver */
    bool topics_again;   /* another topic came meanwhile */
    struct loop_task flushed;
    atomic_int state; /* enum acks_state; to POSTED by the flusher, else by the loop */
};

enum acks_state { NOBODY, WAITED, POSTED };

static struct ack *first(struct acks *a)
{
    return list_entry(a->parked.next, struct ack, link);
}

static void answer(struct acks *a, struct ack *ack, int32_t code)
{
    struct request *req = ack->req;
    struct reply reply = ack->reply; /* *ack lives in the request's arena */
    list_remove(&ack->link);
    reply.code = code;
    if (ack->parked_ns != 0)
        evidence_flushed(a->broker->evidence, req, loop_now_ns(a->broker->loop) - ack->parked_ns);
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

/* Gives up being told of flushes when nobody waits; from POSTED the task that is coming does it. */
static void rest_when_empty(struct acks *a)
{
    int waited = WAITED;
    if (list_empty(&a->parked))
        atomic_compare_exchange_strong(&a->state, &waited, NOBODY);
}

static bool are_given_up_on_disk(const struct acks *a)
{
    return store_flushed_to(a->broker->store) >= a->given_up_end;
}

static void give_up(struct acks *a, struct ack *ack)
{
    if (are_given_up_on_disk(a))
        a->given_up_since_ns = ack->parked_ns;
    if (ack->end_phy_offset > a->given_up_end)
        a->given_up_end = ack->end_phy_offset;
    answer(a, ack, RESP_FLUSH_DISK_TIMEOUT);
}

static void deadline_passed(struct loop_timer *timer)
{
    struct acks *a = (struct acks *)((char *)timer - offsetof(struct acks, deadline));
    while (!list_empty(&a->parked) && first(a)->deadline_ns <= loop_now_ns(a->broker->loop))
        give_up(a, first(a));
    plan_deadline(a);
    rest_when_empty(a);
}

/* After a failed sync nothing parked will ever be on disk for certain: it is stored, and the
 * clients are told that no more is known. */
static void answer_ready(struct acks *a)
{
    bool has_failed = store_refuses_puts(a->broker->store) == ERR_IO;
    int64_t flushed_to = store_flushed_to(a->broker->store);
    while (!list_empty(&a->parked) && first(a)->end_phy_offset <= flushed_to)
        answer(a, first(a), first(a)->reply.code);
    while (has_failed && !list_empty(&a->parked))
        answer(a, first(a), RESP_FLUSH_DISK_TIMEOUT);
    plan_deadline(a);
    rest_when_empty(a);
}

/* WAITED before looking: a flush that ends meanwhile is told again. */
static void flush_told(struct loop_task *task)
{
    struct acks *a = (struct acks *)((char *)task - offsetof(struct acks, flushed));
    atomic_store(&a->state, WAITED);
    answer_ready(a);
}

void acks_flushed(struct acks *acks)
{
    int waited = WAITED;
    if (atomic_compare_exchange_strong(&acks->state, &waited, POSTED))
        loop_post(acks->broker->loop, &acks->flushed);
}

static void ask_for_sync(struct acks *a)
{
    if (list_empty(&a->parked) || a->is_syncing)
        return;
    if (!loop_has_deputy(a->broker->loop)) {
        store_request_flush(a->broker->store, a->farthest_end);
        return;
    }
    a->is_syncing = true;
    loop_errand_ask(a->broker->loop, &a->sync, GATHER_NS);
}

static void run_sync(struct loop_errand *errand)
{
    struct acks *a = (struct acks *)((char *)errand - offsetof(struct acks, sync));
    a->is_flusher_at_it = !store_flush_here(a->broker->store);
}

static void sync_done(struct loop_errand *errand)
{
    struct acks *a = (struct acks *)((char *)errand - offsetof(struct acks, sync));
    a->is_syncing = false;
    answer_ready(a);
    if (!a->is_flusher_at_it)
        ask_for_sync(a);
    else if (!list_empty(&a->parked))
        store_request_flush(a->broker->store, a->farthest_end);
}

/* At the end of the pass; a flush may have passed the end of the first ones before they were waited
 * for. */
static void ask_flush(struct loop_deferred *deferred)
{
    struct acks *a = (struct acks *)((char *)deferred - offsetof(struct acks, ask_flush));
    answer_ready(a);
    ask_for_sync(a);
}

static bool may_go(const struct acks *a, bool waits_for_disk, int64_t end_phy_offset)
{
    return !waits_for_disk || store_flushed_to(a->broker->store) >= end_phy_offset;
}

static void wait_for_disk(struct acks *a, struct ack *ack)
{
    struct broker *broker = a->broker;
    int nobody = NOBODY;
    ack->parked_ns = loop_now_ns(broker->loop);
    ack->deadline_ns = ack->parked_ns + broker->conf.sync_flush_timeout_ms * 1000000;
    list_append(&a->parked, &ack->link);
    if (ack->end_phy_offset > a->farthest_end)
        a->farthest_end = ack->end_phy_offset;
    atomic_compare_exchange_strong(&a->state, &nobody, WAITED);
    guard_disk_is_waited_for(broker->guard);
    loop_defer(broker->loop, &a->ask_flush);
}

/* The table with the new topic is in its file, or could not be written: then it is in memory, tried
 * again, and the answer is late enough. */
static void topics_saved(struct save_waiter *waiter, int err)
{
    (void)err;
    struct acks *a = (struct acks *)((char *)waiter - offsetof(struct acks, topics_saved));
    if (a->topics_again) {
        a->topics_again = false;
        saver_wait(a->broker->saver, TABLE_TOPICS, &a->topics_saved);
        return;
    }
    a->topics_pending = false;
    while (!list_empty(&a->unsaved)) {
        struct ack *ack = list_entry(a->unsaved.next, struct ack, link);
        if (may_go(a, ack->waits_for_disk, ack->end_phy_offset)) {
            answer(a, ack, ack->reply.code);
        } else {
            list_remove(&ack->link);
            wait_for_disk(a, ack);
        }
    }
}

void acks_topic_created(struct broker *broker)
{
    struct acks *a = broker->acks;
    if (broker->server == NULL)
        return; /* at start: nothing can be sent yet */
    if (a->topics_pending) {
        a->topics_again = true;
        return;
    }
    a->topics_pending = true;
    saver_wait(broker->saver, TABLE_TOPICS, &a->topics_saved);
}

void acks_reply(struct broker *broker, struct request *req, const struct reply *reply,
                int64_t end_phy_offset, bool wait)
{
    struct acks *a = broker->acks;
    bool waits_for_disk = wait && strcmp(broker->conf.flush_disk_type, "SYNC_FLUSH") == 0;
    if (!a->topics_pending && may_go(a, waits_for_disk, end_phy_offset)) {
        reply_send(req, reply);
        return;
    }
    request_strip(req);
    struct ack *ack = arena_alloc(&req->arena, sizeof *ack);
    *ack = (struct ack){
        .req = req,
        .reply = *reply,
        .end_phy_offset = end_phy_offset,
        .waits_for_disk = waits_for_disk,
    };
    list_init(&ack->link);
    if (a->topics_pending)
        list_append(&a->unsaved, &ack->link);
    else
        wait_for_disk(a, ack);
}

int acks_new(struct broker *broker, struct acks **acks)
{
    struct acks *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ERR_NO_MEMORY;
    a->broker = broker;
    list_init(&a->parked);
    list_init(&a->unsaved);
    a->topics_saved.done = topics_saved;
    loop_timer_init(&a->deadline, deadline_passed);
    loop_deferred_init(&a->ask_flush, ask_flush);
    a->sync = (struct loop_errand){ run_sync, sync_done };
    a->flushed.run = flush_told;
    atomic_init(&a->state, NOBODY);
    *acks = a;
    return 0;
}

int64_t acks_oldest_ns(const struct acks *acks)
{
    int64_t now_ns = loop_now_ns(acks->broker->loop);
    if (!are_given_up_on_disk(acks))
        return now_ns - acks->given_up_since_ns;
    if (list_empty(&acks->parked))
        return 0;
    const struct ack *oldest = list_entry(acks->parked.next, struct ack, link);
    return now_ns - oldest->parked_ns;
}

bool acks_are_idle(const struct acks *acks)
{
    return atomic_load(&acks->state) == NOBODY && !acks->topics_pending && !acks->is_syncing;
}

void acks_free(struct acks *acks)
{
    if (acks == NULL)
        return;
    assert(acks_are_idle(acks));
    assert(list_empty(&acks->parked) && list_empty(&acks->unsaved));
    loop_undefer(&acks->ask_flush);
    free(acks);
}
