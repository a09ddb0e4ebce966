/* takeover.c - a directory that the reference wrote to last: what of it is not believed.
 *
 * Our checkpoint counts queue files and knows what has its queue entry. The reference's does
 * neither, and its recovery leaves behind what looks valid later:
 *
 *   - entries behind a queue's end, and whole records behind the log's, which the next end may
 *     meet: nothing is zeroed there;
 *   - records without a queue entry, whose queue offset is then given to a later record as well.
 *
 * So a start looks once through the log below the place where it would begin, the newest
 * takeoverScanBytes of it, and gives each record the entry it should have. Nothing is cut there,
 * and damage is noted as it is when it is read. A record whose place another has is put once more,
 * at the end, where those who have passed its place get it too; a property of the copy says which
 * it was, so that it is not put again when the reference was here in between.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/get_record.h"
#include "store/log_reader.h"
#include "store/recovery.h"
#include "wire/properties.h"

#define PROPERTY_PUT_AGAIN "RAMJET_PUT_AGAIN"
enum { LEFT_OUT_MOST = 10000 };

bool takeover_is_left_over(const struct recovery *recovery, const struct record *record)
{
    return recovery->store->recovered_records > 0 && record->store_timestamp < recovery->newest_ms;
}

/* Whether a record as new as the log follows on it: then it was put late by a thread among others,
 * not left over. What an earlier recovery cut off is older than everything since. */
static bool leads_to_newer(struct recovery *recovery, const struct record *first)
{
    struct log_reader reader;
    struct record record = *first;
    int64_t at = first->phy_offset + first->total_bytes;
    int64_t file_bytes = commit_log_file_bytes(recovery->store->log);
    bool is_newer = false;
    int err = 0;
    log_reader_init(&reader, recovery->store->log);
    while (!is_newer && (err == 0 || err == ERR_NOT_FOUND)) {
        err = log_reader_record(&reader, at, RECORD_CHECK_ALL, &record);
        is_newer = err == 0 && record.store_timestamp >= recovery->newest_ms;
        at = err == 0 ? at + record.total_bytes : (at / file_bytes + 1) * file_bytes;
    }
    log_reader_fini(&reader);
    return is_newer;
}

bool takeover_is_risen(struct recovery *recovery, struct log_reader *looker,
                       const struct record *record)
{
    struct store *store = recovery->store;
    struct store_queue_entry entry;
    if (!takeover_is_left_over(recovery, record) || !store_entry_of(store, record, &entry))
        return false;
    struct consume_queue *queue;
    if (queues_find(store->queues, record->topic, record->queue_id, true, &queue) != 0 ||
        !consume_queue_is_taken_before(queue, &entry, looker) || leads_to_newer(recovery, record))
        return false;
    log_warn("commit_log_left_over phy_offset=%lld topic=%.*s queue=%d queue_offset=%lld: an "
             "earlier recovery had cut it off; the log ends before it",
             (long long)record->phy_offset, SLICE_FMT(record->topic), record->queue_id,
             (long long)record->queue_offset);
    return true;
}

/* ---- what was left out ----------------------------------------------------------------------- */

static int64_t *left_out(struct store *store, size_t *count)
{
    *count = store->left_out.len / sizeof(int64_t);
    return (int64_t *)(void *)store->left_out.data;
}

static void forget_left_out(struct store *store, int64_t phy_offset)
{
    size_t count;
    int64_t *list = left_out(store, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i] == phy_offset)
            list[i] = -1;
}

int takeover_dispatch(struct store *store, struct log_reader *looker, const struct record *record)
{
    struct store_queue_entry entry;
    int64_t original;
    int err = recovery_dispatch(store, looker, record);
    if (err != 0 || !store_entry_of(store, record, &entry))
        return err;
    if (slice_to_i64(property_get(record->properties, SLICE(PROPERTY_PUT_AGAIN)), &original))
        forget_left_out(store, original);
    struct consume_queue *queue;
    if (queues_find(store->queues, record->topic, record->queue_id, true, &queue) != 0 ||
        !consume_queue_leaves_out(queue, &entry, looker))
        return 0;
    if (store->left_out.len < LEFT_OUT_MOST * sizeof(int64_t))
        buf_append(&store->left_out, &record->phy_offset, sizeof(int64_t));
    return 0;
}

