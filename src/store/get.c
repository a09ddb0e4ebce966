/* get.c - messages of a queue from an offset on: the entries, the filter, the records they lead to,
 * until the caller has as many as it wants.
 *
 *   bounds ── entries, some at a time ── filter by tag ── record ── filter by properties ── body
 *                 │                                          └─ damaged: passed over, counted
 *                 └─ the disk would have to be waited for: ERR_WOULD_BLOCK with nothing done; or
 *                    with what there is, the rest is asked for again
 *
 * Neither an entry nor a record is believed: a bit of either may have turned. So what leads
 * backwards ends the walk or is stepped over, and a record says itself where it belongs.
 */
#include "store/get_entries.h"
#include "store/get_record.h"
#include "store/store_internal.h"
#include "wire/multi_dispatch.h"

enum { SCAN_ENTRIES_LEAST = 800, SCAN_ENTRIES_PER_WANTED = 20 };

const char *store_get_status_name(enum store_get_status status)
{
    static const char *const names[] = {
        [GET_FOUND] = "FOUND",
        [GET_NO_MATCHED_MESSAGE] = "NO_MATCHED_MESSAGE",
        [GET_MESSAGE_WAS_REMOVING] = "MESSAGE_WAS_REMOVING",
        [GET_NO_MATCHED_LOGIC_QUEUE] = "NO_MATCHED_LOGIC_QUEUE",
        [GET_NO_MESSAGE_IN_QUEUE] = "NO_MESSAGE_IN_QUEUE",
        [GET_OFFSET_TOO_SMALL] = "OFFSET_TOO_SMALL",
        [GET_OFFSET_OVERFLOW_ONE] = "OFFSET_OVERFLOW_ONE",
        [GET_OFFSET_OVERFLOW_BADLY] = "OFFSET_OVERFLOW_BADLY",
        [GET_OFFSET_FOUND_NULL] = "OFFSET_FOUND_NULL",
    };
    assert((size_t)status < sizeof names / sizeof names[0]);
    return names[status];
}

/* False when the status is decided by the bounds alone. */
static bool check_bounds(const struct store_get_request *request, struct store_get_result *result)
{
    if (result->max_offset == 0) {
        result->status = GET_NO_MESSAGE_IN_QUEUE;
        result->next_offset = 0;
    } else if (request->queue_offset < result->min_offset) {
        result->status = GET_OFFSET_TOO_SMALL;
        result->next_offset = result->min_offset;
    } else if (request->queue_offset == result->max_offset) {
        result->status = GET_OFFSET_OVERFLOW_ONE;
        result->next_offset = request->queue_offset;
    } else if (request->queue_offset > result->max_offset) {
        /* A light queue that went and came back begins anew, below where its reader was. */
        result->status = GET_OFFSET_OVERFLOW_BADLY;
        result->next_offset =
            name_is_light(request->topic) ? result->min_offset : result->max_offset;
    } else {
        return true;
    }
    return false;
}

struct collecting {
    struct store *store;
    const struct store_get_request *request;
    struct consume_queue *queue;
    struct buf *body;
    size_t body_start;
    struct store_get_result *result;
    int32_t max_count;
    int64_t max_bytes;
    int64_t last_phy;
    int looked_into; /* records read for the filter */
    bool is_full;
};

/* A filter that reads records reads this many for a caller who cannot wait: then it is a worker's
 * turn, or that of the next call. */
enum { LOOKED_INTO_AT_ONCE = 64 };

/* Appends the entry's record if the filter takes it. 0, or why there is none. */
static int take_record(struct collecting *c, struct store_queue_entry *entry)
{
    const struct store_get_request *request = c->request;
    struct record record;
    size_t before = c->body->len;
    if (request->properties_filter != NULL && !request->may_block &&
        c->looked_into++ == LOOKED_INTO_AT_ONCE)
        return ERR_WOULD_BLOCK;
    if (request->must_be_near && entry->phy_offset < commit_log_near_start(c->store->log))
        return ERR_WOULD_BLOCK;
    int err = store_read_queued(c->store, c->queue, entry, request->may_block, c->body, &record);
    if (err != 0)
        return err;
    if (!consume_queue_is_light(c->queue) &&
        record.queue_offset != entry->queue_offset) /* get_record.c */
        put_be64(c->body->data + before + RECORD_QUEUE_OFFSET, (uint64_t)entry->queue_offset);
    if (request->properties_filter != NULL &&
        !request->properties_filter(request->filter_ctx, record.properties)) {
        c->body->len = before;
        return 0;
    }
    c->last_phy = entry->phy_offset;
    c->result->count += entry->count > 0 ? entry->count : 1; /* none is a flipped bit */
    c->result->status = GET_FOUND;
    return 0;
}

/* At least one record is taken, whatever its size, and however many messages it has. */
static bool has_room(const struct collecting *c, const struct store_queue_entry *entry)
{
    int64_t bytes_after = (int64_t)(c->body->len - c->body_start) + entry->bytes;
    return c->result->count == 0 ||
           (bytes_after <= c->max_bytes && c->result->count + entry->count <= c->max_count);
}

