#include "store/get_record.h"

#include "base/log.h"
#include "base/sort.h"
#include "store/get_entries.h"
#include "store/index_file.h"
#include "store/store_internal.h"
#include "wire/frame.h"
#include "wire/record_crc.h"

/* What is longer is no length: its message came in a frame, whatever maxMessageSize was then. */
enum { RECORD_LENGTH_MAX = FRAME_MAX_BYTES + RECORD_OVERHEAD_MAX };

enum { QUERY_MAX = 1024 };

/* ---- by queue entry -------------------------------------------------------------------------- */

/* A flipped bit may lead an entry to another record of its queue. The reference may have shifted a
 * queue against the numbers in its records, and nothing guards them: where we did not write, the
 * queue is believed, not the record.
 */
static bool is_in_its_place(struct slice bytes, int64_t place, int64_t queue_offset)
{
    return place == queue_offset || (place >= 0 && record_crc_check(bytes) == RECORD_CRC_NONE);
}

bool store_entry_leads_into_log(const struct store *store, const struct store_queue_entry *entry)
{
    return entry->bytes > 0 && entry->phy_offset >= commit_log_min(store->log);
}

bool store_entry_may_have_expired(const struct store *store, struct consume_queue *queue,
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
           !store_entry_leads_into_log(store, &first);
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
    if (!store_entry_leads_into_log(store, entry))
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

int store_read_queued(struct store *store, struct consume_queue *queue,
                      struct store_queue_entry *entry, bool may_block, struct buf *body,
                      struct record *record)
{
    size_t before = body->len;
    int err = read_record_at(store, queue, entry, may_block, body, record);
    if (err != ERR_CORRUPT &&
        (err != ERR_NOT_FOUND || store_entry_may_have_expired(store, queue, entry)))
        return err;
    assert(body->len == before);
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
    if (bytes <= RECORD_BORN_HOST || bytes > RECORD_LENGTH_MAX)
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
    assert(*next_phy >= phy_offset);
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

/* ---- by key ---------------------------------------------------------------------------------- */

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
    sort_i64(places, count);
    int found = 0;
    for (int i = 0; i < count; i++) {
        bool is_double =
            i > 0 && places[i] == places[i - 1]; /* the reference's indexes hold such */
        if (!is_double && store_get_at(store, places[i], records) == 0)
            found++;
    }
    return found;
}
