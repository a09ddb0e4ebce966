/* sync_list.c - in the page, behind the blocks:
 *
 *   512       516     520
 *   | CRC-32  | bytes | item | item | ...                 CRC: of all that follows; bytes: of all
 *
 *   item   0      8     16         18         19               20
 *          | from | end | queue id | is batch | length of topic | topic |
 *
 * What a sync that fails takes away is pages. So an entry is there when it is not zero and leads on
 * from the one before it; one that lies on two pages is compared with its record.
 */
#include "store/sync_list.h"

#include <assert.h>

#include "base/crc.h"
#include "base/log.h"
#include "store/consume_queue_internal.h"
#include "store/store_internal.h"

enum { LIST_CRC = 0, LIST_LEN = 4, LIST_HEAD_BYTES = 8 };
enum { ITEM_FROM = 0, ITEM_END = 8, ITEM_QUEUE = 16, ITEM_BATCH = 18, ITEM_TOPIC_LEN = 19 };
enum { ITEM_TOPIC = 20 };
static_assert(LIST_LEN == LIST_CRC + sizeof(uint32_t), "no padding");
static_assert(LIST_HEAD_BYTES == LIST_LEN + sizeof(uint32_t), "no padding");
static_assert(ITEM_END == ITEM_FROM + sizeof(int64_t), "no padding");
static_assert(ITEM_QUEUE == ITEM_END + sizeof(int64_t), "no padding");
static_assert(ITEM_BATCH == ITEM_QUEUE + sizeof(uint16_t), "no padding");
static_assert(ITEM_TOPIC_LEN == ITEM_BATCH + sizeof(uint8_t), "no padding");
static_assert(ITEM_TOPIC == ITEM_TOPIC_LEN + sizeof(uint8_t), "no padding");
static_assert(LIST_HEAD_BYTES + ITEM_TOPIC + UINT8_MAX <= CHECKPOINT_LIST_BYTES, "one item fits");

static uint32_t list_crc(const uint8_t *bytes, size_t len)
{
    return crc32_update(0, slice_of(bytes + LIST_LEN, len - LIST_LEN));
}

/* ---- before a sync --------------------------------------------------------------------------- */

void sync_list_clear(struct sync_list *list)
{
    memset(list->bytes, 0, sizeof list->bytes);
    list->len = LIST_HEAD_BYTES;
}

bool sync_list_add(struct sync_list *list, struct consume_queue *queue, int64_t from)
{
    struct slice topic = consume_queue_topic(queue);
    uint8_t *at = list->bytes + list->len;
    assert(from >= 0);
    if (list->len + ITEM_TOPIC + topic.len > sizeof list->bytes)
        return false;
    put_be64(at + ITEM_FROM, (uint64_t)from);
    put_be64(at + ITEM_END, (uint64_t)queue_written_end(queue));
    put_be16(at + ITEM_QUEUE, queue->queue_id);
    at[ITEM_BATCH] = consume_queue_is_batch(queue);
    at[ITEM_TOPIC_LEN] = (uint8_t)topic.len;
    memcpy(at + ITEM_TOPIC, topic.data, topic.len);
    list->len += ITEM_TOPIC + topic.len;
    return true;
}

int sync_list_write(struct sync_list *list, const char *checkpoint_path)
{
    assert(list->len <= sizeof list->bytes);
    put_be32(list->bytes + LIST_LEN, (uint32_t)list->len);
    put_be32(list->bytes + LIST_CRC, list_crc(list->bytes, list->len));
    return checkpoint_write_list(checkpoint_path, slice_of(list->bytes, list->len));
}

/* ---- after a kill ---------------------------------------------------------------------------- */

struct looking {
    struct store *store;
    struct log_reader reader;
    int64_t last_phy_offset; /* of the entry before; -1: none */
};

static bool is_on_two_pages(const struct consume_queue *queue, int64_t place)
{
    int64_t at = place * queue->of->kind->entry_bytes % queue->of->kind->file_bytes;
    return at / PAGE_BYTES != (at + queue->of->kind->entry_bytes - 1) / PAGE_BYTES;
}

