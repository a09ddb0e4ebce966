/* pops.c - runs popping on the broker's loop. */
#include "broker/pop/pops.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include "base/memory.h"
#include "broker/bounds.h"
#include "broker/pop/pop_hold.h"
#include "broker/saver.h"
#include "broker/later/timers.h"
#include "broker/send/put.h"
#include "broker/topic_attributes.h"
#include "broker/topic_rules.h"
#include "wire/pop_info.h"

/* Timers that nobody popped move no consumer offset, so nothing would save where the log ends: it
 * is saved after so many, else a start after a crash had to look through all of them. */
enum { NOTE_EVERY = 4096 };

struct pops {
    struct broker *broker;
    struct pop_keeper *keeper;
    struct slice revive_topic; /* owned */
    struct loop_timer timer;
    bool is_stopped;
};

/* A job of the keeper, with a worker. */
struct pops_job {
    struct job job;
    struct pops *pops;
    struct pop_job *of;
};

static int64_t now_ms(const struct pops *pops)
{
    return loop_now_ms(pops->broker->loop);
}

/* ---- what is due ----------------------------------------------------------------------------- */

static void schedule(struct pops *pops, int64_t due_ms)
{
    if (pops->is_stopped)
        return;
    if (due_ms == INT64_MAX)
        loop_timer_stop(&pops->timer);
    else if (due_ms <= now_ms(pops))
        loop_timer_start(pops->broker->loop, &pops->timer, 0);
    else
        loop_timer_start_at(pops->broker->loop, &pops->timer, due_ms);
}

static void look(void *ctx)
{
    struct pops *pops = ctx;
    if (pops->keeper != NULL)
        schedule(pops, pop_keeper_next(pops->keeper, now_ms(pops)));
}

static void due(struct loop_timer *timer)
{
    struct pops *pops = (struct pops *)((char *)timer - offsetof(struct pops, timer));
    schedule(pops, pop_keeper_run(pops->keeper, now_ms(pops)));
}

static void run_job(struct job *job)
{
    struct pops_job *j = (struct pops_job *)((char *)job - offsetof(struct pops_job, job));
    j->of->work(j->of);
}

static void job_done(struct job *job)
{
    struct pops_job *j = (struct pops_job *)((char *)job - offsetof(struct pops_job, job));
    j->of->done(j->of, now_ms(j->pops));
    free(j);
}

static bool submit(void *ctx, struct pop_job *job)
{
    struct pops *pops = ctx;
    struct pops_job *j = memory_zeroed(1, sizeof *j);
    *j = (struct pops_job){ .job = { .run = run_job, .done = job_done }, .pops = pops, .of = job };
    if (workers_submit(pops->broker->workers, pops->broker->loop, &j->job) == 0)
        return true;
    free(j);
    return false;
}

/* ---- what the keeper asks for ---------------------------------------------------------------- */

static int put(void *ctx, struct record *record, struct arena *arena,
               struct store_put_result *result)
{
    const struct pops *pops = ctx;
    return broker_put_own(pops->broker, record, arena, result);
}

/* The retry topic of the group, or, for a queue of one, the same. A group that its first pop made
 * may not have been on the disk yet when the process was killed: it is made again, as by any use.
 * The topic must be on the disk before a message is in it, or a kill left it in a topic that nobody
 * knows. */
static int retry_topic(void *ctx, struct slice topic, struct slice group, struct arena *arena,
                       struct slice *name)
{
    const struct pops *pops = ctx;
    struct broker *broker = pops->broker;
    if (topics_get(broker->topics, pop_normal_topic(topic, group)) == NULL ||
        broker_group_ensure(broker, group) == NULL)
        return ERR_NOT_FOUND;
    enum pop_origin origin = broker->conf.enable_retry_topic_v2 ? POP_OF_RETRY_V2 : POP_OF_RETRY_V1;
    *name = topic_is_retry(topic) ? topic : pop_topic_name(topic, group, origin, arena);
    if (broker_pop_retry_topic_ensure(broker, *name, group) == NULL)
        return ERR_NOT_FOUND;
    return saver_has_saved(broker->saver, TABLE_TOPICS) ? 0 : ERR_WOULD_BLOCK;
}

static bool has_batch_queues(void *ctx, struct slice topic)
{
    const struct pops *pops = ctx;
    const struct topic_config *config = topics_get(pops->broker->topics, topic);
    return config != NULL && topic_has_batch_queues(config);
}

static int64_t delivered_to(void *ctx)
{
    const struct broker *b = ((const struct pops *)ctx)->broker;
    return b->timers == NULL ? 0
                             : timer_delivered_to(timers_timer(b->timers), loop_now_ms(b->loop));
}

