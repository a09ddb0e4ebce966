#include "store/get_entries.h"

#include "base/log.h"
#include "store/get_record.h"
#include "store/store_internal.h"

/* ---- what the log says ----------------------------------------------------------------------- */

/* What the entry of a record that was found whole should say. False: it has none in this queue. */
static bool entry_by_record(const struct store *store, const struct consume_queue *queue,
                            const struct record *record, struct store_queue_entry *said)
{
    bool is_batch = consume_queue_is_batch(queue);
    if (!store_entry_of(store, record, said) ||
        (is_batch && !consume_queue_agrees_with_itself(record)))
        return false;
    said->queue_offset = consume_queue_place_of(queue, record);
    said->count = is_batch ? said->count : 1;
    return said->queue_offset >= 0;
}

/* The record at phy_offset, found whole. ERR_NOT_FOUND: none that has an entry in this queue. */
static int read_entry(struct store *store, const struct consume_queue *queue, int64_t phy_offset,
                      int32_t bytes, bool may_block, struct store_queue_entry *said)
{
    struct buf record_bytes = BUF_INIT;
    struct record record;
    int err = ERR_NOT_FOUND;
    if (bytes > RECORD_BORN_HOST && phy_offset >= commit_log_min(store->log))
        err = commit_log_read(store->log, phy_offset, (size_t)bytes, may_block, &record_bytes);
    if (err == 0 && (record_decode(buf_slice(&record_bytes), RECORD_CHECK_ALL, &record) != 0 ||
                     record.total_bytes != bytes || record.phy_offset != phy_offset ||
                     !entry_by_record(store, queue, &record, said)))
        err = ERR_NOT_FOUND;
    buf_fini(&record_bytes);
    return err;
}

/* In its file. Where that fails, readers put it right for themselves. */
static void mend(struct store *store, struct consume_queue *queue,
                 const struct store_queue_entry *said)
{
    struct log_reader reader;
    log_reader_init_jumping(&reader, store->log);
    if (consume_queue_mend(queue, said, &reader) < 0)
        log_warn("consume_queue_entry_not_mended topic=%.*s queue=%d queue_offset=%lld",
                 SLICE_FMT(consume_queue_topic(queue)), queue->queue_id,
                 (long long)said->queue_offset);
    log_reader_fini(&reader);
}

static void note_and_mend(struct store *store, struct consume_queue *queue, bool may_block,
                          const struct store_queue_entry *entry,
                          const struct store_queue_entry *said)
{
    store_note_damaged_entry(store, queue, entry);
    if (may_block)
        mend(store, queue, said);
}

/* ---- position and length --------------------------------------------------------------------- */

static int bits_between(const struct store_queue_entry *a, const struct store_queue_entry *b)
{
    return __builtin_popcountll((uint64_t)(a->phy_offset ^ b->phy_offset)) +
           __builtin_popcount((uint32_t)(a->bytes ^ b->bytes));
}

/* The entry of the record that stands at a place one bit away, if it may be the one; its length is
 * looked at first. */
static int try_place(struct store *store, const struct consume_queue *queue, bool may_block,
                     const struct store_queue_entry *entry, int64_t phy_offset,
                     struct store_queue_entry *said)
{
    struct buf length = BUF_INIT;
    if (phy_offset < commit_log_min(store->log))
        return ERR_NOT_FOUND;
    int err = commit_log_read(store->log, phy_offset, sizeof(int32_t), may_block, &length);
    *said = (struct store_queue_entry){ .phy_offset = phy_offset };
    if (err == 0)
        said->bytes = (int32_t)get_be32(length.data);
    buf_fini(&length);
    if (err == 0 && bits_between(said, entry) > 1)
        err = ERR_NOT_FOUND;
    if (err == 0)
        err = read_entry(store, queue, phy_offset, said->bytes, may_block, said);
    return err == 0 && said->queue_offset != entry->queue_offset ? ERR_NOT_FOUND : err;
}

