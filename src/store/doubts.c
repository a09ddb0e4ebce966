/* doubts.c - a process was killed, and the page cache is what it left. Is it what was put?
 *
 * A sync that fails may take from the page cache what it should have brought to the disk. Who
 * learns of that writes it down (flush.c). Who is killed before leaves a cache that lacks what the
 * checkpoint says of it, so a start looks at all that was at stake, and only if something is gone
 * does it doubt everything since the last sync of queues:
 *
 *   log      |.............|r|r|r|r|r|r|r|......   what lies behind `dispatched` is scanned anyway
 *                      flushed       dispatched
 *   queues   those that were being synced (sync_list.h)
 *
 * What is there may still be on no disk, which no read tells: it is written once more before it
 * counts (flush.c, flush_queues.c).
 */
#include "base/log.h"
#include "store/log_reader.h"
#include "store/store_internal.h"
#include "store/sync_list.h"

/* Whole records lie one behind the other from `at` on, up to `upto`. */
static bool is_chain(struct log_reader *reader, int64_t at, int64_t upto)
{
    int64_t file_bytes = commit_log_file_bytes(reader->log);
    int err = 0;
    while (at < upto && (err == 0 || err == ERR_NOT_FOUND)) {
        struct record record;
        err = log_reader_record(reader, at, RECORD_CHECK_ALL, &record);
        if (err == 0)
            at += record.total_bytes;
        else if (err == ERR_NOT_FOUND) /* the end mark */
            at = (at / file_bytes + 1) * file_bytes;
    }
    return at == upto;
}

/* What lies between is there. A record begins at `sure` and at `upto`; `from` may lie within one,
 * which begins somewhere before. What looks like a record in a message's body does not lead to
 * `upto`. */
static bool log_is_whole(struct store *store, int64_t sure, int64_t from, int64_t upto)
{
    enum { BACK_FIRST = 64 << 10, BACK_GROWS = 16 };
    struct log_reader reader;
    bool is_whole = false;
    assert(sure <= from);
    assert(from < upto);
    log_reader_init(&reader, store->log);
    for (int64_t back = BACK_FIRST; !is_whole && from - back > sure; back *= BACK_GROWS) {
        int64_t at = log_reader_find_record(&reader, from - back, back);
        is_whole = at >= 0 && at <= from && is_chain(&reader, at, upto);
    }
    if (!is_whole)
        is_whole = is_chain(&reader, sure, upto);
    log_reader_fini(&reader);
    return is_whole;
}

static bool has_lost_records(struct store *store)
{
    const struct checkpoint *checkpoint = &store->checkpoint;
    int64_t min = commit_log_min(store->log);
    int64_t sure = checkpoint->durable > min ? checkpoint->durable : min;
    int64_t from = checkpoint->flushed > sure ? checkpoint->flushed : sure;
    if (from >= checkpoint->dispatched || log_is_whole(store, sure, from, checkpoint->dispatched))
        return false;
    log_warn("commit_log_records_missing path=%s flushed=%lld dispatched=%lld durable=%lld",
             store->root_dir, (long long)checkpoint->flushed, (long long)checkpoint->dispatched,
             (long long)checkpoint->durable);
    return true;
}

static bool has_lost_entries(struct store *store)
{
    char path[DISK_PATH_MAX];
    const struct checkpoint *checkpoint = &store->checkpoint;
    store_path(store, "checkpoint", path);
    if (!checkpoint->is_syncing || sync_list_is_whole(path, store))
        return false;
    log_warn("consume_queue_entries_missing path=%s dispatched=%lld durable=%lld", store->root_dir,
             (long long)checkpoint->dispatched, (long long)checkpoint->durable);
    return true;
}

bool store_doubts_what_was_left(struct store *store, bool was_clean)
{
    struct checkpoint *checkpoint = &store->checkpoint;
    bool may_be_asked =
        !was_clean && checkpoint->is_ours && checkpoint->is_same_boot && !checkpoint->is_doubtful;
    bool is_lost = may_be_asked && (has_lost_records(store) || has_lost_entries(store));
    checkpoint->is_syncing = false;
    if (!is_lost)
        return false;
    checkpoint->is_doubtful = true;
    checkpoint->dispatched = checkpoint->durable;
    return true;
}
