/* get_queue.c - what is known of a queue: its bounds, single entries, when its messages were
 * stored.
 */
#include "store/get_entries.h"
#include "store/get_record.h"
#include "store/store_internal.h"

int store_queue_entry_at(struct store *store, struct slice topic, int32_t queue_id,
                         int64_t queue_offset, struct store_queue_entry *entry)
{
    struct consume_queue *queue;
    int got = 0;
    int err = queues_find(store->queues, topic, queue_id, true, &queue);
    if (err != 0)
        return err;
    if (queue_offset < consume_queue_min(queue))
        return ERR_NOT_FOUND;
    err = store_read_entries(store, queue, queue_offset, 1, true, entry, &got);
    return err != 0 ? err : got == 1 ? 0 : ERR_NOT_FOUND;
}

int store_get_queued(struct store *store, struct slice topic, int32_t queue_id,
                     int64_t queue_offset, struct store_queue_entry *entry, struct buf *out)
{
    struct consume_queue *queue;
    struct record record;
    int err = store_queue_entry_at(store, topic, queue_id, queue_offset, entry);
    if (err == 0)
        err = queues_find(store->queues, topic, queue_id, true, &queue);
    return err == 0 ? store_read_queued(store, queue, entry, true, out, &record) : err;
}

/* 0 as well when there is no such queue: *queue is NULL then. */
static int find_queue(struct store *store, struct slice topic, int32_t queue_id,
                      struct consume_queue **queue)
{
    int err = queues_find(store->queues, topic, queue_id, true, queue);
    assert((err == 0) == (*queue != NULL));
    return err == ERR_NOT_FOUND ? 0 : err;
}

int store_queue_open(struct store *store, struct slice topic, int32_t queue_id)
{
    struct consume_queue *queue;
    return find_queue(store, topic, queue_id, &queue);
}

int store_queue_bounds(struct store *store, struct slice topic, int32_t queue_id,
                       struct store_bounds *bounds)
{
    struct consume_queue *queue;
    *bounds = (struct store_bounds){ .min = 0 };
    int err = find_queue(store, topic, queue_id, &queue);
    if (err != 0)
        return err;
    if (queue == NULL) {
        bounds->min = queues_is_batch(store->queues, topic) ? -1 : 0;
        return 0;
    }
    bounds->min = consume_queue_min(queue);
    bounds->max = consume_queue_max(queue);
    if (store->compaction != NULL && compaction_has_topic(store->compaction, topic))
        bounds->min = compaction_min(store->compaction, topic, queue_id, bounds->min);
    return 0;
}

int64_t store_queue_min(struct store *store, struct slice topic, int32_t queue_id)
{
    struct store_bounds bounds;
    return store_queue_bounds(store, topic, queue_id, &bounds) == 0 ? bounds.min : 0;
}

int64_t store_queue_max(struct store *store, struct slice topic, int32_t queue_id)
{
    struct consume_queue *queue;
    return queues_find(store->queues, topic, queue_id, true, &queue) != 0
               ? 0
               : consume_queue_max(queue);
}

int store_queue_begins_in_memory(struct store *store, struct slice topic, int32_t queue_id,
                                 bool *is_in_memory)
{
    struct store_queue_entry entry;
    int err = store_queue_entry_at(store, topic, queue_id, 0, &entry);
    *is_in_memory = err == 0 && commit_log_max(store->log) - entry.phy_offset <= store->cold_bytes;
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* ---- by time --------------------------------------------------------------------------------- */

/* Store time of the record an entry leads to; -1 when the log has it no more. */
static int entry_time(struct store *store, struct consume_queue *queue,
                      struct store_queue_entry *entry, int64_t *time_ms)
{
    enum { HEAD_BYTES = 80 }; /* up to the store time, with an IPv6 born host */
    struct buf head = BUF_INIT;
    *time_ms = -1;
    if (!store_entry_leads_into_log(store, entry) &&
        store_entry_may_have_expired(store, queue, entry))
        return 0;
    int err = store_entry_leads_into_log(store, entry) && entry->bytes >= HEAD_BYTES
                  ? commit_log_read(store->log, entry->phy_offset, HEAD_BYTES, true, &head)
                  : ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND && (err = store_heal_entry(store, queue, true, entry)) == 0)
        err = commit_log_read(store->log, entry->phy_offset, HEAD_BYTES, true, &head);
    if (err == 0)
        *time_ms = record_store_timestamp(head.data);
    buf_fini(&head);
    return err == ERR_NOT_FOUND ? 0 : err;
}

int store_queue_time(struct store *store, struct slice topic, int32_t queue_id,
                     int64_t queue_offset, int64_t *time_ms)
{
    struct consume_queue *queue;
    struct store_queue_entry entry;
    *time_ms = -1;
    int err = store_queue_entry_at(store, topic, queue_id, queue_offset, &entry);
    if (err == 0)
        err = queues_find(store->queues, topic, queue_id, true, &queue);
    if (err == 0)
        err = entry_time(store, queue, &entry, time_ms);
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* First queue offset in [min, max) whose time is >= bound_ms. */
static int first_not_before(struct store *store, struct consume_queue *queue, int64_t min,
                            int64_t max, int64_t bound_ms, int64_t *found)
{
    while (min < max) {
        int64_t middle = min + (max - min) / 2;
        struct store_queue_entry entry;
        int64_t time_ms = -1;
        int got = 0;
        int err = store_read_entries(store, queue, middle, 1, true, &entry, &got);
        if (err == 0 && got == 1)
            err = entry_time(store, queue, &entry, &time_ms);
        if (err == ERR_NOT_FOUND) { /* the file has expired under us: what follows on it is later */
            min = middle + 1;
            continue;
        }
        if (err != 0)
            return err;
        if (got == 0)
            max = middle;
        else if (time_ms < bound_ms)
            min = entry.queue_offset + entry.count;
        else
            max = entry.queue_offset;
    }
    *found = min;
    return 0;
}

/* The first of the messages that share a record with this one. */
static int first_of_record(struct store *store, struct consume_queue *queue, int64_t queue_offset,
                           int64_t *first)
{
    struct store_queue_entry entry;
    int got = 0;
    *first = queue_offset;
    if (!consume_queue_is_batch(queue))
        return 0;
    int err = store_read_entries(store, queue, queue_offset, 1, true, &entry, &got);
    if (err == 0 && got == 1)
        *first = entry.queue_offset;
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int last_not_after(struct store *store, struct consume_queue *queue, int64_t min,
                          int64_t max, int64_t bound_ms, int64_t *found)
{
    int64_t after = max;
    int err =
        bound_ms == INT64_MAX ? 0 : first_not_before(store, queue, min, max, bound_ms + 1, &after);
    *found = min;
    return err == 0 && after > min ? first_of_record(store, queue, after - 1, found) : err;
}

int store_queue_offset_by_time(struct store *store, struct slice topic, int32_t queue_id,
                               int64_t timestamp_ms, enum store_boundary boundary,
                               int64_t *queue_offset)
{
    struct consume_queue *queue;
    *queue_offset = 0;
    int err = find_queue(store, topic, queue_id, &queue);
    if (err != 0 || queue == NULL)
        return err;
    int64_t min = consume_queue_min(queue);
    int64_t max = consume_queue_max(queue);
    if (min < 0) { /* a batch queue without a message */
        *queue_offset = min;
        return 0;
    }
    return boundary == BOUNDARY_LOWER
               ? first_not_before(store, queue, min, max, timestamp_ms, queue_offset)
               : last_not_after(store, queue, min, max, timestamp_ms, queue_offset);
}