static int find_by_bits(struct store *store, const struct consume_queue *queue, bool may_block,
                        const struct store_queue_entry *entry, struct store_queue_entry *said)
{
    enum { BITS = 64 };
    int err = ERR_NOT_FOUND;
    for (int bit = 0; bit <= BITS && err == ERR_NOT_FOUND; bit++) { /* the last: none of it */
        uint64_t turned = bit < BITS ? (uint64_t)1 << bit : 0;
        int64_t at = (int64_t)((uint64_t)entry->phy_offset ^ turned);
        err = try_place(store, queue, may_block, entry, at, said);
    }
    return err;
}

static bool is_beside(const struct store_queue_entry *entry)
{
    return entry->bytes > 0 && entry->phy_offset >= 0 && entry->bytes != CQ_FILLER_LENGTH;
}

/* The entries beside it leave room for it: what does not lie between them in the log is of an
 * earlier life of the topic. */
static int fits_between(struct consume_queue *queue, bool may_block,
                        const struct store_queue_entry *said)
{
    struct store_queue_entry beside;
    int got;
    int err = said->queue_offset == consume_queue_min(queue)
                  ? ERR_NOT_FOUND
                  : consume_queue_read(queue, said->queue_offset - 1, 1, may_block, &beside, &got);
    if (err == 0 && got == 1 && is_beside(&beside) && beside.phy_offset >= said->phy_offset)
        return ERR_NOT_FOUND;
    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    err = consume_queue_read(queue, said->queue_offset + said->count, 1, may_block, &beside, &got);
    if (err == 0 && got == 1 && is_beside(&beside) && beside.phy_offset <= said->phy_offset)
        return ERR_NOT_FOUND;
    return err == ERR_NOT_FOUND ? 0 : err;
}

int store_heal_entry(struct store *store, struct consume_queue *queue, bool may_block,
                     struct store_queue_entry *entry)
{
    struct store_queue_entry said;
    int err = find_by_bits(store, queue, may_block, entry, &said);
    if (err == 0)
        err = fits_between(queue, may_block, &said);
    if (err != 0)
        return err;
    assert(bits_between(&said, entry) <= 1);
    note_and_mend(store, queue, may_block, entry, &said);
    entry->phy_offset = said.phy_offset;
    entry->bytes = said.bytes;
    return 0;
}

/* ---- numbers in a batch queue ---------------------------------------------------------------- */

/* Bisection ends so far from the place at most, when one entry's numbers have turned. */
enum { ASTRAY_MOST = 2, BESIDE = 1 };
enum { WINDOW_MOST = BESIDE + ASTRAY_MOST + ENTRIES_PER_READ + ASTRAY_MOST + BESIDE };

/* Entries around those that were asked for. The first and the last are there to be compared with,
 * unless the queue begins or ends with them. */
struct window {
    struct store_queue_entry entries[WINDOW_MOST];
    bool is_known[WINDOW_MOST]; /* its numbers hold */
    int count;
    bool has_start;
    bool has_end;
    int64_t min; /* of the queue */
    int64_t max;
};

static bool follows(const struct store_queue_entry *before, const struct store_queue_entry *after)
{
    return before->count > 0 && before->queue_offset >= 0 && after->queue_offset >= before->count &&
           after->queue_offset - before->count == before->queue_offset;
}

/* Both neighbours fit, and so would not if a bit had turned. */
static bool is_borne_out(const struct window *w, int i)
{
    const struct store_queue_entry *entry = &w->entries[i];
    const struct store_queue_entry end = { .queue_offset = w->max };
    assert(i >= 0 && i < w->count);
    bool begins = i > 0 ? follows(entry - 1, entry) : entry->queue_offset == w->min;
    return begins && follows(entry, i + 1 < w->count ? entry + 1 : &end);
}

