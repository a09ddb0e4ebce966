/* consume_queue_mend.c - recovery and repair: a record of the log says where its entry belongs. */
#include <stdlib.h>

#include "base/log.h"
#include "store/consume_queue_internal.h"

/* A queue offset further than this behind its queue's end, or at all, is damage and not a gap. */
enum { GAP_MOST = 1000000 };
#define PLACE_MOST (INT64_MAX / 64)

/* Drops every entry from place on. Under both locks. */
static int cut_at(struct consume_queue *queue, int64_t place)
{
    assert(lock_is_held(&consume_queue_locks(queue)->file_lock));
    assert(lock_is_held(&consume_queue_locks(queue)->lock));
    assert(place >= 0);
    int err = queue_files_zero(queue, place, queue_written(queue));
    if (err != 0)
        return err;
    queue_tail_cut(queue, place);
    if (atomic_load(&queue->min) > place)
        atomic_store(&queue->min, place);
    return consume_queue_note_batch_bounds(queue);
}

/* The log has none of the queue's records any more. Under both locks. */
static bool is_all_below(struct consume_queue *queue, int64_t log_min)
{
    struct store_queue_entry last;
    int64_t max = atomic_load(&queue->max);
    return max <= atomic_load(&queue->min) || (consume_queue_read_one(queue, max - 1, &last) == 0 &&
                                               queue_entry_is_below(&last, log_min));
}

/* False: no queue is that long; the number in the record is damaged. Under both locks. */
static bool fill_gap(struct consume_queue *queue, int64_t place, int64_t log_min)
{
    assert(lock_is_held(&consume_queue_locks(queue)->file_lock));
    assert(lock_is_held(&consume_queue_locks(queue)->lock));
    const struct store_queue_entry filler = { .bytes = CQ_FILLER_LENGTH };
    assert(!consume_queue_is_batch(queue));
    int64_t max = atomic_load(&queue->max);
    if (place > PLACE_MOST || (max > 0 && place - max > GAP_MOST)) {
        log_error("queue_offset_beyond_reason topic=%.*s queue=%d queue_offset=%lld max=%lld",
                  SLICE_FMT(consume_queue_topic(queue)), queue->queue_id, (long long)place,
                  (long long)max);
        return false;
    }
    assert(place > max);
    if (max == 0) { /* its first files have expired: it starts in the middle of a file */
        assert(queue_written(queue) == 0);
        atomic_store(&queue->max, queue_file_of(queue, place) / queue->of->kind->entry_bytes);
        atomic_store(&queue->min, place);
    } else if (is_all_below(queue, log_min)) { /* so is what the gap stands for */
        atomic_store(&queue->min, place);
    } else {
        log_warn("consume_queue_gap_filled topic=%.*s queue=%d from=%lld to=%lld",
                 SLICE_FMT(consume_queue_topic(queue)), queue->queue_id, (long long)max,
                 (long long)place);
    }
    while (atomic_load(&queue->max) < place)
        queue_tail_add(queue, &filler);
    assert(atomic_load(&queue->max) == place);
    return true;
}

static int read_for_find(struct consume_queue *queue, int64_t place, bool may_block,
                         struct store_queue_entry *entry)
{
    (void)may_block;
    return consume_queue_read_one(queue, place, entry);
}

/* The place of the entry that holds queue_offset, or of the first behind it; where the queue ends
 * when there is none. Under both locks. */
static int find_place(struct consume_queue *queue, int64_t queue_offset, int64_t *place)
{
    *place = queue_offset;
    if (!consume_queue_is_batch(queue))
        return 0;
    return queue_find_batch(queue, read_for_find, true, queue_offset, atomic_load(&queue->min),
                            atomic_load(&queue->max), place);
}

static bool are_equal(const struct store_queue_entry *a, const struct store_queue_entry *b)
{
    return a->phy_offset == b->phy_offset && a->bytes == b->bytes && a->tags_code == b->tags_code &&
           a->queue_offset == b->queue_offset && a->count == b->count;
}

/* What stands in the place of a record: 1 when it may stay, 0 when it is to be dropped, or ERR_IO.
 * Another record that names the place too stays: one of the two is damaged, and the queue keeps
 * what it has. Under both locks. */
