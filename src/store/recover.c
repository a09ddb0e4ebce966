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
 * on disk, by the checkpoint's times. After a clean stop: the file that the queues reach. What lies
 * below is looked through once (takeover.c).
 */
#include <stdlib.h>

#include "base/log.h"
#include "store/recovery.h"
#include "wire/multi_dispatch.h"

/* As log_reader_record(), with everything checked that can be. */
static int read_checked(struct log_reader *reader, int64_t phy_offset, struct record *record)
{
    return log_reader_record(reader, phy_offset, RECORD_CHECK_ALL, record);
}

/* ---- where to start -------------------------------------------------------------------------- */

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
    return slice_is_zero(slice_of(bytes.data, bytes.len < most ? bytes.len : most));
}

/* Every record ends with its topic or properties: zeros before a place mean that what stood there
 * is gone, as in an old copy of the log. */
static bool follows_on_a_record(struct store *store, struct log_reader *reader, int64_t phy_offset)
{
    enum { TAIL_BYTES = 64 };
    struct slice bytes;
    int64_t file_pos = phy_offset % commit_log_file_bytes(store->log);
    return file_pos < TAIL_BYTES ||
           log_reader_bytes(reader, phy_offset - TAIL_BYTES, TAIL_BYTES, &bytes) != 0 ||
           !slice_is_zero(bytes);
}

/* True when a record, an end mark or the end of the log stands at phy_offset. */
static bool can_start_at(struct store *store, struct log_reader *reader, int64_t phy_offset)
{
    struct record record;
    struct slice bytes;
    int64_t file_bytes = commit_log_file_bytes(store->log);
    if (phy_offset < commit_log_min(store->log) || phy_offset > commit_log_files_end(store->log))
        return false;
    if (phy_offset == commit_log_files_end(store->log))
        return true;
    if (!follows_on_a_record(store, reader, phy_offset))
        return false;
    int err = read_checked(reader, phy_offset, &record);
    if (err == ERR_NOT_FOUND)
        return record.total_bytes == file_bytes - phy_offset % file_bytes;
    if (err != ERR_CORRUPT)
        return err == 0;
    size_t most = (size_t)store->options.max_message_bytes + RECORD_OVERHEAD_MAX;
    return log_reader_bytes(reader, phy_offset, most, &bytes) == 0 && is_end_of_log(store, bytes);
}

