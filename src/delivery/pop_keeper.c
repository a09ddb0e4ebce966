/* pop_keeper.c - what is due, and the records that go to the log.
 *
 * Every pass does a little of each: consumer offsets are brought up after a crash (pop_recover.c),
 * the revive log is read on (pop_log.c), what is due is put again (pop_revive.c). Taking is in
 * pop_take.c, acknowledging in pop_ack.c. What is out is kept in two tables, of checkpoints (pop.h)
 * and of queues popped in order (pop_order.h).
 *
 * A checkpoint enters the table before its record the log, and leaves it when the put fails: so
 * none is in the log alone, and the messages of a failed pop stay in their queue.
 */
#include <assert.h>
#include <stdlib.h>

#include "delivery/pop_internal.h"
#include "wire/names.h"

/* Messages put again in one pass of the loop, so that requests in between do not wait; a checkpoint
 * is not parted. */
enum { REVIVE_BUDGET = 64 };

int32_t pop_keeper_next_revive_queue(struct pop_keeper *keeper)
{
    return (int32_t)(keeper->next_revive_queue++ % (uint32_t)keeper->options.revive_queue_count);
}

/* What the timer has delivered (timer_delivered_to()) counts when it has been read. */
int64_t keeper_log_time(const struct pop_keeper *keeper)
{
    bool is_read = !keeper->is_reading && keeper->read_at_ms == INT64_MAX;
    int64_t delivered_ms = is_read ? keeper->options.timers_delivered_to(keeper->options.ctx) : 0;
    return delivered_ms > 0 ? delivered_ms : keeper->log_time_ms;
}

void keeper_commit(struct pop_keeper *keeper, struct slice topic, struct slice group,
                   int32_t queue_id, int64_t queue_offset, int64_t now_ms)
{
    assert(queue_id >= 0);
    assert(queue_offset >= 0);
    offsets_put(keeper->options.offsets, topic, group, queue_id, queue_offset, now_ms);
    keeper->options.offsets_changed(keeper->options.ctx);
}

/* ---- what blocks queues popped in order ------------------------------------------------------ */

bool pop_keeper_order_changed(const struct pop_keeper *keeper)
{
    return pop_order_changed(keeper->order);
}

void pop_keeper_order_text(struct pop_keeper *keeper, int64_t now_ms, struct buf *out)
{
    pop_order_text(keeper->order, now_ms, out);
}

static void order_changed(struct pop_keeper *keeper)
{
    keeper->options.order_changed(keeper->options.ctx);
    keeper_look(keeper);
}

void pop_keeper_forget_topic(struct pop_keeper *keeper, struct slice topic)
{
    pop_order_remove_topic(keeper->order, topic);
    order_changed(keeper);
}

void pop_keeper_forget_group(struct pop_keeper *keeper, struct slice group)
{
    pop_order_remove_group(keeper->order, group);
    order_changed(keeper);
}

/* ---- the log, written ---------------------------------------------------------------------- */

static struct pop_log_place place_of(const struct pop_keeper *keeper, int32_t revive_queue_id,
                                     int64_t now_ms)
{
    assert(revive_queue_id >= 0 && revive_queue_id < keeper->options.revive_queue_count);
    return (struct pop_log_place){ keeper->options.revive_topic, revive_queue_id,
                                   *keeper->options.self, now_ms };
}

static int put(struct pop_keeper *keeper, struct record *record, int64_t *end_phy_offset)
{
    struct store_put_result result;
    int err = keeper->options.put(keeper->options.ctx, record, &keeper->arena, &result);
    arena_reset(&keeper->arena);
    if (err == 0)
        *end_phy_offset = result.end_phy_offset;
    return err;
}

int keeper_put_checkpoint(struct pop_keeper *keeper, const struct pop_checkpoint *checkpoint,
                          int32_t revive_queue_id, int64_t next_offset, int64_t now_ms,
                          int64_t *end_phy_offset)
{
    assert(checkpoint->count > 0);
    assert(checkpoint->count <= POP_CHECKPOINT_MESSAGES_MAX);
    struct pop_key key = { checkpoint->topic, checkpoint->group, checkpoint->queue_id,
                           checkpoint->start_offset, checkpoint->pop_time_ms };
    if (pop_find(keeper->table, &key) != NULL)
        return ERR_EXISTS;
    struct pop_log_place place = place_of(keeper, revive_queue_id, now_ms);
    struct record record;
    pop_checkpoint_record(checkpoint, &place, next_offset, &keeper->arena, &record);
    /* in the table before the record: one that is due at once comes back within the put */
    int err = pop_add(keeper->table, checkpoint, revive_queue_id, now_ms);
    if (err != 0 && err != ERR_TOO_BIG)
        return err;
    err = put(keeper, &record, end_phy_offset);
    struct pop_point *added = pop_find(keeper->table, &key);
    if (err != 0 && added != NULL)
        pop_finish(keeper->table, added);
    keeper_look(keeper);
    return err;
}