/* Gives the entry the numbers that its record has. ERR_NOT_FOUND: it leads to none. */
static int number_by_record(struct store *store, struct consume_queue *queue, bool may_block,
                            struct store_queue_entry *entry)
{
    struct store_queue_entry said;
    int err = read_entry(store, queue, entry->phy_offset, entry->bytes, may_block, &said);
    if (err != 0 || (said.queue_offset == entry->queue_offset && said.count == entry->count))
        return err;
    note_and_mend(store, queue, may_block, entry, &said);
    entry->queue_offset = said.queue_offset;
    entry->count = said.count;
    return 0;
}

/* The record cannot be read: its entry holds what lies between those beside it. */
static void number_by_neighbours(struct window *w, int i)
{
    const struct store_queue_entry *before = i > 0 ? &w->entries[i - 1] : NULL;
    int64_t from = before != NULL ? before->queue_offset + before->count : w->min;
    int64_t upto = i + 1 < w->count ? w->entries[i + 1].queue_offset : w->max;
    bool is_told = (i == 0 || w->is_known[i - 1]) && (i + 1 == w->count || w->is_known[i + 1]);
    if (!is_told || from < 0 || upto <= from || upto - from > INT16_MAX)
        return;
    w->entries[i].queue_offset = from;
    w->entries[i].count = (int32_t)(upto - from);
}

static int number_entries(struct store *store, struct consume_queue *queue, bool may_block,
                          struct window *w)
{
    for (int i = 0; i < w->count; i++)
        w->is_known[i] = is_borne_out(w, i);
    for (int i = 0; i < w->count; i++) {
        bool is_out = (i == 0 && !w->has_start) || (i + 1 == w->count && !w->has_end);
        int err = w->is_known[i] || is_out
                      ? 0
                      : number_by_record(store, queue, may_block, &w->entries[i]);
        if (err != 0 && err != ERR_NOT_FOUND)
            return err;
        w->is_known[i] = err == 0;
    }
    for (int i = 0; i < w->count; i++)
        if (!w->is_known[i])
            number_by_neighbours(w, i);
    return 0;
}

static int read_window(struct consume_queue *queue, int64_t queue_offset, int count, bool may_block,
                       struct window *w)
{
    enum { BEFORE = BESIDE + ASTRAY_MOST };
    int64_t first;
    w->min = consume_queue_min(queue);
    int err = consume_queue_read_around(queue, queue_offset, BEFORE,
                                        BEFORE + count + ASTRAY_MOST + BESIDE, may_block,
                                        w->entries, &w->count, &first);
    assert(err != 0 || (w->count >= 0 && w->count <= WINDOW_MOST));
    w->has_start = first == atomic_load(&queue->min);
    w->has_end = first + w->count == atomic_load(&queue->max);
    w->max = consume_queue_max(queue);
    return err;
}

static int read_batches(struct store *store, struct consume_queue *queue, int64_t queue_offset,
                        int count, bool may_block, struct store_queue_entry *entries, int *got)
{
    struct window w;
    int err = read_window(queue, queue_offset, count, may_block, &w);
    if (err == 0)
        err = number_entries(store, queue, may_block, &w);
    if (err != 0)
        return err;
    int first = w.has_start ? 0 : 1;
    int end = w.has_end ? w.count : w.count - 1;
    while (first < end && w.entries[first].queue_offset + w.entries[first].count <= queue_offset)
        first++;
    if (first >= end) /* behind the end, or damaged beyond what is put right here */
        return consume_queue_read(queue, queue_offset, count, may_block, entries, got);
    *got = end - first < count ? end - first : count;
    assert(*got > 0 && first + *got <= w.count);
    memcpy(entries, &w.entries[first], (size_t)*got * sizeof *entries);
    return 0;
}

int store_read_entries(struct store *store, struct consume_queue *queue, int64_t queue_offset,
                       int count, bool may_block, struct store_queue_entry *entries, int *got)
{
    assert(count > 0 && count <= ENTRIES_PER_READ);
    *got = 0;
    return consume_queue_is_batch(queue)
               ? read_batches(store, queue, queue_offset, count, may_block, entries, got)
               : consume_queue_read(queue, queue_offset, count, may_block, entries, got);
}
