/* pop_log.c - reads the revive log back: checkpoints and acks as the timer brings them.
 *
 * Of this process they are known already: a checkpoint that comes up is remembered by its place, so
 * that the committed offset waits for it, or is finished. Those of an earlier process enter the
 * table here. What is not in memory is read by a worker, one queue at a time.
 */
#include <assert.h>

#include "base/log.h"
#include "broker/later/timers.h"
#include "broker/pop/pops_internal.h"
#include "broker/saver.h"
#include "wire/properties.h"

enum { READ_COUNT = 64, READ_BYTES = 256 * 1024, READ_BUDGET = 256 };
/* How soon to look again when a worker was not free, or the table is full. */
enum { BUSY_RETRY_MS = 100 };

/* ---- one record ---------------------------------------------------------------------------- */

/* ERR_TOO_BIG: the table is full, nothing was taken. */
static int take_record(struct pops *pops, int32_t queue_id, const struct record *record)
{
    struct slice tag = property_get(record->properties, SLICE(PROPERTY_TAGS));
    struct pop_checkpoint checkpoint;
    struct pop_log_ack ack;
    int err = 0;
    if (slice_eq(tag, SLICE(POP_TAG_CHECKPOINT))) {
        if (pop_checkpoint_decode(record->body, &pops->arena, &checkpoint) == 0)
            err = pop_log_checkpoint(pops->table, &checkpoint, queue_id, record->queue_offset);
    } else if (slice_eq(tag, SLICE(POP_TAG_ACK)) || slice_eq(tag, SLICE(POP_TAG_BATCH_ACK))) {
        bool is_batch = slice_eq(tag, SLICE(POP_TAG_BATCH_ACK));
        if (pop_log_ack_decode(record->body, is_batch, &pops->arena, &ack) == 0)
            pop_log_ack(pops->table, &ack, loop_now_ms(pops->broker->loop));
    }
    arena_reset(&pops->arena);
    return err;
}

/* Takes what was read of a queue; false: the table is full. */
static bool take_records(struct pops *pops, int32_t queue_id, struct slice records)
{
    struct revive_queue *queue = &pops->queues[queue_id];
    struct record record;
    while (records.len > 0) {
        int err = record_decode(records, RECORD_CHECK_BODY_CRC, &record);
        if (err != 0) {
            log_error("pop_log_damaged queue=%d offset=%lld", queue_id, (long long)queue->next);
            return true;
        }
        if (record.queue_offset >= queue->next &&
            take_record(pops, queue_id, &record) == ERR_TOO_BIG) {
            queue->next = record.queue_offset;
            return false;
        }
        records = slice_from(records, (size_t)record.total_bytes);
    }
    return true;
}

/* ---- reading on ---------------------------------------------------------------------------- */

static struct pops *by_read_timer(struct loop_timer *timer)
{
    return (struct pops *)((char *)timer - offsetof(struct pops, read_timer));
}

static int get(struct pops *pops, int32_t queue_id, bool may_block, struct buf *records,
               struct store_get_result *got)
{
    struct store_get_request request = {
        .topic = pops->revive_topic,
        .queue_id = queue_id,
        .queue_offset = pops->queues[queue_id].next,
        .max_count = READ_COUNT,
        .max_bytes = READ_BYTES,
        .may_block = may_block,
    };
    buf_clear(records);
    return store_get(pops->broker->store, &request, records, got);
}

/* False: the table is full. */
static bool take_answer(struct pops *pops, int32_t queue_id, struct slice records,
                        const struct store_get_result *got)
{
    struct revive_queue *queue = &pops->queues[queue_id];
    int64_t before = queue->next;
    bool is_taken = got->status != GET_FOUND || take_records(pops, queue_id, records);
    if (is_taken && got->next_offset > queue->next)
        queue->next = got->next_offset;
    /* an entry that leads nowhere must not be looked at for ever */
    queue->has_more = queue->next < got->max_offset && (!is_taken || queue->next > before);
    pops_log_commit(pops, queue_id);
    return is_taken;
}

static void read_cold(struct job *job)
{
    struct pops *pops = (struct pops *)((char *)job - offsetof(struct pops, read_job));
    pops->read_err = get(pops, pops->reading_queue, true, &pops->read_records, &pops->read_got);
}