int keeper_put_ack(struct pop_keeper *keeper, const struct popped *popped,
                   const int64_t *queue_offsets, int count, int64_t due_ms, int64_t now_ms,
                   int64_t *end_phy_offset)
{
    assert(count > 0);
    struct pop_log_place place = place_of(keeper, popped->revive_queue_id, now_ms);
    struct pop_log_ack ack = {
        .topic = popped->key.topic,
        .group = popped->key.group,
        .broker_name = keeper->options.broker_name,
        .queue_id = popped->key.queue_id,
        .start_offset = popped->key.start_offset,
        .pop_time_ms = popped->key.pop_time_ms,
        .queue_offsets = queue_offsets,
        .count = count,
        .is_batch = count > 1,
    };
    struct record record;
    pop_ack_record(&ack, &place, due_ms, &keeper->arena, &record);
    return put(keeper, &record, end_phy_offset);
}

/* ---- what is due --------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t pop_keeper_next(const struct pop_keeper *keeper, int64_t now_ms)
{
    int64_t due_ms = pop_next_due(keeper->table, now_ms, keeper_log_time(keeper));
    due_ms = earlier(due_ms, pop_order_next_free(keeper->order));
    if (keeper->recovery.is_running)
        return earlier(due_ms, keeper->recovery.go_on_ms);
    return keeper->is_reading ? due_ms : earlier(due_ms, keeper->read_at_ms);
}

/* Queues popped in order whose messages are visible again: who waits may have them. */
static void tell_freed(struct pop_keeper *keeper, int64_t now_ms)
{
    struct pop_order_queue queue;
    while (pop_order_take_freed(keeper->order, now_ms, &queue))
        keeper->options.freed(keeper->options.ctx, queue.topic, queue.group, queue.queue_id);
}

/* A moment later by a clock that was set back since. */
static void bound_wait(int64_t *wait_ms, int64_t now_ms)
{
    if (*wait_ms != INT64_MAX && *wait_ms > now_ms + POP_BUSY_RETRY_MS)
        *wait_ms = now_ms + POP_BUSY_RETRY_MS;
}

int64_t pop_keeper_run(struct pop_keeper *keeper, int64_t now_ms)
{
    bound_wait(&keeper->read_at_ms, now_ms);
    bound_wait(&keeper->recovery.go_on_ms, now_ms);
    if (keeper->recovery.is_running && keeper->recovery.go_on_ms <= now_ms)
        keeper_recover_go_on(keeper, now_ms);
    /* the recovery tells what is of an earlier process */
    if (!keeper->recovery.is_running && !keeper->is_reading && keeper->read_at_ms <= now_ms)
        keeper_log_read_on(keeper, now_ms);
    tell_freed(keeper, now_ms);
    return keeper_revive_due(keeper, REVIVE_BUDGET, now_ms) ? pop_keeper_next(keeper, now_ms)
                                                            : now_ms;
}

/* ---- begin and end ------------------------------------------------------------------------- */

void pop_keeper_stop(struct pop_keeper *keeper)
{
    keeper->is_stopped = true;
}

bool pop_keeper_has_jobs(const struct pop_keeper *keeper)
{
    return keeper->is_reading || keeper->revive_jobs > 0 || keeper->recovery.is_job_out;
}

void pop_keeper_free(struct pop_keeper *keeper)
{
    if (keeper == NULL)
        return;
    assert(!pop_keeper_has_jobs(keeper));
    keeper_recover_free(keeper);
    pop_order_free(keeper->order);
    pop_table_free(keeper->table);
    buf_fini(&keeper->record);
    buf_fini(&keeper->read_records);
    arena_fini(&keeper->arena);
    free(keeper);
}

/* Or a queue that cannot be read passed for an empty one. */
static int open_queues(const struct pop_keeper_options *options)
{
    int err = store_queue_open(options->store, SLICE(TOPIC_TIMER), 0);
    for (int32_t i = 0; i < options->revive_queue_count && err == 0; i++)
        err = store_queue_open(options->store, options->revive_topic, i);
    return err;
}

/* Pops of earlier processes are of times before, also when the clock was set back since: the log
 * and the table of consumer offsets know of later ones. */
static int64_t known_from(const struct pop_keeper *keeper, int64_t now_ms)
{
    struct store_state state;
    store_state(keeper->options.store, &state);
    int64_t noted_ms = keeper_noted_pop_ms(keeper);
    int64_t last_ms = state.newest_message_ms > noted_ms ? state.newest_message_ms : noted_ms;
    return now_ms > last_ms ? now_ms : last_ms + 1;
}

int pop_keeper_open(const struct pop_keeper_options *options, int64_t now_ms,
                    struct pop_keeper **opened)
{
    assert(options->revive_queue_count > 0 && options->revive_queue_count <= POP_REVIVE_QUEUES_MAX);
    int err = open_queues(options);
    if (err != 0)
        return err;
    struct pop_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL)
        return ERR_NO_MEMORY;
    keeper->options = *options;
    arena_init(&keeper->arena);
    const struct pop_options table_options = { .known_from_ms = known_from(keeper, now_ms),
                                               .max_count = options->points_max };
    err = pop_order_open(options->order_path, &keeper->order);
    if (err == 0)
        err = pop_table_new(&table_options, &keeper->table);
    if (err == 0)
        err = keeper_recover_begin(keeper, now_ms);
    if (err != 0) {
        pop_keeper_free(keeper);
        return err;
    }
    keeper_log_open(keeper, now_ms);
    *opened = keeper;
    return 0;
}
