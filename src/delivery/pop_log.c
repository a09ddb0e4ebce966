/* pop_log.c - reads the revive log back: checkpoints and acks as the timer brings them.
 *
 * Of this process they are known already: a checkpoint that comes up is remembered by its place, so
 * that the committed offset waits for it, or is finished. Those of an earlier process enter the
 * table here. What is not in memory is read by a worker, one queue at a time.
 */
#include <assert.h>

#include "base/log.h"
#include "delivery/pop_internal.h"
#include "wire/properties.h"

enum { READ_COUNT = 64, READ_BYTES = 256 * 1024, READ_BUDGET = 256 };
enum { LOOK_TRIES = 50 };

/* ---- acks that stand before their checkpoint ------------------------------------------------ */

/* A checkpoint that the timer brought a second time, after a crash, has its acks before it. They
 * came when it was due for the first time, or later: what was stored from then on is read, too. */
static void want_acks_of(struct pop_keeper *keeper, int32_t queue_id,
                         const struct pop_checkpoint *checkpoint, int64_t log_offset)
{
    struct revive_queue *queue = &keeper->queues[queue_id];
    assert(queue_id < keeper->options.revive_queue_count);
    assert(log_offset >= queue->next);
    int64_t due_ms = checkpoint->pop_time_ms + checkpoint->invisible_ms - POP_CHECKPOINT_AHEAD_MS;
    if (due_ms >= queue->acks_since_ms || pop_is_known(keeper->table, checkpoint->pop_time_ms))
        return;
    queue->acks_since_ms = due_ms;
    queue->asked_at = log_offset;
    queue->look_tries = 0;
    queue->must_look_back = true;
    keeper->log_time_ms = 0; /* nothing of an earlier process is due meanwhile */
}

/* ---- one record ---------------------------------------------------------------------------- */

/* ERR_TOO_BIG: the table is full, nothing was taken. */
static int take_record(struct pop_keeper *keeper, int32_t queue_id, const struct record *record,
                       int64_t now_ms)
{
    struct slice tag = property_get(record->properties, SLICE(PROPERTY_TAGS));
    struct pop_checkpoint checkpoint;
    struct pop_log_ack ack;
    int err = 0;
    if (slice_eq(tag, SLICE(POP_TAG_CHECKPOINT))) {
        bool is_done = record->queue_offset <= keeper->queues[queue_id].done;
        if (!is_done && pop_checkpoint_decode(record->body, &keeper->arena, &checkpoint) == 0) {
            err = pop_log_checkpoint(keeper->table, &checkpoint, queue_id, record->queue_offset);
            want_acks_of(keeper, queue_id, &checkpoint, record->queue_offset);
        }
    } else if (slice_eq(tag, SLICE(POP_TAG_ACK)) || slice_eq(tag, SLICE(POP_TAG_BATCH_ACK))) {
        bool is_batch = slice_eq(tag, SLICE(POP_TAG_BATCH_ACK));
        if (pop_log_ack_decode(record->body, is_batch, &keeper->arena, &ack) == 0)
            pop_log_ack(keeper->table, &ack, now_ms);
    }
    arena_reset(&keeper->arena);
    return err;
}

/* Takes what was read of a queue; false: the table is full. */
static bool take_records(struct pop_keeper *keeper, int32_t queue_id, struct slice records,
                         int64_t now_ms)
{
    struct revive_queue *queue = &keeper->queues[queue_id];
    struct record record;
    while (records.len > 0) {
        int err = record_decode(records, RECORD_CHECK_BODY_CRC, &record);
        if (err != 0) {
            log_error("pop_log_damaged queue=%d offset=%lld", queue_id, (long long)queue->next);
            return true;
        }
        if (record.queue_offset >= queue->next &&
            take_record(keeper, queue_id, &record, now_ms) == ERR_TOO_BIG) {
            queue->next = record.queue_offset;
            return false;
        }
        records = slice_from(records, (size_t)record.total_bytes);
    }
    return true;
}

/* ---- reading on ---------------------------------------------------------------------------- */

static int get(struct pop_keeper *keeper, int32_t queue_id, int64_t queue_offset, bool may_block,
               struct store_get_result *got)
{
    struct store_get_request request = {
        .topic = keeper->options.revive_topic,
        .queue_id = queue_id,
        .queue_offset = queue_offset,
        .max_count = READ_COUNT,
        .max_bytes = READ_BYTES,
        .may_block = may_block,
    };
    buf_clear(&keeper->read_records);
    return store_get(keeper->options.store, &request, &keeper->read_records, got);
}