static int may_stay(struct consume_queue *queue, int64_t place,
                    const struct store_queue_entry *entry, struct log_reader *reader)
{
    struct store_queue_entry there;
    int err = consume_queue_read_one(queue, place, &there);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    if (there.phy_offset == entry->phy_offset)
        return are_equal(&there, entry);
    /* Half of an entry, torn at a sector's end, may look as if it led below the log. */
    if (queue_entry_is_filler(&there) || !queue_entry_is_written(&there) ||
        there.phy_offset < commit_log_min(reader->log))
        return 0;
    int fits = queue_entry_leads_home(queue, &there, reader);
    if (fits == 1 && there.phy_offset < entry->phy_offset)
        log_error("queue_offset_claimed_twice topic=%.*s queue=%d queue_offset=%lld "
                  "phy_offset=%lld",
                  SLICE_FMT(consume_queue_topic(queue)), queue->queue_id,
                  (long long)there.queue_offset, (long long)there.phy_offset);
    return fits;
}

/* Drops everything, files too: the queue begins anew. Under both locks. */
static int begin_anew(struct consume_queue *queue)
{
    int64_t *files = NULL;
    int count = 0;
    assert(lock_is_held(&consume_queue_locks(queue)->file_lock));
    assert(lock_is_held(&consume_queue_locks(queue)->lock));
    char dir[DISK_PATH_MAX];
    consume_queue_dir(queue, dir);
    int err = disk_list_numbers(dir, &files, &count);
    queue_file_close(queue);
    for (int i = 0; i < count && err == 0; i++) {
        char path[DISK_PATH_MAX];
        disk_numbered_path(path, dir, files[i]);
        err = disk_remove(path);
        if (err == 0)
            atomic_fetch_sub(&queue->of->kind->files->count, 1);
    }
    free(files);
    if (err != 0)
        return err;
    queue->has_new_names = true;
    queue_tail_cut(queue, 0);
    atomic_store(&queue->min, 0);
    return consume_queue_note_batch_bounds(queue);
}

/* 1: the queue's last entry is another record's, which lies behind the entry in the log. */
static int ends_behind(struct consume_queue *queue, const struct store_queue_entry *entry,
                       const struct store_queue_entry *last, struct log_reader *reader)
{
    if (queue_entry_is_filler(last) || !queue_entry_is_written(last) ||
        last->phy_offset <= entry->phy_offset)
        return 0;
    return queue_entry_leads_home(queue, last, reader);
}

/* A topic that was deleted and made again: the log has the records of both lives, and both begin at
 * 0. The queue is the later one's. 1: go on; 0: the record belongs to an earlier life than what the
 * queue has. Under both locks. */
static int choose_life(struct consume_queue *queue, const struct store_queue_entry *entry,
                       int64_t place, struct log_reader *reader)
{
    struct store_queue_entry last;
    int64_t max = atomic_load(&queue->max);
    if (max <= atomic_load(&queue->min))
        return 1;
    int err = consume_queue_read_one(queue, max - 1, &last);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 1 : err;
    if (place >= max) {
        int is_behind = ends_behind(queue, entry, &last, reader);
        return is_behind < 0 ? is_behind : !is_behind;
    }
    bool is_first_again = entry->queue_offset == 0 && queue_entry_is_written(&last) &&
                          !queue_entry_is_filler(&last) && last.phy_offset < entry->phy_offset;
    int fits = is_first_again ? queue_entry_leads_home(queue, &last, reader) : 0;
    if (fits == 1) {
        log_warn("consume_queue_begins_anew topic=%.*s queue=%d phy_offset=%lld had=%lld",
                 SLICE_FMT(consume_queue_topic(queue)), queue->queue_id,
                 (long long)entry->phy_offset, (long long)max);
        err = begin_anew(queue);
    }
    return fits < 0 ? fits : err != 0 ? err : 1;
}

/* False for a record that names a light queue twice, which only the reference lets pass: it has one
 * place there, for entries lead on through the log. Otherwise a last entry that leads to the
 * record, or behind it, is one in which a bit has turned, and hides nothing. Under both locks. */
static bool leads_on(struct consume_queue *queue, const struct store_queue_entry *entry,
                     struct log_reader *reader)
{
    struct store_queue_entry last;
    int64_t max = atomic_load(&queue->max);
    return !consume_queue_is_light(queue) || max == atomic_load(&queue->min) ||
           consume_queue_read_one(queue, max - 1, &last) != 0 ||
           last.phy_offset != entry->phy_offset ||
           queue_entry_leads_home(queue, &last, reader) != 1;
}

