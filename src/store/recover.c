/* recover.c - after a stop of whatever kind: where does the log end, and are the queues complete?
 *
 *   log    |....................|r|r|r|r|r|torn 0 0 0 0
 *          ^ trusted            ^ start     ^ end
 *
 * Below `start` every record is known to be whole and to have its queue entry. From there on each
 * record is checked (lengths, body CRC, its own place) and its entry put in place; the first that
 * is none ends the log. What lies behind is zeroed, entries that lead there are dropped.
 *
 * `start` comes from our block of the checkpoint (decision 0003), and is believed only when the log
 * has something to begin with there. Without it - a directory of the reference, or one it wrote to
 * since - the reference's rules hold. After a crash: a file old enough that everything before was
 * on disk, by the checkpoint's times. After a clean stop: the file that the queues reach.
 */
#include <stdlib.h>

#include "base/log.h"
#include "store/store_internal.h"

struct recovery {
    struct store *store;
    int64_t at;        /* phy_offset of the next record to look at */
    int64_t newest_ms; /* store time of the last good record */
    int err;
};

/* Lengths and the body's checksum do not cover the text behind the body; a torn write leaves zeros
 * there. No topic holds a zero, and no property text ends in one. */
static bool has_torn_text(const struct record *record)
{
    struct slice text = record->properties;
    return memchr(record->topic.data, 0, record->topic.len) != NULL ||
           (text.len > 0 && text.data[text.len - 1] == 0);
}

/* ---- where to start -------------------------------------------------------------------------- */

static bool is_zero(struct slice bytes)
{
    return bytes.len == 0 ||
           (bytes.data[0] == 0 && memcmp(bytes.data, bytes.data + 1, bytes.len - 1) == 0);
}

/* The log can end here: more zeros than any record holds inside, or up to the file's end. Or a put
 * was killed before its seal, the length, was stored. */
static bool is_end_of_log(const struct store *store, struct slice bytes)
{
    size_t most = (size_t)store->options.max_message_bytes + RECORD_OVERHEAD_MAX;
    if (bytes.len >= RECORD_BORN_HOST && get_be32(bytes.data + RECORD_TOTAL_SIZE) == 0) {
        int32_t magic = (int32_t)get_be32(bytes.data + RECORD_MAGIC);
        if (magic == RECORD_MAGIC_V1 || magic == RECORD_MAGIC_V2)
            return true;
    }
    return is_zero(slice_of(bytes.data, bytes.len < most ? bytes.len : most));
}

/* True when a record, an end mark or the end of the log stands at phy_offset. */
static bool can_start_at(struct store *store, int64_t phy_offset)
{
    struct log_view view;
    struct record record;
    if (phy_offset < commit_log_min(store->log) || phy_offset > commit_log_files_end(store->log))
        return false;
    if (phy_offset == commit_log_files_end(store->log))
        return true;
    if (commit_log_view(store->log, phy_offset, &view) != 0)
        return false;
    bool can = false;
    switch (record_decode(view.bytes, RECORD_CHECK_BODY_CRC, &record)) {
    case 0:
        can = record.phy_offset == phy_offset && !has_torn_text(&record);
        break;
    case ERR_NOT_FOUND:
        can = (size_t)record.total_bytes == view.bytes.len;
        break;
    default:
        can = is_end_of_log(store, view.bytes);
    }
    log_view_release(store->log, &view);
    return can;
}

static bool first_record_of(struct store *store, int64_t file_start, struct record *record)
{
    struct log_view view;
    assert(file_start % commit_log_file_bytes(store->log) == 0);
    if (commit_log_view(store->log, file_start, &view) != 0)
        return false;
    bool is_record = record_decode(view.bytes, RECORD_CHECK_LENGTHS, record) == 0 &&
                     record->phy_offset == file_start && record->store_timestamp != 0;
    log_view_release(store->log, &view);
    return is_record;
}

static void widen_reach(void *ctx, struct consume_queue *queue)
{
    int64_t *reach = ctx;
    int64_t end = consume_queue_reach(queue);
    if (end > *reach)
        *reach = end;
}

/* What the reference takes for dispatched after a clean stop. Opens every queue. */
static int64_t reach_of_queues(struct store *store)
{
    int64_t reach = 0;
    queues_each(store->queues, true, widen_reach, &reach);
    return reach;
}

/* Everything stored up to then was on the disk, queue entries included. */
static int64_t safe_ms(const struct checkpoint *checkpoint)
{
    enum { SAFETY_MS = 3000 };
    int64_t older_ms = checkpoint->physic_ms < checkpoint->logics_ms ? checkpoint->physic_ms
                                                                     : checkpoint->logics_ms;
    return older_ms - SAFETY_MS;
}

/* The reference's choice: the newest file that the queues reach, or whose first record is old
 * enough. */
