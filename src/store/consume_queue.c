/* consume_queue.c - entries in files, and the newest ones in memory.
 *
 * An append is a store into memory; the flusher moves entries into the files in runs. What is in
 * memory only is lost with the process and built again from the log (recover.c), so nothing depends
 * on it.
 *
 * Where the queue ends in its files is not written anywhere: the files are zero behind the end, and
 * the first zero entry is found by bisection. A crash of the machine, or the reference (which cuts
 * a queue by moving a position only), may have left entries behind the true end; so the last
 * entries are compared with the records they lead to, and what does not fit is dropped and zeroed.
 */
#include "store/consume_queue_internal.h"

#include <stdlib.h>

#include "base/log.h"

int64_t consume_queue_min(const struct consume_queue *queue)
{
    return atomic_load(consume_queue_is_batch(queue)
                           ? &((const struct batch_queue *)(const void *)queue)->first_offset
                           : &queue->min);
}

int64_t consume_queue_max(const struct consume_queue *queue)
{
    return atomic_load_explicit(
        consume_queue_is_batch(queue)
            ? &((const struct batch_queue *)(const void *)queue)->next_offset
            : &queue->max,
        memory_order_acquire);
}

void consume_queue_lock_both(struct consume_queue *queue)
{
    lock_take(&consume_queue_locks(queue)->file_lock);
    lock_take(&consume_queue_locks(queue)->lock);
}

void consume_queue_unlock_both(struct consume_queue *queue)
{
    lock_release(&consume_queue_locks(queue)->lock);
    queue_file_let_go(queue);
    lock_release(&consume_queue_locks(queue)->file_lock);
}

/* ---- append ---------------------------------------------------------------------------------- */

/* The bounds move under the lock, since retention moves them too. */
bool consume_queue_append(struct consume_queue *queue, const struct store_queue_entry *entry)
{
    struct lock *lock = &consume_queue_locks(queue)->lock;
    lock_take(lock);
    if (consume_queue_is_batch(queue)) {
        struct batch_queue *batch = queue_as_batch(queue);
        if (atomic_load(&queue->max) == atomic_load(&queue->min))
            atomic_store(&batch->first_offset, entry->queue_offset);
        queue_tail_add(queue, entry);
        atomic_store_explicit(&batch->next_offset, entry->queue_offset + entry->count,
                              memory_order_release);
    } else {
        queue_tail_add(queue, entry);
    }
    lock_release(lock);
    /* The flusher clears it before it takes the lock for the entries: still set, it will have this
     * one, too. */
    return !atomic_load_explicit(&queue->is_dirty, memory_order_relaxed) &&
           !atomic_exchange(&queue->is_dirty, true);
}

/* ---- read ------------------------------------------------------------------------------------ */

int consume_queue_read_one(struct consume_queue *queue, int64_t place,
                           struct store_queue_entry *entry)
{
    assert(place >= 0);
    if (place < queue_written(queue))
        return queue_file_read(queue, place, 1, true, entry);
    *entry = queue_entry_get(queue, queue_tail_at(queue, place), place);
    assert(queue_entry_is_written(entry));
    return 0;
}

/* Entries of the tail; none when place is below it. Returns where the tail begins. */
static int64_t read_tail(struct consume_queue *queue, int64_t place, int count,
                         struct store_queue_entry *entries, int *got)
{
    *got = 0;
    lock_take(&consume_queue_locks(queue)->lock);
    int64_t written = queue_written(queue);
    int64_t max = atomic_load(&queue->max);
    for (; place >= written && place < max && *got < count; place++) {
        entries[(*got)++] = queue_entry_get(queue, queue_tail_at(queue, place), place);
        assert(queue_entry_is_written(&entries[*got - 1]));
    }
    assert(*got <= count);
    lock_release(&consume_queue_locks(queue)->lock);
    return written;
}