/* Takes one entry. 0, or ERR_WOULD_BLOCK / ERR_IO. */
static int collect(struct collecting *c, struct store_queue_entry *entry)
{
    const struct store_get_request *request = c->request;
    struct store_get_result *result = c->result;
    if (request->filter == NULL || request->filter(request->filter_ctx, entry->tags_code)) {
        if (!has_room(c, entry)) {
            c->is_full = true;
            return 0;
        }
        int err = take_record(c, entry);
        if (err == ERR_NOT_FOUND && result->count == 0)
            result->status = GET_MESSAGE_WAS_REMOVING;
        if (err == ERR_WOULD_BLOCK || err == ERR_IO) {
            c->is_full =
                result->count > 0; /* what there is goes out; the rest is asked for again */
            return c->is_full ? 0 : err;
        }
    }
    int64_t next = entry->queue_offset + entry->count; /* a flipped bit must not lead back */
    if (next > result->next_offset)
        result->next_offset = next;
    c->is_full = result->count >= c->max_count;
    return 0;
}

/* Their records are a fair part of what lies between them. A flipped bit may lead anywhere. */
static bool are_near_each_other(const struct commit_log *log,
                                const struct store_queue_entry *entries, int count)
{
    enum { SPARSE = 32 };
    int64_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += entries[i].bytes > 0 ? entries[i].bytes : 0;
    int64_t first = entries[0].phy_offset;
    int64_t last = entries[count - 1].phy_offset;
    return first >= 0 && last >= first && last < commit_log_max(log) &&
           last - first <= SPARSE * bytes;
}

/* A caller who can wait comes when something is not in memory. Records of a queue lie apart: where
 * they are a fair part of what lies between, all of it is brought in, many times what one call
 * takes, so that the next calls find theirs in memory; where they are not, each for itself, all at
 * once. */
static void fetch(struct collecting *c, const struct store_queue_entry *entries, int count)
{
    if (are_near_each_other(c->store->log, entries, count) &&
        read_ahead_is_on(c->store->read_ahead)) {
        read_ahead_begin(c->store->read_ahead, entries[0].phy_offset);
        return;
    }
    if (c->request->apart_max_count > 0 && c->request->apart_max_count < c->max_count)
        c->max_count = c->request->apart_max_count;
    if (c->request->apart_max_bytes > 0 && c->request->apart_max_bytes < c->max_bytes)
        c->max_bytes = c->request->apart_max_bytes;
    for (int i = 0; i < count && i < c->max_count; i++)
        commit_log_will_read(c->store->log, entries[i].phy_offset, entries[i].bytes);
}

static int scan(struct collecting *c)
{
    struct store_queue_entry entries[ENTRIES_PER_READ];
    const struct store_get_request *request = c->request;
    int64_t bound = (int64_t)c->max_count * SCAN_ENTRIES_PER_WANTED;
    bound = bound < SCAN_ENTRIES_LEAST ? SCAN_ENTRIES_LEAST : bound;
    int64_t end = request->queue_offset + bound;
    for (int64_t at = request->queue_offset; at < end && !c->is_full;) {
        int wanted = c->max_count - c->result->count;
        bool takes_all = request->filter == NULL && request->properties_filter == NULL;
        int count = takes_all && wanted < ENTRIES_PER_READ ? wanted : ENTRIES_PER_READ;
        int got;
        int err =
            store_read_entries(c->store, c->queue, at, count, request->may_block, entries, &got);
        if (err == ERR_NOT_FOUND) { /* the file has expired under us */
            c->result->status = GET_OFFSET_FOUND_NULL;
            return 0;
        }
        if (err != 0)
            return c->result->count > 0 ? 0 : err;
        if (got == 0)
            return 0;
        if (request->may_block && at == request->queue_offset)
            fetch(c, entries, got);
        for (int i = 0; i < got && !c->is_full; i++) {
            err = collect(c, &entries[i]);
            if (err != 0)
                return err;
        }
        int64_t next = entries[got - 1].queue_offset + entries[got - 1].count;
        at = next > at ? next : at + 1;
    }
    return 0;
}

int store_get_plain(struct store *store, const struct store_get_request *request, struct buf *body,
                    struct store_get_result *result)
{
    struct store_get_request bounded = *request;
    if (bounded.max_count < 1)
        bounded.max_count = 1;
    *result = (struct store_get_result){ .status = GET_NO_MATCHED_LOGIC_QUEUE };
    struct consume_queue *queue;
    int err =
        queues_find(store->queues, request->topic, request->queue_id, request->may_block, &queue);
    if (err == ERR_NOT_FOUND) {
        result->min_offset = store_queue_min(store, request->topic, request->queue_id);
        return 0;
    }
    if (err != 0)
        return err;
    result->max_offset = consume_queue_max(queue);
    result->min_offset = consume_queue_min(queue);
    if (!check_bounds(&bounded, result))
        return 0;
    result->status = GET_NO_MATCHED_MESSAGE;
    result->next_offset = bounded.queue_offset;
    struct collecting collecting = { .store = store,
                                     .request = &bounded,
                                     .queue = queue,
                                     .body = body,
                                     .body_start = body->len,
                                     .result = result,
                                     .max_count = bounded.max_count,
                                     .max_bytes = bounded.max_bytes,
                                     .last_phy = -1 };
    err = scan(&collecting);
    if (collecting.last_phy >= 0 && collecting.last_phy < commit_log_near_start(store->log))
        read_ahead_note(store->read_ahead, collecting.last_phy);
    assert(err == 0 || result->count == 0);
    assert(result->count <= bounded.max_count || consume_queue_is_batch(queue));
    assert(result->next_offset >= bounded.queue_offset);
    assert(body->len >= collecting.body_start);
    assert(result->status != GET_FOUND || result->count > 0);
    return err;
}

int store_get(struct store *store, const struct store_get_request *request, struct buf *body,
              struct store_get_result *result)
{
    if (store->compaction != NULL && compaction_has_topic(store->compaction, request->topic))
        return compaction_get(store->compaction, request, body, result);
    return store_get_plain(store, request, body, result);
}
