/* get.c - finding what was put: by queue, by place, by time, by key.
 *
 * What comes out of the log is checked before anyone gets it: a whole record, at its own place, of
 * the queue that was asked for. An entry that leads anywhere else (a directory the reference left
 * after two crashes can hold such) is passed over, counted in the log.
 */
#include <stdlib.h>

#include "base/log.h"
#include "store/entry_heal.h"
#include "store/index_file.h"
#include "store/store_internal.h"
#include "wire/multi_dispatch.h"
#include "wire/record_crc.h"

enum { SCAN_ENTRIES_LEAST = 800, SCAN_ENTRIES_PER_WANTED = 20 };
enum { QUERY_MAX = 1024 };

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

/* ---- by queue -------------------------------------------------------------------------------- */

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

/* A flipped bit may lead an entry to another record of its queue. The reference may have shifted a
 * queue against the numbers in its records, and nothing guards them: where we did not write, the
 * queue is believed, not the record.
 */
static bool is_in_its_place(struct slice bytes, int64_t place, int64_t queue_offset)
{
    return place == queue_offset || (place >= 0 && record_crc_check(bytes) == RECORD_CRC_NONE);
}

static bool leads_into_log(const struct store *store, const struct store_queue_entry *entry)
{
    return entry->bytes > 0 && entry->phy_offset >= commit_log_min(store->log);
}

/* Whether what leads nowhere is as it should be: a filler, or its file has gone and the queue's
 * start has not followed yet. Then the entries before it lead nowhere too. */
static bool may_have_expired(const struct store *store, struct consume_queue *queue,
                             const struct store_queue_entry *entry)
{
    struct store_queue_entry first;
    int got = 0;
    if (queue_entry_is_filler(entry))
        return true;
    if (entry->bytes <= 0 || entry->phy_offset < 0 ||
        entry->phy_offset >= commit_log_min(store->log))
        return false;
    int64_t min = consume_queue_min(queue);
    return entry->queue_offset <= min ||
           consume_queue_read(queue, min, 1, true, &first, &got) != 0 || got == 0 ||
           !leads_into_log(store, &first);
}

void store_note_damaged_entry(struct store *store, const struct consume_queue *queue,
                              const struct store_queue_entry *entry)
{
    atomic_fetch_add(&store->damaged_records, 1);
    if (atomic_exchange(&store->last_damaged, entry->phy_offset) == entry->phy_offset)
        return;
    char dir[DISK_PATH_MAX];
    consume_queue_dir(queue, dir);
    log_error("consume_queue_entry_damaged path=%s at=%lld topic=%.*s queue=%d queue_offset=%lld "
              "phy_offset=%lld bytes=%d",
              dir, (long long)(entry->place * queue->of->kind->entry_bytes),
              SLICE_FMT(consume_queue_topic(queue)), queue->queue_id,
              (long long)entry->queue_offset, (long long)entry->phy_offset, entry->bytes);
}

/* Appends the record the entry leads to; *record is of these bytes. ERR_CORRUPT: it is not the one
 * that belongs there. */
static int read_record_at(struct store *store, struct consume_queue *queue,
                          const struct store_queue_entry *entry, bool may_block, struct buf *body,
                          struct record *record)
{
    size_t before = body->len;
    if (!leads_into_log(store, entry))
        return ERR_NOT_FOUND;
    int err = commit_log_read(store->log, entry->phy_offset, (size_t)entry->bytes, may_block, body);
    if (err != 0)
        return err;
    assert(body->len == before + (size_t)entry->bytes);
    uint8_t *bytes = body->data + before;
    enum record_check check = store->options.verify_reads ? RECORD_CHECK_ALL : RECORD_CHECK_LENGTHS;
    if (record_decode(slice_of(bytes, (size_t)entry->bytes), check, record) == 0 &&
        record->total_bytes == entry->bytes && record->phy_offset == entry->phy_offset &&
        is_in_its_place(slice_of(bytes, (size_t)entry->bytes),
                        consume_queue_place_of(queue, record), entry->queue_offset)) {
        body->len = before + record_crc_strip(bytes, (size_t)entry->bytes, record);
        return 0;
    }
    body->len = before;
    return ERR_CORRUPT;
}

/* The same of the record that the entry led to before a bit of it turned. What is found nowhere is
 * counted and logged. */
