/* pops.c - runs popping on the broker's loop.
 *
 *   pop ── checkpoint ──> log ──> table ──┬── ack ──> log, taken off
 *                                         └── due ──> pop_revive.c
 *   timer ── brings checkpoints and acks into the revive log ──> pop_log.c ──> table
 */
#include "broker/pop/pops_internal.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "broker/later/timers.h"
#include "broker/pop/pop_hold.h"
#include "broker/saver.h"
#include "broker/send/put.h"

/* Messages put again in one pass of the loop, so that requests in between do not wait; a checkpoint
 * is not parted. */
enum { REVIVE_BUDGET = 64 };
/* While something waits, look at least so often: the wall clock may be set. */
enum { LOOK_AT_LEAST_MS = 60 * 1000 };
/* Timers that nobody popped move no consumer offset, so nothing would save where the log ends: it
 * is saved after so many, else a start after a crash had to look through all of them. */
enum { NOTE_EVERY = 4096 };
enum { PATH_BYTES = 4096 };

struct pop_table *pops_table(struct pops *pops)
{
    return pops->table;
}

struct pop_order *pops_order(struct pops *pops)
{
    return pops->order;
}

int32_t pops_revive_queue_count(const struct pops *pops)
{
    return pops->revive_queue_count;
}

int32_t pops_next_revive_queue(struct pops *pops)
{
    return (int32_t)(pops->next_revive_queue++ % (uint32_t)pops->revive_queue_count);
}

/* What the timer has delivered counts when it has been read. */
int64_t pops_log_time(const struct pops *pops)
{
    const struct timers *timers = pops->broker->timers;
    bool is_read = !pops->is_reading && pops->read_timer.at == 0;
    return is_read && timers != NULL ? timers_delivered_to(timers) : pops->log_time_ms;
}

/* ---- the log, written ---------------------------------------------------------------------- */

struct pop_log_place pops_place(const struct pops *pops, int32_t revive_queue_id)
{
    assert(revive_queue_id >= 0 && revive_queue_id < pops->revive_queue_count);
    return (struct pop_log_place){ pops->revive_topic, revive_queue_id, pops->broker->self,
                                   loop_now_ms(pops->broker->loop) };
}

static int put(struct pops *pops, struct record *record, int64_t *end_phy_offset)
{
    struct store_put_result result;
    int err = broker_put(pops->broker, record, 1, &pops->arena, &result, NULL);
    arena_reset(&pops->arena);
    if (err == 0)
        *end_phy_offset = result.end_phy_offset;
    return err;
}

int pops_put_checkpoint(struct pops *pops, const struct pop_checkpoint *checkpoint,
                        int32_t revive_queue_id, int64_t next_offset, int64_t *end_phy_offset)
{
    struct pop_key key = { checkpoint->topic, checkpoint->group, checkpoint->queue_id,
                           checkpoint->start_offset, checkpoint->pop_time_ms };
    if (pop_find(pops->table, &key) != NULL)
        return ERR_EXISTS;
    struct pop_log_place place = pops_place(pops, revive_queue_id);
    struct record record;
    pop_checkpoint_record(checkpoint, &place, next_offset, &pops->arena, &record);
    /* in the table before the record: one that is due at once comes back within the put */
    int err = pop_add(pops->table, checkpoint, revive_queue_id);
    if (err != 0 && err != ERR_TOO_BIG)
        return err;
    err = put(pops, &record, end_phy_offset);
    struct pop_point *added = pop_find(pops->table, &key);
    if (err != 0 && added != NULL)
        pop_finish(pops->table, added);
    pops_changed(pops);
    return err;
}

int pops_put_ack(struct pops *pops, const struct pop_log_ack *ack, int32_t revive_queue_id,
                 int64_t due_ms, int64_t *end_phy_offset)
{
    struct pop_log_place place = pops_place(pops, revive_queue_id);
    struct record record;
    pop_ack_record(ack, &place, due_ms, &pops->arena, &record);
    return put(pops, &record, end_phy_offset);
}

/* ---- what is due --------------------------------------------------------------------------- */

static int64_t next_due(const struct pops *pops, int64_t now_ms)
{
    int64_t due_ms = pop_next_due(pops->table, now_ms, pops_log_time(pops));
    int64_t free_ms = pop_order_next_free(pops->order);
    return due_ms < free_ms ? due_ms : free_ms;
}