static bool agrees_with_record(struct looking *looking, const struct consume_queue *queue,
                               const struct store_queue_entry *entry)
{
    struct record record;
    struct store_queue_entry wanted;
    if (entry->phy_offset < commit_log_min(looking->store->log))
        return true;
    if (log_reader_record(&looking->reader, entry->phy_offset, RECORD_CHECK_LENGTHS, &record) !=
            0 ||
        !store_entry_of(looking->store, &record, &wanted) || wanted.bytes != entry->bytes ||
        wanted.tags_code != entry->tags_code)
        return false;
    return !consume_queue_is_batch(queue) ||
           (wanted.queue_offset == entry->queue_offset && wanted.count == entry->count &&
            wanted.store_ms == entry->store_ms);
}

static bool entry_is_there(struct looking *looking, const struct consume_queue *queue,
                           int64_t place, const struct store_queue_entry *entry)
{
    if (!queue_entry_is_written(entry))
        return false;
    if (queue_entry_is_filler(entry))
        return true;
    bool leads_on = entry->phy_offset > looking->last_phy_offset;
    looking->last_phy_offset = entry->phy_offset;
    return leads_on &&
           (!is_on_two_pages(queue, place) || agrees_with_record(looking, queue, entry));
}

/* Entries of one file. */
static bool run_is_there(struct looking *looking, struct consume_queue *queue, int64_t place,
                         int count)
{
    enum { AT_ONCE = 128 };
    struct store_queue_entry entries[AT_ONCE];
    bool is_there = true;
    for (int done = 0; done < count && is_there; done += AT_ONCE) {
        int n = count - done < AT_ONCE ? count - done : AT_ONCE;
        consume_queue_lock_both(queue);
        is_there = queue_file_read(queue, place + done, n, true, entries) == 0;
        consume_queue_unlock_both(queue);
        for (int i = 0; i < n && is_there; i++)
            is_there = entry_is_there(looking, queue, place + done + i, &entries[i]);
    }
    return is_there;
}

static bool queue_is_whole(struct looking *looking, struct consume_queue *queue, int64_t from,
                           int64_t end)
{
    int64_t min = atomic_load(&queue->min);
    looking->last_phy_offset = -1;
    if (end > atomic_load(&queue->max))
        return false;
    for (int64_t place = from < min ? min : from; place < end;) {
        int64_t upto = (place / queue_file_places(queue) + 1) * queue_file_places(queue);
        upto = upto < end ? upto : end;
        if (!run_is_there(looking, queue, place, (int)(upto - place)))
            return false;
        place = upto;
    }
    return true;
}

static bool item_is_whole(struct looking *looking, struct slice item)
{
    struct slice topic = slice_of(item.data + ITEM_TOPIC, item.data[ITEM_TOPIC_LEN]);
    struct consume_queue *queue;
    if (queues_find(looking->store->queues, topic, get_be16(item.data + ITEM_QUEUE), true,
                    &queue) != 0)
        return false;
    return consume_queue_is_batch(queue) == (item.data[ITEM_BATCH] != 0) &&
           queue_is_whole(looking, queue, (int64_t)get_be64(item.data + ITEM_FROM),
                          (int64_t)get_be64(item.data + ITEM_END));
}

/* Takes the first item off; false: what is left is none. */
static bool next_item(struct slice *rest, struct slice *item)
{
    if (rest->len < ITEM_TOPIC || rest->len < ITEM_TOPIC + (size_t)rest->data[ITEM_TOPIC_LEN])
        return false;
    *item = slice_of(rest->data, ITEM_TOPIC + (size_t)rest->data[ITEM_TOPIC_LEN]);
    *rest = slice_from(*rest, item->len);
    return true;
}

bool sync_list_is_whole(const char *checkpoint_path, struct store *store)
{
    uint8_t bytes[CHECKPOINT_LIST_BYTES];
    struct looking looking = { .store = store };
    if (checkpoint_read_list(checkpoint_path, bytes) != 0)
        return false;
    uint32_t len = get_be32(bytes + LIST_LEN);
    if (len <= LIST_HEAD_BYTES || len > sizeof bytes ||
        get_be32(bytes + LIST_CRC) != list_crc(bytes, len))
        return false;
    struct slice rest = slice_of(bytes + LIST_HEAD_BYTES, len - LIST_HEAD_BYTES);
    struct slice item;
    bool is_whole = true;
    log_reader_init_jumping(&looking.reader, store->log);
    while (is_whole && rest.len > 0)
        is_whole = next_item(&rest, &item) && item_is_whole(&looking, item);
    log_reader_fini(&looking.reader);
    return is_whole;
}