/* A batch queue whose first files were lost begins behind the record. 1: so it does. Under both
 * locks. */
static int begins_behind(struct consume_queue *queue, const struct store_queue_entry *entry,
                         int64_t place, struct log_reader *reader)
{
    struct store_queue_entry there;
    int64_t min = atomic_load(&queue->min);
    if (!consume_queue_is_batch(queue) || place != min || min == atomic_load(&queue->max))
        return 0;
    int err = consume_queue_read_one(queue, place, &there);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 1 : err;
    if (there.phy_offset <= entry->phy_offset ||
        there.queue_offset < entry->queue_offset + entry->count)
        return 0;
    return queue_entry_leads_home(queue, &there, reader);
}

/* The entry that leads to the record where its own numbers have not led: beside where they should.
 * Under both locks. */
static int64_t find_astray(struct consume_queue *queue, int64_t place,
                           const struct store_queue_entry *entry)
{
    for (int64_t at = place - 2; consume_queue_is_batch(queue) && at <= place + 2; at++) {
        struct store_queue_entry there;
        if (at >= atomic_load(&queue->min) && at < atomic_load(&queue->max) &&
            consume_queue_read_one(queue, at, &there) == 0 && there.phy_offset == entry->phy_offset)
            return at;
    }
    return place;
}

/* All in front of the place is empty: the queue of a deleted topic, found again in the log's
 * middle, whose fillers a loss of power took. Under both locks. */
static bool follows_on_nothing(struct consume_queue *queue, int64_t place)
{
    struct store_queue_entry there;
    int64_t min = atomic_load(&queue->min);
    if (consume_queue_is_batch(queue) || place == min)
        return false;
    for (int64_t at = place - 1; at >= min; at--)
        if (consume_queue_read_one(queue, at, &there) != 0 ||
            (queue_entry_bits(&there) != 0 && !queue_entry_is_filler(&there)))
            return false;
    return true;
}

/* The record lies behind that of a batch queue's last entry, in the log and by its number: it comes
 * next, whatever the numbers in between say. Under both locks. */
static bool comes_last(struct consume_queue *queue, const struct store_queue_entry *entry)
{
    struct store_queue_entry last;
    int64_t max = atomic_load(&queue->max);
    return consume_queue_is_batch(queue) && max > atomic_load(&queue->min) &&
           consume_queue_read_one(queue, max - 1, &last) == 0 && queue_entry_is_written(&last) &&
           last.phy_offset < entry->phy_offset &&
           last.queue_offset + last.count <= entry->queue_offset;
}

/* Makes the queue end where the entry belongs. 1: it does; 0: the entry is there already, or cannot
 * be. Under both locks. */
static int make_place(struct consume_queue *queue, const struct store_queue_entry *entry,
                      struct log_reader *reader)
{
    int64_t place;
    int stays = 0;
    int err = find_place(queue, entry->queue_offset, &place);
    if (err != 0)
        return err;
    place = comes_last(queue, entry) ? atomic_load(&queue->max) : find_astray(queue, place, entry);
    int goes_on = choose_life(queue, entry, place, reader);
    if (goes_on != 1)
        return goes_on;
    int begins = begins_behind(queue, entry, place, reader);
    if (begins == 1)
        begins = begin_anew(queue);
    if (begins < 0)
        return begins;
    int64_t max = atomic_load(&queue->max);
    if (max == 0)
        place = consume_queue_is_batch(queue) ? 0 : entry->queue_offset;
    if (place < max && place >= atomic_load(&queue->min))
        stays = may_stay(queue, place, entry, reader);
    if (stays != 0)
        return stays < 0 ? stays : 0;
    err = place < max ? cut_at(queue, place) : 0;
    if (err == 0 && place < max && follows_on_nothing(queue, place)) {
        err = begin_anew(queue);
        max = 0;
    }
    if (err != 0 || !leads_on(queue, entry, reader))
        return err;
    return place > max ? fill_gap(queue, place, commit_log_min(reader->log)) : 1;
}