void pops_changed(struct pops *pops)
{
    if (pops->is_stopped)
        return;
    int64_t now_ms = loop_now_ms(pops->broker->loop);
    int64_t due_ms = next_due(pops, now_ms);
    if (due_ms == INT64_MAX) {
        loop_timer_stop(&pops->due_timer);
        return;
    }
    int64_t latest_ms = now_ms + LOOK_AT_LEAST_MS;
    loop_timer_start_at(pops->broker->loop, &pops->due_timer,
                        due_ms < latest_ms ? due_ms : latest_ms);
}

void pops_order_changed(struct pops *pops)
{
    saver_changed(pops->broker->saver, TABLE_POP_ORDER);
    pops_changed(pops);
}

/* Queues popped in order whose messages are visible again: who waits may have them. */
static void tell_freed(struct pops *pops)
{
    struct pop_order_queue queue;
    while (pop_order_take_freed(pops->order, loop_now_ms(pops->broker->loop), &queue))
        pop_hold_wake(pops->broker->pop_hold, queue.topic, queue.group, queue.queue_id);
}

static void look(struct loop_timer *timer)
{
    struct pops *pops = (struct pops *)((char *)timer - offsetof(struct pops, due_timer));
    tell_freed(pops);
    if (pops_revive_due(pops, REVIVE_BUDGET))
        pops_changed(pops);
    else
        loop_timer_start(pops->broker->loop, &pops->due_timer, 0);
}

void pops_arrived(struct pops *pops, struct slice topic, int32_t queue_id, int64_t queue_offset)
{
    if (slice_eq(topic, pops->revive_topic))
        pops_log_arrived(pops, queue_id);
    else if (queue_offset % NOTE_EVERY == 0 && slice_eq(topic, SLICE(TOPIC_TIMER)))
        saver_changed(pops->broker->saver, TABLE_OFFSETS);
}

/* ---- begin and end ------------------------------------------------------------------------- */

static int open_tables(struct pops *pops)
{
    char path[PATH_BYTES];
    struct pop_options options = {
        .known_from_ms = loop_now_ms(pops->broker->loop),
        .max_count = POP_POINTS_MAX,
    };
    broker_config_path(pops->broker, "consumerOrderInfo.json", path, sizeof path);
    int err = pop_order_open(path, &pops->order);
    return err != 0 ? err : pop_table_new(&options, &pops->table);
}

static void pops_free(struct pops *pops)
{
    pops_recover_free(pops);
    pop_order_free(pops->order);
    pop_table_free(pops->table);
    buf_fini(&pops->record);
    buf_fini(&pops->read_records);
    arena_fini(&pops->arena);
    free((void *)(uintptr_t)pops->revive_topic.data);
    free(pops);
}

int pops_open(struct broker *broker, struct pops **opened)
{
    struct pops *pops = calloc(1, sizeof *pops);
    if (pops == NULL)
        return ERR_NO_MEMORY;
    pops->broker = broker;
    pops->revive_queue_count = broker->conf.revive_queue_num;
    arena_init(&pops->arena);
    loop_timer_init(&pops->due_timer, look);
    struct buf topic = BUF_INIT;
    buf_printf(&topic, POP_REVIVE_TOPIC_PREFIX "%s", broker->conf.cluster_name);
    pops->revive_topic = buf_slice(&topic);
    int err = open_tables(pops);
    if (err == 0)
        err = pops_recover_begin(pops);
    if (err != 0) {
        pops_free(pops);
        return err;
    }
    pops_log_open(pops);
    pops_changed(pops);
    *opened = pops;
    return 0;
}

void pops_stop(struct pops *pops)
{
    pops->is_stopped = true;
    loop_timer_stop(&pops->due_timer);
    loop_timer_stop(&pops->read_timer);
    loop_timer_stop(&pops->recovery.timer);
}

bool pops_are_idle(const struct pops *pops)
{
    return !pops->is_reading && pops->revive_jobs == 0 && !pops->recovery.is_job_out;
}

void pops_close(struct pops *pops)
{
    if (pops == NULL)
        return;
    assert(pops->is_stopped && pops_are_idle(pops));
    pops_free(pops);
}