static int64_t start_by_file(struct store *store, bool was_clean)
{
    int64_t file_bytes = commit_log_file_bytes(store->log);
    int64_t min = commit_log_min(store->log);
    int64_t reach = was_clean ? reach_of_queues(store) : 0;
    int64_t old_ms = safe_ms(&store->checkpoint);
    for (int64_t start = commit_log_files_end(store->log) - file_bytes; start > min;
         start -= file_bytes) {
        struct record record;
        if (first_record_of(store, start, &record) &&
            (was_clean ? start <= reach : record.store_timestamp <= old_ms))
            return start;
    }
    return min;
}

static int64_t choose_start(struct store *store, bool was_clean)
{
    const struct checkpoint *checkpoint = &store->checkpoint;
    if (!checkpoint->is_ours)
        return start_by_file(store, was_clean);
    int64_t start = checkpoint->is_same_boot ? checkpoint->dispatched : checkpoint->durable;
    if (can_start_at(store, start))
        return start;
    log_warn("checkpoint_not_believed phy_offset=%lld min=%lld end=%lld", (long long)start,
             (long long)commit_log_min(store->log), (long long)commit_log_files_end(store->log));
    return start_by_file(store, was_clean);
}

/* ---- from there on --------------------------------------------------------------------------- */

/* Puts the record's queue entry in its place. */
static int dispatch(struct store *store, const struct record *record)
{
    struct store_queue_entry entry;
    if (!store_entry_of(store, record, &entry))
        return 0;
    struct consume_queue *queue;
    int err = queues_get(store->queues, record->topic, record->queue_id, &queue);
    if (err == ERR_INVALID) {
        log_error("record_without_a_queue phy_offset=%lld topic=%.*s queue=%d",
                  (long long)record->phy_offset, SLICE_FMT(record->topic), record->queue_id);
        return 0;
    }
    if (err != 0)
        return err;
    if (consume_queue_place(queue, record->queue_offset, &entry))
        queues_link_dirty(store->queues, queue);
    return 0;
}

/* Takes the records of one file. False: the log ends at recovery->at. */
static bool scan_file(struct recovery *recovery, struct slice bytes)
{
    while (bytes.len > 0) {
        struct record record;
        int err = record_decode(bytes, RECORD_CHECK_BODY_CRC, &record);
        if (err == ERR_NOT_FOUND) {
            recovery->at += (int64_t)bytes.len;
            return true;
        }
        if (err != 0 || record.phy_offset != recovery->at || has_torn_text(&record))
            return false;
        recovery->err = dispatch(recovery->store, &record);
        if (recovery->err != 0)
            return false;
        assert(record.total_bytes > 0);
        assert((size_t)record.total_bytes <= bytes.len);
        recovery->store->recovered_records++;
        recovery->newest_ms = record.store_timestamp;
        recovery->at += record.total_bytes;
        bytes = slice_from(bytes, (size_t)record.total_bytes);
    }
    return true;
}

static void cut_queue(void *ctx, struct consume_queue *queue)
{
    consume_queue_cut(queue, *(const int64_t *)ctx);
}

int store_recover(struct store *store, bool was_clean)
{
    int64_t start = choose_start(store, was_clean);
    assert(start >= commit_log_min(store->log));
    assert(start <= commit_log_files_end(store->log));
    struct recovery recovery = { .store = store, .at = start };
    struct log_view view;
    recovery.newest_ms = store->checkpoint.physic_ms;
    bool goes_on = true;
    while (goes_on && commit_log_view(store->log, recovery.at, &view) == 0) {
        int64_t from = recovery.at;
        goes_on = scan_file(&recovery, view.bytes);
        log_view_release(store->log, &view);
        assert(recovery.at >= from);
        commit_log_forget(store->log, from, recovery.at);
    }
    if (recovery.err != 0)
        return recovery.err;
    queues_each(store->queues, false, cut_queue, &recovery.at);
    int err = commit_log_set_end(store->log, recovery.at);
    if (err != 0)
        return err;
    atomic_store(&store->last_put_ms, recovery.newest_ms);
    store->checkpoint.dispatched = start;
    if (start < store->checkpoint.durable || !store->checkpoint.is_ours)
        store->checkpoint.durable = start;
    /* Between durable and start the page cache has what the disk may not: it is synced again. */
    int64_t flushed = was_clean ? recovery.at : store->checkpoint.durable;
    int64_t min = commit_log_min(store->log);
    atomic_store(&store->flushed, flushed < min ? min : flushed);
    assert(atomic_load(&store->flushed) <= recovery.at);
    assert(store->checkpoint.durable <= store->checkpoint.dispatched);
    assert(store->checkpoint.dispatched <= recovery.at);
    if (start != recovery.at || !was_clean)
        log_info("store_recovered from=%lld to=%lld records=%lld clean=%d", (long long)start,
                 (long long)recovery.at, (long long)store->recovered_records, was_clean);
    return 0;
}