static void put_again(struct store *store, int64_t phy_offset, int64_t now_ms)
{
    struct buf bytes = BUF_INIT;
    struct arena arena;
    struct store_put_result result;
    struct record record;
    char number[24];
    int len = snprintf(number, sizeof number, "%lld", (long long)phy_offset);
    const struct property_change change = { SLICE(PROPERTY_PUT_AGAIN),
                                            slice_of((const uint8_t *)number, (size_t)len) };
    arena_init(&arena);
    int err = store_get_at(store, phy_offset, &bytes);
    if (err == 0)
        err = record_decode(buf_slice(&bytes), RECORD_CHECK_LENGTHS, &record);
    if (err == 0) {
        record.properties = properties_edit(record.properties, &change, 1, &arena);
        err = store_put(store, &record, 1, now_ms, &result, NULL);
    }
    if (err == 0)
        log_warn("record_put_again phy_offset=%lld topic=%.*s queue=%d queue_offset=%lld "
                 "was_queue_offset=%lld: the reference had given its place to another",
                 (long long)phy_offset, SLICE_FMT(record.topic), record.queue_id,
                 (long long)result.queue_offset, (long long)record.queue_offset);
    else
        log_error("record_not_put_again phy_offset=%lld error=%s", (long long)phy_offset,
                  err_name(err));
    arena_fini(&arena);
    buf_fini(&bytes);
}

void store_put_left_out(struct store *store)
{
    size_t count;
    const int64_t *list = left_out(store, &count);
    int64_t now_ms = clock_wall_ms();
    void (*on_arrival)(void *, const struct store_arrival *) = store->options.on_arrival;
    store->options.on_arrival = NULL; /* nobody has the store yet */
    for (size_t i = 0; i < count; i++)
        if (list[i] >= 0)
            put_again(store, list[i], now_ms);
    if (count == LEFT_OUT_MOST)
        log_error("records_left_out most=%d: there may be more without a place", LEFT_OUT_MOST);
    store->options.on_arrival = on_arrival;
    buf_fini(&store->left_out);
}

/* ---- looking through ------------------------------------------------------------------------- */

int64_t takeover_first_looked_at(const struct store *store)
{
    int64_t file_bytes = commit_log_file_bytes(store->log);
    int64_t min = commit_log_min(store->log);
    int64_t from = commit_log_files_end(store->log) - store->options.takeover_scan_bytes;
    return from <= min ? min : from / file_bytes * file_bytes;
}

int takeover_look_through(struct recovery *recovery, int64_t upto)
{
    struct store *store = recovery->store;
    int64_t file_bytes = commit_log_file_bytes(store->log);
    int64_t from = takeover_first_looked_at(store);
    int64_t records = 0;
    int64_t at = from;
    int err = 0;
    struct log_reader looker;
    log_reader_init_jumping(&looker, store->log);
    while (err == 0 && at < upto) {
        struct record record;
        err = log_reader_record(&recovery->reader, at, RECORD_CHECK_ALL, &record);
        if (err == 0) {
            records++;
            at += record.total_bytes;
            err = takeover_dispatch(store, &looker, &record);
        } else if (err == ERR_NOT_FOUND) {
            at = (at / file_bytes + 1) * file_bytes;
            err = 0;
        } else if (err == ERR_CORRUPT || err == ERR_INCOMPLETE) {
            store_note_damage(store, at, SLICE(""), -1, -1);
            int64_t next = store_next_record(store, &recovery->reader, at + 1);
            at = next < 0 ? upto : next;
            err = 0;
        }
    }
    log_reader_fini(&looker);
    if (err == 0 && from < upto)
        log_info("takeover_looked_through from=%lld to=%lld records=%lld", (long long)from,
                 (long long)upto, (long long)records);
    if (err == 0 && from > commit_log_min(store->log) && upto > commit_log_min(store->log))
        log_warn("takeover_not_looked_at below=%lld: `ramjet store check %s` looks at all of it",
                 (long long)(from < upto ? from : upto), store->root_dir);
    return err;
}