static bool first_record_of(struct log_reader *reader, int64_t file_start, struct record *record)
{
    assert(file_start % commit_log_file_bytes(reader->log) == 0);
    return log_reader_record(reader, file_start, RECORD_CHECK_LENGTHS, record) == 0 &&
           record->store_timestamp != 0;
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
    (void)queues_each(store->queues, true, widen_reach,
                      &reach); /* what cannot be opened reaches nowhere */
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
static int64_t start_by_file(struct store *store, struct log_reader *reader, bool was_clean)
{
    int64_t file_bytes = commit_log_file_bytes(store->log);
    int64_t min = commit_log_min(store->log);
    int64_t reach = was_clean ? reach_of_queues(store) : 0;
    int64_t old_ms = safe_ms(&store->checkpoint);
    for (int64_t start = commit_log_files_end(store->log) - file_bytes; start > min;
         start -= file_bytes) {
        struct record record;
        if (first_record_of(reader, start, &record) &&
            (was_clean ? start <= reach : record.store_timestamp <= old_ms))
            return start;
    }
    return min;
}

static int64_t choose_start(struct store *store, struct log_reader *reader, bool was_clean)
{
    const struct checkpoint *checkpoint = &store->checkpoint;
    if (!checkpoint
             ->is_ours) /* nobody counted the files: one that is unfit is known all the same */
        return queues_are_all_there(store->queues, 0) ? start_by_file(store, reader, was_clean)
                                                      : commit_log_min(store->log);
    int64_t start = checkpoint->is_same_boot ? checkpoint->dispatched : checkpoint->durable;
    if (!queues_are_all_there(store->queues, checkpoint_queue_files(checkpoint)))
        return commit_log_min(store->log);
    if (can_start_at(store, reader, start))
        return start;
    log_warn("checkpoint_not_believed phy_offset=%lld min=%lld end=%lld", (long long)start,
             (long long)commit_log_min(store->log), (long long)commit_log_files_end(store->log));
    return start_by_file(store, reader, was_clean);
}

/* ---- from there on --------------------------------------------------------------------------- */

/* The first of a light queue's entries: it begins here, as far as the log knows. */
static void note_first_of_light(struct store *store, struct slice topic, int32_t queue_id,
                                const struct store_queue_entry *entry)
{
    if (entry->queue_offset == 0 && queue_id == 0 && name_is_light(topic) &&
        !queues_is_batch(store->queues, topic))
        store_note_past_life(store, topic);
}

/* Puts one queue entry of the record in its place, now or when the queue is asked for. */
static int place_entry(struct store *store, struct log_reader *reader, const struct record *record,
                       struct slice topic, int32_t queue_id, const struct store_queue_entry *entry)
{
    struct consume_queue *queue;
    if (queues_place_late(store->queues, topic, queue_id, entry)) {
        note_first_of_light(store, topic, queue_id, entry);
        return 0;
    }
    int err = queues_get(store->queues, topic, queue_id, &queue);
    if (err == ERR_INVALID) {
        log_error("record_without_a_queue phy_offset=%lld topic=%.*s queue=%d",
                  (long long)record->phy_offset, SLICE_FMT(topic), queue_id);
        return 0;
    }
    if (err != 0)
        return err;
    note_first_of_light(store, topic, queue_id, entry);
    int placed = consume_queue_place(queue, entry, reader);
    if (placed == 1)
        queues_note_dirty(store->queues, queue);
    return placed < 0 ? placed : 0;
}

int recovery_dispatch(struct store *store, struct log_reader *reader, const struct record *record)
{
    struct store_queue_entry entry;
    struct multi_dispatch list;
    struct slice name;
    if (!store_entry_of(store, record, &entry))
        return 0;
    int err = place_entry(store, reader, record, record->topic, record->queue_id, &entry);
    if (err != 0 || !store_light_queues_of(store, record, &list))
        return err;
    entry.count = 1;
    while (err == 0 && multi_dispatch_next(&list, &name, &entry.queue_offset))
        err = place_entry(store, reader, record, name, 0, &entry);
    return err;
}

static int dispatch(struct store *store, struct log_reader *looker, const struct record *record)
{
    return store->checkpoint.is_ours ? recovery_dispatch(store, looker, record)
                                     : takeover_dispatch(store, looker, record);
}

/* Takes every record from recovery->at on, up to the first that is none. */
static int scan(struct recovery *recovery)
{
    struct store *store = recovery->store;
    int64_t file_bytes = commit_log_file_bytes(store->log);
    struct log_reader looker; /* dispatching looks at other records; the scan keeps its window */
    log_reader_init_jumping(&looker, store->log);
    int err = 0;
    while (err == 0) {
        struct record record;
        err = read_checked(&recovery->reader, recovery->at, &record);
        if (err == ERR_NOT_FOUND) {
            recovery->at = (recovery->at / file_bytes + 1) * file_bytes;
            err = 0;
        } else if (err == 0 && !store->checkpoint.is_ours &&
                   takeover_is_risen(recovery, &looker, &record)) {
            recovery->was_left_over = true;
            break;
        } else if (err == 0 && (err = dispatch(store, &looker, &record)) == 0) {
            assert(record.total_bytes > 0);
            store->recovered_records++;
            recovery->newest_ms = record.store_timestamp;
            recovery->at += record.total_bytes;
        }
    }
    log_reader_fini(&looker);
    return err == ERR_INCOMPLETE || err == ERR_CORRUPT ? 0 : err;
}

/* ---- the end, or damage? -------------------------------------------------------------------- */

int64_t store_next_record(struct store *store, struct log_reader *reader, int64_t from)
{
    return log_reader_find_record(reader, from,
                                  store->options.max_message_bytes + RECORD_OVERHEAD_MAX);
}

/* A put that was killed before its seal: its first record is whole but for the length, and what
 * follows is the rest of it. */
static bool is_unsealed_put(struct log_reader *reader, int64_t phy_offset)
{
    enum { LOOKED_AT = 256 }; /* a copy may end with its first bytes (memcpy does as it likes) */
    struct slice bytes;
    if (log_reader_bytes(reader, phy_offset, LOOKED_AT, &bytes) != 0 ||
        bytes.len < RECORD_BLANK_BYTES)
        return false;
    return get_be32(bytes.data + RECORD_TOTAL_SIZE) == 0 && !slice_is_zero(bytes);
}

/* What a process that died leaves behind the end is zeros, or a put without its length, of which
 * any part may be missing: copying keeps to no order. A single bit there is a flipped one. Anything
 * else was a record. */
static bool holds_remains_of_a_record(struct log_reader *reader, int64_t phy_offset)
{
    struct slice bytes;
    int bits = 0;
    if (log_reader_bytes(reader, phy_offset, RECORD_HEAD_BYTES_MAX, &bytes) != 0 ||
        bytes.len < RECORD_BLANK_BYTES || get_be32(bytes.data + RECORD_TOTAL_SIZE) == 0)
        return false;
    for (size_t i = 0; i < bytes.len; i++)
        bits += __builtin_popcount(bytes.data[i]);
    return bits > 1;
}

/* All of what stands at recovery->at was on the disk: `flushed` may lie within a record, whose rest
 * may be missing. */
static bool was_durable_whole(struct recovery *recovery)
{
    struct slice head;
    const struct checkpoint *checkpoint = &recovery->store->checkpoint;
    if (!checkpoint->is_ours || recovery->at >= checkpoint->flushed)
        return false;
    int err = log_reader_bytes(&recovery->reader, recovery->at, RECORD_HEAD_BYTES_MAX, &head);
    int32_t bytes = err == 0 ? record_bytes_by_head(head) : 0;
    return recovery->at + (bytes > 0 ? bytes : RECORD_HEAD_BYTES_MAX) <= checkpoint->flushed;
}

/* Whether the whole record at `next` shows that one in front of it is damaged, and not that a loss
 * of power or an earlier end of the log left it there. The reference's checkpoint knows times only.
 */
static bool is_damage_of_the_reference(struct recovery *recovery, int64_t next, bool is_cached)
{
    struct record record;
    return read_checked(&recovery->reader, next, &record) == 0 &&
           !takeover_is_left_over(recovery, &record) &&
           (is_cached || record.store_timestamp < recovery->store->checkpoint.physic_ms);
}

/* No record stands at recovery->at. That is the end of the log, unless it cannot be: what lies
 * there was on the disk once, or the process died alone and something whole follows. Cutting there
 * would lose good messages, so the start is refused and the operator told what to look at. */
static int refuse_damage(struct recovery *recovery, bool was_clean)
{
    struct store *store = recovery->store;
    const struct checkpoint *checkpoint = &store->checkpoint;
    if (checkpoint->is_ours && checkpoint->cut_at == recovery->at + 1)
        return 0; /* decided by a start that did not come to an end */
    if (recovery->was_left_over)
        return 0;
    bool was_durable = was_durable_whole(recovery);
    bool is_cached =
        was_clean || (checkpoint->is_ours ? checkpoint->is_same_boot : store->died_in_this_boot);
    if (!was_durable && checkpoint->is_ours && !is_cached)
        return 0; /* power was lost, and with it what was not flushed, in whatever order */
    int64_t next = is_unsealed_put(&recovery->reader, recovery->at)
                       ? -1
                       : store_next_record(store, &recovery->reader, recovery->at + 1);
    /* The reference copies a record length first: a part of one is no sign of damage there. */
    bool has_remains = is_cached && (checkpoint->is_ours || was_clean) &&
                       holds_remains_of_a_record(&recovery->reader, recovery->at);
    if (!was_durable && next < 0 && !has_remains)
        return 0;
    if (!was_durable && !checkpoint->is_ours && next >= 0 &&
        !is_damage_of_the_reference(recovery, next, is_cached))
        return 0;
    char path[DISK_PATH_MAX];
    int64_t file_pos;
    commit_log_place(store->log, recovery->at, path, &file_pos);
    log_error("commit_log_damaged path=%s at=%lld phy_offset=%lld next_record=%lld flushed=%lld: "
              "nothing was cut, see `ramjet store check %s`",
              path, (long long)file_pos, (long long)recovery->at, (long long)next,
              (long long)checkpoint->flushed, store->root_dir);
    return ERR_CORRUPT;
}

struct cutting {
    int64_t log_end;
    struct log_reader reader;
    int err;
};

static void cut_queue(void *ctx, struct consume_queue *queue)
{
    struct cutting *cutting = ctx;
    int err = consume_queue_cut(queue, cutting->log_end, &cutting->reader);
    if (err != 0)
        cutting->err = err;
}

/* What may be on the disk already, and what is written again because it may not be (flush.c). */
static void note_doubts(struct store *store, int64_t start, int64_t end, bool was_clean)
{
    struct checkpoint *checkpoint = &store->checkpoint;
    int64_t min = commit_log_min(store->log);
    checkpoint->dispatched = start;
    if (start < checkpoint->durable || !checkpoint->is_ours)
        checkpoint->durable = start;
    if (!checkpoint->is_ours || checkpoint->flushed < checkpoint->durable)
        checkpoint->flushed = checkpoint->durable;
    if (checkpoint->flushed > end)
        checkpoint->flushed = end;
    int64_t flushed = was_clean ? end : checkpoint->flushed;
    atomic_store(&store->flushed, flushed < min ? min : flushed);
    atomic_store(&store->durable, checkpoint->durable);
    checkpoint->is_doubtful = false;
    checkpoint->cut_at = 0;
    checkpoint->queue_files_seen = queues_file_count(store->queues);
    store->rewritten_log = atomic_load(&store->flushed);
    store->rewritten_queues = checkpoint->durable;
    store->doubtful_queues = was_clean ? checkpoint->durable : end;
    store->doubtful_log = end;
    assert(atomic_load(&store->flushed) <= end);
    assert(checkpoint->durable <= checkpoint->dispatched);
    assert(checkpoint->dispatched <= end);
}

/* Something lies behind the end that a later record could end in front of. */
static bool has_remains(struct recovery *recovery)
{
    const struct checkpoint *checkpoint = &recovery->store->checkpoint;
    size_t most = (size_t)recovery->store->options.max_message_bytes + RECORD_OVERHEAD_MAX;
    struct slice bytes;
    if (!checkpoint->is_ours || !checkpoint->is_same_boot) /* pages may be missing in any order */
        return true;
    return log_reader_bytes(&recovery->reader, recovery->at, most, &bytes) == 0 &&
           !slice_is_zero(bytes);
}

/* What is about to be zeroed may have been acknowledged, and damaged since; where the process died
 * alone nothing there can have been (refuse_damage). Without room for a copy the start goes on, and
 * says what it drops. */
static void keep_what_is_cut(struct recovery *recovery, bool was_clean)
{
    const struct checkpoint *checkpoint = &recovery->store->checkpoint;
    if (checkpoint->is_ours && (was_clean || checkpoint->is_same_boot))
        return;
    int err = recovery_set_end_aside(recovery);
    if (err != 0)
        log_error("commit_log_end_not_set_aside phy_offset=%lld error=%s: what lies there is lost",
                  (long long)recovery->at, err_name(err));
}

int64_t store_doubtful_from(const struct store *store, bool was_clean)
{
    const struct checkpoint *checkpoint = &store->checkpoint;
    if (!checkpoint->is_ours)
        return takeover_first_looked_at(store);
    return checkpoint->is_doubtful || (!was_clean && !checkpoint->is_same_boot)
               ? checkpoint->durable
               : QUEUE_CERTAIN;
}

/* The process died alone, and what is in the queues' files is true: with many queues, opening those
 * that the log's end has entries for takes seconds. */
static void allow_late_entries(struct store *store, int64_t start, bool was_clean)
{
    enum { PART_OF_MEMORY = 64 };
    if (!was_clean && start == store->checkpoint.dispatched &&
        store_doubtful_from(store, was_clean) == QUEUE_CERTAIN)
        queues_allow_late(store->queues, store->memory_bytes / PART_OF_MEMORY);
}

static int recover(struct recovery *recovery, bool was_clean)
{
    struct store *store = recovery->store;
    int64_t start = choose_start(store, &recovery->reader, was_clean);
    assert(start >= commit_log_min(store->log));
    assert(start <= commit_log_files_end(store->log));
    recovery->at = start;
    allow_late_entries(store, start, was_clean);
    int err = store->checkpoint.is_ours ? 0 : takeover_look_through(recovery, start);
    if (err == 0)
        err = scan(recovery);
    if (err == 0)
        err = refuse_damage(recovery, was_clean);
    if (err != 0)
        return err;
    queues_end_late(store->queues, recovery->at);
    struct cutting cutting = { .log_end = recovery->at };
    log_reader_init_jumping(&cutting.reader, store->log);
    /* Where there may be ghosts, every queue is opened now: the next start knows nothing of them.
     */
    err = queues_each(store->queues, store_doubtful_from(store, was_clean) != QUEUE_CERTAIN,
                      cut_queue, &cutting);
    log_reader_fini(&cutting.reader);
    if (err != 0 || cutting.err != 0)
        return err != 0 ? err : cutting.err;
    keep_what_is_cut(recovery, was_clean);
    bool is_cut = store->checkpoint.is_ours && store->checkpoint.flushed > recovery->at;
    note_doubts(store, start, recovery->at, was_clean);
    if (is_cut) { /* before it is zeros: the next start would miss what was said to be there */
        char path[DISK_PATH_MAX];
        store->checkpoint.cut_at = recovery->at + 1;
        store->checkpoint.is_doubtful = true; /* until this start has come to its end */
        store_path(store, "checkpoint", path);
        err = checkpoint_replace(path, &store->checkpoint, true);
        store->checkpoint.cut_at = 0;
        store->checkpoint.is_doubtful = false;
        if (err != 0)
            return err;
    }
    bool may_have_remains = !was_clean || !store->checkpoint.is_ours;
    err = commit_log_set_end(store->log, recovery->at, may_have_remains && has_remains(recovery));
    if (err != 0)
        return err;
    atomic_store(&store->last_put_ms, recovery->newest_ms);
    if (start != recovery->at || !was_clean)
        log_info("store_recovered from=%lld to=%lld records=%lld clean=%d", (long long)start,
                 (long long)recovery->at, (long long)store->recovered_records, was_clean);
    return 0;
}

int store_recover(struct store *store, bool was_clean)
{
    struct recovery recovery = { .store = store, .newest_ms = store->checkpoint.physic_ms };
    log_reader_init(&recovery.reader, store->log);
    int err = recover(&recovery, was_clean);
    log_reader_fini(&recovery.reader);
    return err;
}