/* False: the table is full. */
static bool take_answer(struct pop_keeper *keeper, int32_t queue_id, struct slice records,
                        const struct store_get_result *got, int64_t now_ms)
{
    struct revive_queue *queue = &keeper->queues[queue_id];
    int64_t before = queue->next;
    bool is_taken = got->status != GET_FOUND || take_records(keeper, queue_id, records, now_ms);
    if (is_taken && got->next_offset > queue->next)
        queue->next = got->next_offset;
    assert(queue->next >= before);
    /* an entry that leads nowhere must not be looked at for ever */
    bool leads_nowhere = is_taken && queue->next == before && got->max_offset > before;
    /* as it is now: more may have come while a worker read */
    int64_t max = store_queue_max(keeper->options.store, keeper->options.revive_topic, queue_id);
    queue->has_more = queue->next < max && !leads_nowhere;
    keeper_log_commit(keeper, queue_id, now_ms);
    return is_taken;
}

static struct pop_keeper *by_read_job(struct pop_job *job)
{
    return (struct pop_keeper *)((char *)job - offsetof(struct pop_keeper, read_job));
}

enum { PLACE_UNKNOWN = -1 }; /* the queue could not be read */

static void read_cold(struct pop_job *job)
{
    struct pop_keeper *keeper = by_read_job(job);
    int32_t queue_id = keeper->reading_queue;
    keeper->read_err = 0;
    if (keeper->is_looking_back)
        keeper->read_err = store_queue_offset_by_time(
            keeper->options.store, keeper->options.revive_topic, queue_id, keeper->looking_back_ms,
            BOUNDARY_LOWER, &keeper->reading_from);
    if (keeper->read_err == 0)
        keeper->read_err = get(keeper, queue_id, keeper->reading_from, true, &keeper->read_got);
    else
        keeper->reading_from = PLACE_UNKNOWN;
}

/* Reading begins once more where an ack may be that was not read. A place behind the checkpoint
 * that asked is none: the disk did not give what was compared. */
static bool note_looked_back(struct pop_keeper *keeper)
{
    assert(keeper->is_looking_back);
    assert(!keeper->is_reading);
    struct revive_queue *queue = &keeper->queues[keeper->reading_queue];
    keeper->is_looking_back = false;
    if (keeper->reading_from == PLACE_UNKNOWN)
        return false;
    if (keeper->reading_from > queue->asked_at && ++queue->look_tries < LOOK_TRIES)
        return false;
    queue->must_look_back = queue->acks_since_ms < keeper->looking_back_ms;
    if (keeper->reading_from < queue->read_from) {
        queue->read_from = queue->next = keeper->reading_from;
        queue->has_more = true;
    }
    return true;
}

static void cold_read(struct pop_job *job, int64_t now_ms)
{
    struct pop_keeper *keeper = by_read_job(job);
    bool is_taken = keeper->read_err == 0;
    assert(keeper->is_reading);
    keeper->is_reading = false;
    if (keeper->is_stopped)
        return;
    if (keeper->is_looking_back && !note_looked_back(keeper))
        is_taken = false;
    else if (is_taken && keeper->reading_from == keeper->queues[keeper->reading_queue].next)
        is_taken = take_answer(keeper, keeper->reading_queue, buf_slice(&keeper->read_records),
                               &keeper->read_got, now_ms);
    keeper->read_at_ms = is_taken ? now_ms : now_ms + POP_BUSY_RETRY_MS;
    keeper_look(keeper);
}

/* A worker reads on in the queue; when nothing is left there, where its acks may be. */
static void hand_over(struct pop_keeper *keeper, int32_t queue_id)
{
    assert(!keeper->is_reading);
    const struct revive_queue *queue = &keeper->queues[queue_id];
    assert(queue->has_more || queue->must_look_back);
    keeper->reading_queue = queue_id;
    keeper->reading_from = queue->next;
    keeper->is_looking_back = !queue->has_more;
    keeper->looking_back_ms = queue->acks_since_ms;
    keeper->read_job = (struct pop_job){ .work = read_cold, .done = cold_read };
    keeper->is_reading = keeper->options.submit(keeper->options.ctx, &keeper->read_job);
}