static void cold_read(struct job *job)
{
    struct pops *pops = (struct pops *)((char *)job - offsetof(struct pops, read_job));
    bool is_taken = false;
    pops->is_reading = false;
    if (pops->is_stopped)
        return;
    if (pops->read_err == 0)
        is_taken =
            take_answer(pops, pops->reading_queue, buf_slice(&pops->read_records), &pops->read_got);
    pops_changed(pops);
    loop_timer_start(pops->broker->loop, &pops->read_timer, is_taken ? 0 : BUSY_RETRY_MS);
}

/* How long to wait before the next look; -1: for an arrival. */
static int read_queue(struct pops *pops, int32_t queue_id, int *budget)
{
    struct store_get_result got;
    while (pops->queues[queue_id].has_more) {
        if ((*budget -= READ_COUNT) < 0)
            return 0;
        int err = get(pops, queue_id, false, &pops->read_records, &got);
        if (err == ERR_WOULD_BLOCK) {
            pops->reading_queue = queue_id;
            pops->read_job = (struct job){ .run = read_cold, .done = cold_read };
            pops->is_reading =
                workers_submit(pops->broker->workers, pops->broker->loop, &pops->read_job) == 0;
            return BUSY_RETRY_MS;
        }
        if (err != 0 || !take_answer(pops, queue_id, buf_slice(&pops->read_records), &got))
            return BUSY_RETRY_MS;
    }
    return -1;
}

static void read_on(struct loop_timer *timer)
{
    struct pops *pops = by_read_timer(timer);
    int budget = READ_BUDGET;
    int wait_ms = -1;
    for (int32_t i = 0; i < pops->revive_queue_count && !pops->is_reading; i++) {
        int wanted_ms = read_queue(pops, i, &budget);
        if (wanted_ms >= 0 && (wait_ms < 0 || wanted_ms < wait_ms))
            wait_ms = wanted_ms;
    }
    if (!pops->is_reading && wait_ms >= 0)
        loop_timer_start(pops->broker->loop, &pops->read_timer, wait_ms);
    pops->log_time_ms = pops_log_time(pops);
    pops_changed(pops);
}

void pops_log_arrived(struct pops *pops, int32_t queue_id)
{
    if (queue_id < 0 || queue_id >= pops->revive_queue_count || pops->is_stopped)
        return;
    pops->queues[queue_id].has_more = true;
    if (!pops->is_reading && pops->read_timer.at == 0)
        loop_timer_start(pops->broker->loop, &pops->read_timer, 0);
}

void pops_log_commit(struct pops *pops, int32_t queue_id)
{
    struct broker *broker = pops->broker;
    int64_t committed = pop_log_committed(pops->table, queue_id, pops->queues[queue_id].next);
    if (committed < 0 || committed <= offsets_get(broker->offsets, pops->revive_topic,
                                                  SLICE(POP_REVIVE_GROUP), queue_id))
        return;
    offsets_put(broker->offsets, pops->revive_topic, SLICE(POP_REVIVE_GROUP), queue_id, committed,
                loop_now_ms(broker->loop));
    saver_changed(broker->saver, TABLE_OFFSETS);
}

/* The committed offset is the last one that was done. But what the timer had brought since its last
 * check point it brings again: for such a checkpoint to be known as finished, its acks are read
 * too. */
static int64_t first_to_read(struct broker *broker, struct slice topic, int32_t queue_id)
{
    int64_t next = offsets_get(broker->offsets, topic, SLICE(POP_REVIVE_GROUP), queue_id) + 1;
    int64_t saved_to_ms = broker->timers == NULL ? 0 : timers_saved_to(broker->timers);
    if (saved_to_ms > 0) {
        int64_t again =
            store_queue_offset_by_time(broker->store, topic, queue_id, saved_to_ms, BOUNDARY_LOWER);
        next = again < next ? again : next;
    }
    int64_t min = store_queue_min(broker->store, topic, queue_id);
    return next < min ? min : next;
}

void pops_log_open(struct pops *pops)
{
    struct broker *broker = pops->broker;
    bool has_more = false;
    loop_timer_init(&pops->read_timer, read_on);
    for (int32_t i = 0; i < pops->revive_queue_count; i++) {
        struct revive_queue *queue = &pops->queues[i];
        queue->next = first_to_read(broker, pops->revive_topic, i);
        queue->has_more = store_queue_max(broker->store, pops->revive_topic, i) > queue->next;
        has_more = has_more || queue->has_more;
    }
    if (has_more)
        loop_timer_start(broker->loop, &pops->read_timer, 0);
}