int consume_queue_place(struct consume_queue *queue, const struct store_queue_entry *entry,
                        struct log_reader *reader)
{
    struct store_queue_entry wanted = *entry;
    if (entry->queue_offset < 0) /* damaged, as in fill_gap() */
        return 0;
    if (!consume_queue_is_batch(
            queue)) /* an inner batch that came to a simple queue is one message there */
        wanted.count = 1;
    consume_queue_lock_both(queue);
    int is_made = make_place(queue, &wanted, reader);
    consume_queue_unlock_both(queue);
    return is_made == 1 ? consume_queue_append(queue, entry) : is_made;
}

bool consume_queue_is_taken_before(struct consume_queue *queue,
                                   const struct store_queue_entry *entry, struct log_reader *reader)
{
    int64_t place;
    struct store_queue_entry there;
    consume_queue_lock_both(queue);
    bool is_taken =
        find_place(queue, entry->queue_offset, &place) == 0 && place >= atomic_load(&queue->min) &&
        place < atomic_load(&queue->max) && consume_queue_read_one(queue, place, &there) == 0 &&
        queue_entry_is_written(&there) && !queue_entry_is_filler(&there) &&
        there.phy_offset < entry->phy_offset && queue_entry_leads_home(queue, &there, reader) == 1;
    consume_queue_unlock_both(queue);
    return is_taken;
}

/* The entry at a place; false: none that leads into the log. Under both locks. */
static bool entry_at(struct consume_queue *queue, int64_t place, struct store_queue_entry *entry)
{
    return place >= atomic_load(&queue->min) && place < atomic_load(&queue->max) &&
           consume_queue_read_one(queue, place, entry) == 0 && queue_entry_is_written(entry) &&
           !queue_entry_is_filler(entry);
}

bool consume_queue_leaves_out(struct consume_queue *queue, const struct store_queue_entry *entry,
                              struct log_reader *reader)
{
    enum { SHIFTED_MOST = 4 };
    struct store_queue_entry there;
    struct store_queue_entry before;
    int64_t place = entry->queue_offset;
    if (consume_queue_is_batch(queue) || place <= 0)
        return false;
    consume_queue_lock_both(queue);
    bool is_out = entry_at(queue, place, &there) && entry_at(queue, place - 1, &before) &&
                  there.phy_offset != entry->phy_offset && before.phy_offset < entry->phy_offset &&
                  queue_entry_leads_home(queue, &there, reader) == 1;
    for (int i = 1; is_out && i <= SHIFTED_MOST; i++)
        is_out = !entry_at(queue, place + i, &there) || there.phy_offset != entry->phy_offset;
    consume_queue_unlock_both(queue);
    return is_out;
}

int consume_queue_rewrite(struct consume_queue *queue, int64_t queue_offset, int64_t *rewritten)
{
    struct store_queue_entry entry;
    int64_t place;
    *rewritten = -1;
    consume_queue_lock_both(queue);
    int err = find_place(queue, queue_offset, &place);
    if (err == 0 && !queue->is_deleted && place >= atomic_load(&queue->min) &&
        place < queue_written(queue)) {
        err = queue_file_read(queue, place, 1, true, &entry);
        if (err == 0 && queue_entry_is_written(&entry)) {
            err = queue_file_write_entry(queue, place, &entry);
            *rewritten = place;
        }
        queue->has_new_names = true;
    }
    consume_queue_unlock_both(queue);
    return err == ERR_NOT_FOUND ? 0 : err; /* the file has expired */
}

/* Whether the two entries beside the place leave room for this one: what does not lie between them
 * in the log is of an earlier life of the topic. Under both locks. */
static bool fits_between(struct consume_queue *queue, int64_t place,
                         const struct store_queue_entry *entry)
{
    struct store_queue_entry beside;
    if (place > atomic_load(&queue->min) &&
        queue_file_read(queue, place - 1, 1, true, &beside) == 0 &&
        queue_entry_is_written(&beside) && !queue_entry_is_filler(&beside) &&
        beside.phy_offset >= entry->phy_offset)
        return false;
    return place + 1 >= queue_written(queue) ||
           queue_file_read(queue, place + 1, 1, true, &beside) != 0 ||
           !queue_entry_is_written(&beside) || queue_entry_is_filler(&beside) ||
           beside.phy_offset > entry->phy_offset;
}