/* How long to wait before the next look; -1: for an arrival. */
static int read_queue(struct pop_keeper *keeper, int32_t queue_id, int *budget, int64_t now_ms)
{
    const struct revive_queue *queue = &keeper->queues[queue_id];
    struct store_get_result got;
    while (queue->has_more || queue->must_look_back) {
        if ((*budget -= READ_COUNT) < 0)
            return 0;
        int err =
            queue->has_more ? get(keeper, queue_id, queue->next, false, &got) : ERR_WOULD_BLOCK;
        if (err == ERR_WOULD_BLOCK) {
            hand_over(keeper, queue_id);
            return POP_BUSY_RETRY_MS;
        }
        if (err != 0 ||
            !take_answer(keeper, queue_id, buf_slice(&keeper->read_records), &got, now_ms))
            return POP_BUSY_RETRY_MS;
    }
    return -1;
}

void keeper_log_read_on(struct pop_keeper *keeper, int64_t now_ms)
{
    int budget = READ_BUDGET;
    int wait_ms = -1;
    keeper->read_at_ms = INT64_MAX;
    for (int32_t i = 0; i < keeper->options.revive_queue_count && !keeper->is_reading; i++) {
        int wanted_ms = read_queue(keeper, i, &budget, now_ms);
        if (wanted_ms >= 0 && (wait_ms < 0 || wanted_ms < wait_ms))
            wait_ms = wanted_ms;
    }
    if (!keeper->is_reading && wait_ms >= 0)
        keeper->read_at_ms = now_ms + wait_ms;
    keeper->log_time_ms = keeper_log_time(keeper);
}

void pop_keeper_log_arrived(struct pop_keeper *keeper, int32_t queue_id, int64_t now_ms)
{
    if (queue_id < 0 || queue_id >= keeper->options.revive_queue_count || keeper->is_stopped)
        return;
    keeper->queues[queue_id].has_more = true;
    if (keeper->is_reading || keeper->read_at_ms != INT64_MAX)
        return;
    keeper->read_at_ms = now_ms;
    keeper_look(keeper);
}

void keeper_log_commit(struct pop_keeper *keeper, int32_t queue_id, int64_t now_ms)
{
    struct revive_queue *queue = &keeper->queues[queue_id];
    int64_t committed = pop_log_committed(keeper->table, queue_id, queue->next);
    if (committed <= queue->done)
        return;
    queue->done = committed;
    keeper_commit(keeper, keeper->options.revive_topic, SLICE(POP_REVIVE_GROUP), queue_id,
                  committed, now_ms);
}

/* The committed offset is the last one that was done. But what the timer had brought since its last
 * check point it brings again: for such a checkpoint to be known as finished, its acks are read
 * too. */
static int64_t first_to_read(const struct pop_keeper *keeper, int32_t queue_id)
{
    struct store *store = keeper->options.store;
    struct slice topic = keeper->options.revive_topic;
    int64_t next = keeper->queues[queue_id].done + 1;
    int64_t saved_to_ms = keeper->options.timers_saved_to(keeper->options.ctx);
    if (saved_to_ms > 0) {
        int64_t again;
        int err =
            store_queue_offset_by_time(store, topic, queue_id, saved_to_ms, BOUNDARY_LOWER, &again);
        if (err != 0) { /* all of it is read: what was done twice does no harm */
            log_warn("pop_log_place_not_found queue=%d error=%s", queue_id, err_name(err));
            again = 0;
        }
        next = again < next ? again : next;
    }
    int64_t min = store_queue_min(store, topic, queue_id);
    assert(min >= 0);
    assert(next >= 0);
    return next < min ? min : next;
}

void keeper_log_open(struct pop_keeper *keeper, int64_t now_ms)
{
    struct slice topic = keeper->options.revive_topic;
    bool has_more = false;
    for (int32_t i = 0; i < keeper->options.revive_queue_count; i++) {
        struct revive_queue *queue = &keeper->queues[i];
        queue->done = offsets_get(keeper->options.offsets, topic, SLICE(POP_REVIVE_GROUP), i);
        queue->next = first_to_read(keeper, i);
        queue->read_from = queue->next;
        queue->acks_since_ms = INT64_MAX;
        queue->has_more = store_queue_max(keeper->options.store, topic, i) > queue->next;
        has_more = has_more || queue->has_more;
    }
    keeper->read_at_ms = has_more ? now_ms : INT64_MAX;
}