static int read_record(struct store *store, struct consume_queue *queue,
                       struct store_queue_entry *entry, bool may_block, struct buf *body,
                       struct record *record)
{
    int err = read_record_at(store, queue, entry, may_block, body, record);
    if (err != ERR_CORRUPT && (err != ERR_NOT_FOUND || may_have_expired(store, queue, entry)))
        return err;
    int healed = store_heal_entry(store, queue, may_block, entry);
    if (healed == 0)
        return read_record_at(store, queue, entry, may_block, body, record);
    if (healed != ERR_NOT_FOUND)
        return healed;
    if (err == ERR_NOT_FOUND)
        store_note_damaged_entry(store, queue, entry);
    else
        store_note_damage(store, entry->phy_offset, consume_queue_topic(queue), queue->queue_id,
                          entry->queue_offset);
    return err;
}

void store_note_damage(struct store *store, int64_t phy_offset, struct slice topic,
                       int32_t queue_id, int64_t queue_offset)
{
    char path[DISK_PATH_MAX];
    int64_t file_pos;
    atomic_fetch_add(&store->damaged_records, 1);
    if (phy_offset < 0 || atomic_exchange(&store->last_damaged, phy_offset) == phy_offset)
        return; /* asked for again and again */
    commit_log_place(store->log, phy_offset, path, &file_pos);
    log_error(
        "record_damaged path=%s at=%lld phy_offset=%lld topic=%.*s queue=%d queue_offset=%lld",
        path, (long long)file_pos, (long long)phy_offset, SLICE_FMT(topic), queue_id,
        (long long)queue_offset);
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
    int err = read_record(c->store, c->queue, entry, request->may_block, c->body, &record);
    if (err != 0)
        return err;
    if (!consume_queue_is_light(c->queue) &&
        record.queue_offset != entry->queue_offset) /* is_in_its_place() */
        put_be64(c->body->data + before + RECORD_QUEUE_OFFSET, (uint64_t)entry->queue_offset);
    if (request->properties_filter != NULL &&
        !request->properties_filter(request->filter_ctx, record.properties)) {
        c->body->len = before;
        return 0;
    }
    c->last_phy = entry->phy_offset;
    c->result->count += entry->count > 0 ? entry->count : 1; /* none is a flipped bit */
    c->result->status = GET_FOUND;
    c->result->suggest_slave =
        commit_log_max(c->store->log) - entry->phy_offset > c->store->cold_bytes;
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
    int err = queues_find(store->queues, request->topic, request->queue_id, &queue);
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

int store_queue_entry_at(struct store *store, struct slice topic, int32_t queue_id,
                         int64_t queue_offset, struct store_queue_entry *entry)
{
    struct consume_queue *queue;
    int got = 0;
    int err = queues_find(store->queues, topic, queue_id, &queue);
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
        err = queues_find(store->queues, topic, queue_id, &queue);
    return err == 0 ? read_record(store, queue, entry, true, out, &record) : err;
}

/* 0 as well when there is no such queue: *queue is NULL then. */
static int find_queue(struct store *store, struct slice topic, int32_t queue_id,
                      struct consume_queue **queue)
{
    int err = queues_find(store->queues, topic, queue_id, queue);
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
    return queues_find(store->queues, topic, queue_id, &queue) != 0 ? 0 : consume_queue_max(queue);
}

int store_queue_in_memory(struct store *store, struct slice topic, int32_t queue_id,
                          int64_t queue_offset, bool *is_in_memory)
{
    struct store_queue_entry entry;
    int err = store_queue_entry_at(store, topic, queue_id, queue_offset, &entry);
    *is_in_memory = err == 0 && commit_log_max(store->log) - entry.phy_offset <= store->cold_bytes;
    return err == ERR_NOT_FOUND ? 0 : err;
}

/* ---- by place -------------------------------------------------------------------------------- */

int store_get_at(struct store *store, int64_t phy_offset, struct buf *out)
{
    int64_t next_phy;
    return store_get_walking(store, phy_offset, out, &next_phy);
}

/* A record stands here, by its own lengths and place, and is not what was stored. A place that a
 * client made up holds none, and counts for nothing. */
static void note_if_damaged(struct store *store, int64_t phy_offset, struct slice bytes)
{
    struct record record;
    if (record_decode(bytes, RECORD_CHECK_LENGTHS, &record) == 0 && record.phy_offset == phy_offset)
        store_note_damage(store, phy_offset, record.topic, record.queue_id, record.queue_offset);
}

int store_get_walking(struct store *store, int64_t phy_offset, struct buf *out, int64_t *next_phy)
{
    size_t before = out->len;
    *next_phy = phy_offset;
    if (phy_offset < commit_log_min(store->log))
        return ERR_NOT_FOUND;
    int err = commit_log_read(store->log, phy_offset, sizeof(int32_t), true, out);
    if (err != 0)
        return err;
    int32_t bytes = (int32_t)get_be32(out->data + before + RECORD_TOTAL_SIZE);
    out->len = before;
    if (bytes <= RECORD_BORN_HOST ||
        bytes > store->options.max_message_bytes + (int32_t)(2 * RECORD_PROPERTIES_MAX))
        return ERR_NOT_FOUND;
    err = commit_log_read(store->log, phy_offset, (size_t)bytes, true, out);
    struct record record;
    if (err == 0)
        *next_phy = phy_offset + bytes;
    if (err == 0 && (record_decode(slice_of(out->data + before, out->len - before),
                                   RECORD_CHECK_ALL, &record) != 0 ||
                     record.phy_offset != phy_offset)) {
        note_if_damaged(store, phy_offset, slice_of(out->data + before, (size_t)bytes));
        err = ERR_NOT_FOUND;
    }
    out->len = before;
    if (err == 0)
        out->len += record_crc_strip(out->data + before, (size_t)bytes, &record);
    return err;
}

int store_get_record(struct store *store, int64_t phy_offset, int32_t bytes, bool may_block,
                     struct buf *out)
{
    size_t before = out->len;
    if (bytes <= RECORD_BORN_HOST || phy_offset < commit_log_min(store->log))
        return ERR_NOT_FOUND;
    int err = commit_log_read(store->log, phy_offset, (size_t)bytes, may_block, out);
    if (err != 0)
        return err;
    struct record record;
    if (record_decode(slice_of(out->data + before, out->len - before), RECORD_CHECK_ALL, &record) !=
            0 ||
        record.total_bytes != bytes || record.phy_offset != phy_offset) {
        /* The caller knew that it was there: whatever bit turned, it is damaged. */
        store_note_damage(store, phy_offset, SLICE(""), -1, -1);
        out->len = before;
        return ERR_NOT_FOUND;
    }
    out->len = before + record_crc_strip(out->data + before, (size_t)bytes, &record);
    return 0;
}

/* ---- by time --------------------------------------------------------------------------------- */

/* Store time of the record an entry leads to; -1 when the log has it no more. */
static int entry_time(struct store *store, struct consume_queue *queue,
                      struct store_queue_entry *entry, int64_t *time_ms)
{
    enum { HEAD_BYTES = 80 }; /* up to the store time, with an IPv6 born host */
    struct buf head = BUF_INIT;
    *time_ms = -1;
    if (!leads_into_log(store, entry) && may_have_expired(store, queue, entry))
        return 0;
    int err = leads_into_log(store, entry) && entry->bytes >= HEAD_BYTES
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
        err = queues_find(store->queues, topic, queue_id, &queue);
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

/* ---- by key ---------------------------------------------------------------------------------- */

static int compare_offsets(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

int store_query(struct store *store, struct slice topic, struct slice key, int32_t max_count,
                int64_t begin_ms, int64_t end_ms, struct buf *records,
                int64_t *index_last_update_ms, int64_t *index_last_phy_offset)
{
    int64_t places[QUERY_MAX];
    int most = max_count < QUERY_MAX ? max_count : QUERY_MAX;
    *index_last_update_ms = 0;
    *index_last_phy_offset = 0;
    if (store->indexer == NULL || most < 1)
        return 0;
    int count = indexer_query(store->indexer, index_key_hash(topic, key), begin_ms, end_ms, most,
                              places, index_last_update_ms, index_last_phy_offset);
    assert(count >= 0);
    assert(count <= most);
    if (count > 0)
        qsort(places, (size_t)count, sizeof places[0], compare_offsets);
    int found = 0;
    for (int i = 0; i < count; i++) {
        bool is_double =
            i > 0 && places[i] == places[i - 1]; /* the reference's indexes hold such */
        if (!is_double && store_get_at(store, places[i], records) == 0)
            found++;
    }
    return found;
}