static int64_t saved_to(void *ctx)
{
    const struct broker *b = ((const struct pops *)ctx)->broker;
    return b->timers == NULL ? 0 : timer_saved_to(timers_timer(b->timers));
}

static void offsets_changed_now(void *ctx)
{
    saver_changed(((const struct pops *)ctx)->broker->saver, TABLE_OFFSETS);
}

static void order_changed(void *ctx)
{
    saver_changed(((const struct pops *)ctx)->broker->saver, TABLE_POP_ORDER);
}

static void save_offsets_here(void *ctx)
{
    saver_save_here(((const struct pops *)ctx)->broker->saver, TABLE_OFFSETS);
}

static void freed(void *ctx, struct slice topic, struct slice group, int32_t queue_id)
{
    pop_hold_wake(((const struct pops *)ctx)->broker->pop_hold, topic, group, queue_id);
}

static void recovered(void *ctx)
{
    pop_hold_release_all(((const struct pops *)ctx)->broker->pop_hold);
}

/* ---- the rest of the broker ------------------------------------------------------------------ */

struct pop_keeper *pops_keeper(const struct pops *pops)
{
    return pops->keeper;
}

int32_t pops_revive_queue_count(const struct pops *pops)
{
    return pops->broker->conf.revive_queue_num;
}

bool pops_are_recovering(const struct pops *pops)
{
    return pop_keeper_is_recovering(pops->keeper);
}

void pops_keep_offset(struct pops *pops, struct slice topic, struct slice group, int32_t queue_id)
{
    pop_keeper_keep_offset(pops->keeper, topic, group, queue_id, now_ms(pops));
}

void pops_note_log_end(struct pops *pops)
{
    pop_keeper_note_log_end(pops->keeper, now_ms(pops));
}

void pops_arrived(struct pops *pops, struct slice topic, int32_t queue_id, int64_t queue_offset)
{
    if (slice_eq(topic, pops->revive_topic))
        pop_keeper_log_arrived(pops->keeper, queue_id, now_ms(pops));
    else if (queue_offset % NOTE_EVERY == 0 && slice_eq(topic, SLICE(TOPIC_TIMER))) {
        pops_note_log_end(
            pops); /* else a save under way would not know that the table has changed */
        saver_changed(pops->broker->saver, TABLE_OFFSETS);
    }
}

/* ---- begin and end --------------------------------------------------------------------------- */

static void pops_free(struct pops *pops)
{
    pop_keeper_free(pops->keeper);
    free((void *)(uintptr_t)pops->revive_topic.data);
    free(pops);
}

static int open_keeper(struct pops *pops)
{
    struct broker *broker = pops->broker;
    char path[PATH_MAX];
    saver_table_path(broker, TABLE_POP_ORDER, path, sizeof path);
    const struct pop_keeper_options options = {
        .store = broker->store,
        .offsets = broker->offsets,
        .order_path = path,
        .revive_topic = pops->revive_topic,
        .revive_queue_count = broker->conf.revive_queue_num,
        .broker_name = slice_str(broker->conf.broker_name),
        .self = &broker->self,
        .points_max = BOUND_POP_CHECKPOINTS,
        .put = put,
        .retry_topic = retry_topic,
        .has_batch_queues = has_batch_queues,
        .timers_delivered_to = delivered_to,
        .timers_saved_to = saved_to,
        .offsets_changed = offsets_changed_now,
        .order_changed = order_changed,
        .save_offsets_here = save_offsets_here,
        .freed = freed,
        .recovered = recovered,
        .look = look,
        .submit = submit,
        .ctx = pops,
    };
    return pop_keeper_open(&options, now_ms(pops), &pops->keeper);
}

int pops_open(struct broker *broker, struct pops **opened)
{
    struct pops *pops = calloc(1, sizeof *pops);
    if (pops == NULL)
        return ERR_NO_MEMORY;
    pops->broker = broker;
    loop_timer_init(&pops->timer, due);
    struct buf topic = BUF_INIT;
    buf_printf(&topic, POP_REVIVE_TOPIC_PREFIX "%s", broker->conf.cluster_name);
    pops->revive_topic = buf_slice(&topic);
    int err = open_keeper(pops);
    if (err != 0) {
        pops_free(pops);
        return err;
    }
    look(pops);
    *opened = pops;
    return 0;
}

void pops_stop(struct pops *pops)
{
    pops->is_stopped = true;
    pop_keeper_stop(pops->keeper);
    loop_timer_stop(&pops->timer);
}

bool pops_are_idle(const struct pops *pops)
{
    return !pop_keeper_has_jobs(pops->keeper);
}

void pops_close(struct pops *pops)
{
    if (pops == NULL)
        return;
    assert(pops->is_stopped && pops_are_idle(pops));
    pops_free(pops);
}