/* Entries of one file, at most up to `written`. */
static int read_written(struct consume_queue *queue, int64_t place, int64_t written, int count,
                        bool may_block, struct store_queue_entry *entries, int *got)
{
    assert(place < written);
    assert(count > 0);
    int64_t upto =
        queue_file_of(queue, place) / queue->of->kind->entry_bytes + queue_file_places(queue);
    upto = upto < written ? upto : written;
    *got = upto - place < count ? (int)(upto - place) : count;
    assert(*got > 0);
    /* Who holds file_lock may be waiting for the disk. */
    struct lock *file_lock = &consume_queue_locks(queue)->file_lock;
    if (may_block)
        lock_take(file_lock);
    else if (!lock_try(file_lock))
        return ERR_WOULD_BLOCK;
    int err = queue_file_read(queue, place, *got, may_block, entries);
    queue_file_let_go(queue);
    lock_release(file_lock);
    return err;
}

static int read_places(struct consume_queue *queue, int64_t place, int count, bool may_block,
                       struct store_queue_entry *entries, int *got)
{
    *got = 0;
    while (*got < count) {
        int n;
        int64_t at = place + *got;
        int64_t written = read_tail(queue, at, count - *got, entries + *got, &n);
        if (at < written) {
            int err = read_written(queue, at, written, count - *got, may_block, entries + *got, &n);
            if (err != 0)
                return *got > 0 ? 0 : err;
        }
        if (n == 0)
            return 0;
        *got += n;
        assert(*got <= count);
    }
    return 0;
}

static int read_for_seek(struct consume_queue *queue, int64_t place, bool may_block,
                         struct store_queue_entry *entry)
{
    int got;
    int err = read_places(queue, place, 1, may_block, entry, &got);
    return err != 0 ? err : got == 0 ? ERR_NOT_FOUND : 0;
}

/* As find_place() of consume_queue_mend.c, but for a reader, who holds no lock and may be unable to
 * wait. */
static int seek(struct consume_queue *queue, int64_t queue_offset, bool may_block, int64_t *place)
{
    *place = queue_offset;
    if (!consume_queue_is_batch(queue))
        return 0;
    for (;;) {
        int64_t min = atomic_load(&queue->min);
        int64_t max = atomic_load_explicit(&queue->max, memory_order_acquire);
        int err = queue_find_batch(queue, read_for_seek, may_block, queue_offset, min, max, place);
        if (err != ERR_NOT_FOUND || atomic_load(&queue->min) == min)
            return err;
        /* files have expired under us */
    }
}

int consume_queue_read(struct consume_queue *queue, int64_t queue_offset, int count, bool may_block,
                       struct store_queue_entry *entries, int *got)
{
    int64_t place;
    *got = 0;
    int err = seek(queue, queue_offset, may_block, &place);
    return err != 0 ? err : read_places(queue, place, count, may_block, entries, got);
}

int consume_queue_read_around(struct consume_queue *queue, int64_t queue_offset, int before,
                              int count, bool may_block, struct store_queue_entry *entries,
                              int *got, int64_t *first)
{
    *got = 0;
    int err = seek(queue, queue_offset, may_block, first);
    if (err != 0)
        return err;
    int64_t min = atomic_load(&queue->min);
    *first = *first - before > min ? *first - before : min;
    return read_places(queue, *first, count, may_block, entries, got);
}

int64_t consume_queue_reach(struct consume_queue *queue)
{
    struct store_queue_entry last;
    int got = 0;
    int64_t max = atomic_load(&queue->max);
    if (max == atomic_load(&queue->min) || read_places(queue, max - 1, 1, true, &last, &got) != 0 ||
        got == 0)
        return 0;
    bool leads_somewhere = queue_entry_is_written(&last) && !queue_entry_is_filler(&last);
    return leads_somewhere && last.phy_offset <= INT64_MAX - last.bytes
               ? last.phy_offset + last.bytes
               : 0;
}