/* Under both locks. */
static int mend_entry(struct consume_queue *queue, int64_t place,
                      const struct store_queue_entry *entry, struct log_reader *reader)
{
    struct store_queue_entry there;
    int err = queue_file_read(queue, place, 1, true, &there);
    if (err != 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    if (are_equal(&there, entry) || queue_entry_is_filler(&there) ||
        !fits_between(queue, place, entry) ||
        (there.phy_offset != entry->phy_offset && queue_entry_is_written(&there) &&
         queue_entry_leads_home(queue, &there, reader) != 0))
        return 0;
    log_error("consume_queue_entry_mended topic=%.*s queue=%d queue_offset=%lld phy_offset=%lld",
              SLICE_FMT(consume_queue_topic(queue)), queue->queue_id,
              (long long)entry->queue_offset, (long long)entry->phy_offset);
    err = queue_file_write_entry(queue, place, entry);
    return err != 0 ? err : 1;
}

/* Nearly all are as they should be; looked at without the lock that an append waits for. */
static bool is_as_wanted(struct consume_queue *queue, const struct store_queue_entry *wanted)
{
    struct store_queue_entry there;
    int got;
    return consume_queue_read(queue, wanted->queue_offset, 1, true, &there, &got) == 0 &&
           got == 1 && are_equal(&there, wanted);
}

int consume_queue_mend(struct consume_queue *queue, const struct store_queue_entry *entry,
                       struct log_reader *reader)
{
    struct store_queue_entry wanted = *entry;
    int64_t place;
    if (!consume_queue_is_batch(queue))
        wanted.count = 1;
    if (is_as_wanted(queue, &wanted))
        return 0;
    consume_queue_lock_both(queue);
    int mended = find_place(queue, entry->queue_offset, &place);
    if (mended == 0)
        place = find_astray(queue, place, entry);
    if (mended == 0 && !queue->is_deleted && place >= atomic_load(&queue->min) &&
        place < queue_written(queue))
        mended = mend_entry(queue, place, &wanted, reader);
    consume_queue_unlock_both(queue);
    return mended;
}

/* 1: half of an entry, torn at a sector's end by a loss of power, leads elsewhere than to its
 * record. Where the log has none any more, the entry before it tells. Under both locks. */
static int is_torn(struct consume_queue *queue, int64_t place,
                   const struct store_queue_entry *entry, struct log_reader *reader)
{
    struct store_queue_entry before;
    if (entry->phy_offset < commit_log_min(reader->log))
        return place > atomic_load(&queue->min) &&
               consume_queue_read_one(queue, place - 1, &before) == 0 &&
               !queue_entries_are_in_order(&before, entry);
    int leads_home = queue_entry_leads_home(queue, entry, reader);
    return leads_home < 0 ? leads_home : !leads_home;
}

/* 1: an entry at the end of the queue is none of the log's, which ends at log_end. Under both
 * locks. */
static int is_cut_off(struct consume_queue *queue, int64_t place,
                      const struct store_queue_entry *entry, int64_t log_end,
                      struct log_reader *reader)
{
    if (queue_entry_is_filler(entry))
        return 0;
    if (!queue_entry_is_written(entry)) /* a hole, of what a loss of power took */
        return 1;
    if (entry->phy_offset > log_end - entry->bytes)
        return 1;
    bool is_last = place + 1 == atomic_load(&queue->max);
    return is_last ? 0 : is_torn(queue, place, entry, reader);
}

int consume_queue_cut(struct consume_queue *queue, int64_t log_end, struct log_reader *reader)
{
    assert(commit_log_min(reader->log) <= log_end);
    consume_queue_lock_both(queue);
    int64_t max = atomic_load(&queue->max);
    int64_t min = atomic_load(&queue->min);
    int64_t end = max;
    int err = 0;
    while (err == 0 && end > min) {
        struct store_queue_entry entry;
        err = consume_queue_read_one(queue, end - 1, &entry);
        int goes = err == 0 ? is_cut_off(queue, end - 1, &entry, log_end, reader) : 0;
        if (goes < 0)
            err = goes;
        if (goes <= 0)
            break;
        end--;
    }
    assert(end >= min);
    if (err == 0 && end < max)
        err = cut_at(queue, end);
    consume_queue_unlock_both(queue);
    return err;
}
