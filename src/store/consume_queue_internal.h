/* consume_queue_internal.h - what the files behind consume_queue.h share.
 *
 *   consume_queue.c        append and read: entries in memory before those in the files
 *   consume_queue_tail.c   entries that are not in the files yet
 *   consume_queue_file.c   the files, and what retention does with them
 *   consume_queue_flush.c  what the flusher does with them
 *   consume_queue_open.c   where the queue begins and ends
 *   consume_queue_mend.c   what the log says about an entry, after a crash
 *   sync_list.c            looks after a kill whether what was to be synced is there
 *
 * Threads    any, under the queue's locks. "Under file_lock", "under both locks": the caller holds
 *            them; alone with the queue, as while it is opened, it need not. What says nothing
 *            takes what it needs. consume_queue_flush.c is the flusher's.
 * Units      places: entries from the start of the files, as in consume_queue.h.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_CONSUME_QUEUE_INTERNAL_H
#define STORE_CONSUME_QUEUE_INTERNAL_H

#include "store/consume_queue.h"

/* Entries from the first that is not in the files on. */
struct queue_tail {
    uint32_t first; /* that is not dropped */
    uint32_t count;
    uint32_t cap;
    uint8_t entries[];
};

struct queue_file {
    int fd;
    int64_t start; /* position in the queue */
};

/* ---- the tail (under the lock, where nothing else is said) ----------------------------------- */

/* Entries below this place are in the files. */
static inline int64_t queue_written(const struct consume_queue *queue)
{
    int64_t max = atomic_load_explicit(&queue->max, memory_order_relaxed);
    return queue->tail == NULL ? max : max - queue->tail->count;
}

/* The entry at a place, written <= place < max. */
uint8_t *queue_tail_at(const struct consume_queue *queue, int64_t place);
/* Adds an entry and moves max. */
void queue_tail_add(struct consume_queue *queue, const struct store_queue_entry *entry);
/* The first `count` entries are in the files now. Returns a tail that the caller frees without the
 * lock, or NULL. *is_wide: so few were there that half of the room would do. */
struct queue_tail *queue_tail_drop(struct consume_queue *queue, uint32_t count, bool *is_wide);
/* An empty one with half of the room. Without the lock, as what it allocates takes time. */
struct queue_tail *queue_tail_half(const struct consume_queue *queue, uint32_t cap);
/* The entries go to `other`, unless there are many by now. Returns what is to be freed. */
struct queue_tail *queue_tail_exchange(struct consume_queue *queue, struct queue_tail *other);
/* It is the queue's no more, or the queue ends. Without the lock. NULL is fine. */
void queue_tail_free(const struct consume_queue *queue, struct queue_tail *tail);
/* The queue ends at `place`, which may be below the tail. */
void queue_tail_cut(struct consume_queue *queue, int64_t place);

/* ---- an entry -------------------------------------------------------------------------------- */

static inline bool queue_entry_is_written(const struct store_queue_entry *entry)
{
    return entry->bytes > 0 && entry->phy_offset >= 0 && entry->queue_offset >= 0 &&
           entry->count > 0;
}

static inline int queue_entry_bits(const struct store_queue_entry *entry)
{
    return __builtin_popcountll((uint64_t)entry->phy_offset) +
           __builtin_popcount((uint32_t)entry->bytes) +
           __builtin_popcountll((uint64_t)entry->tags_code);
}

/* Somebody wrote there. A bit more or less does not say otherwise: one of an entry may have
 * flipped, or one where nobody wrote. Of all entries only a store's first message, whose record
 * lies at 0, may have a single bit. */
static inline bool queue_entry_is_taken(const struct store_queue_entry *entry)
{
    return queue_entry_bits(entry) > 1 ||
           (queue_entry_is_written(entry) && entry->queue_offset == 0);
}

/* True when the two may stand side by side: records of a queue lie in the log in its order. */
static inline bool queue_entries_are_in_order(const struct store_queue_entry *before,
                                              const struct store_queue_entry *after)
{
    return queue_entry_is_filler(before) || queue_entry_is_filler(after) ||
           before->phy_offset < after->phy_offset;
}

static inline size_t queue_entry_size(const struct consume_queue *queue)
{
    return (size_t)queue->of->kind->entry_bytes;
}

static inline bool queue_entry_is_below(const struct store_queue_entry *entry, int64_t log_min)
{
    /* Zeros in between are newer entries that a loss of power took. */
    return queue_entry_is_filler(entry) ||
           (queue_entry_is_written(entry) && entry->phy_offset < log_min);
}

/* `at` has room for an entry of this queue. */
void queue_entry_put(const struct consume_queue *queue, uint8_t *at,
                     const struct store_queue_entry *entry);
struct store_queue_entry queue_entry_get(const struct consume_queue *queue, const uint8_t *at,
                                         int64_t place);
/* 1 when the entry leads to the record that belongs there, 0 when not, or an error. What the log
 * cannot show any more (below its start) is taken for good. */
int queue_entry_leads_home(const struct consume_queue *queue, const struct store_queue_entry *entry,
                           struct log_reader *reader);

/* Takes the lock: entries below this place are in the files. */
int64_t queue_written_end(struct consume_queue *queue);

/* ---- files (under file_lock) ----------------------------------------------------------------- */

int64_t queue_file_places(const struct consume_queue *queue);
/* Writes one entry, where the file is. */
MUST_CHECK int queue_file_write_entry(struct consume_queue *queue, int64_t place,
                                      const struct store_queue_entry *entry);
/* The position at which the file that holds place begins. */
int64_t queue_file_of(const struct consume_queue *queue, int64_t place);
/* Makes queue->file the file that holds place. */
MUST_CHECK int queue_file_use(struct consume_queue *queue, int64_t place, bool create);
/* The file was used, and will be again if there are descriptors to spare. */
void queue_file_let_go(struct consume_queue *queue);
void queue_file_close(struct consume_queue *queue);
/* The descriptor is the caller's now, who ends it with queue_fd_close(). */
int queue_file_take(struct consume_queue *queue);
void queue_fd_close(const struct consume_queue *queue, int fd);
/* Where in the file at hand the place stands. */
int64_t queue_file_pos(const struct consume_queue *queue, int64_t place);
/* Entries of one file, place .. +count. */
MUST_CHECK int queue_file_read(struct consume_queue *queue, int64_t place, int count,
                               bool may_block, struct store_queue_entry *entries);
/* Zeroes the rest of the file that holds place, when anything stands there, and brings that to the
 * disk: nobody writes there for a while, and what comes back after a loss of power would be taken
 * for entries. */
MUST_CHECK int queue_file_zero_from(struct consume_queue *queue, int64_t place);
/* The same of that file and all behind it, up to the one that holds upto - 1. */
MUST_CHECK int queue_files_zero(struct consume_queue *queue, int64_t place, int64_t upto);
/* The first entry in [from, upto) of one file that leads to log_min or behind it, by bisection.
 * Fillers lead nowhere, and may stand for a hole in the midst: what follows on them counts. One
 * entry that has turned, and seems to lead below the log, hides none before it. */
MUST_CHECK int queue_file_find_min(struct consume_queue *queue, int64_t from, int64_t upto,
                                   int64_t log_min, int64_t *found);

/* ---- batch queues: entries by the messages they hold ----------------------------------------- */

/* Reads the entry at a place. */
typedef int queue_entry_reader(struct consume_queue *queue, int64_t place, bool may_block,
                               struct store_queue_entry *entry);
/* The place in [from, upto) of the entry that holds queue_offset, or of the first behind it; upto
 * when there is none. One entry whose numbers have turned leads nobody astray by more than two
 * places. */
MUST_CHECK int queue_find_batch(struct consume_queue *queue, queue_entry_reader *read,
                                bool may_block, int64_t queue_offset, int64_t from, int64_t upto,
                                int64_t *place);

/* ---- the queue (under both locks) ------------------------------------------------------------ */

static inline struct batch_queue *queue_as_batch(struct consume_queue *queue)
{
    assert(consume_queue_is_batch(queue));
    return (struct batch_queue *)(void *)queue;
}

void consume_queue_lock_both(struct consume_queue *queue);
void consume_queue_unlock_both(struct consume_queue *queue);
/* From the files or the tail; place < max. */
MUST_CHECK int consume_queue_read_one(struct consume_queue *queue, int64_t place,
                                      struct store_queue_entry *entry);
/* The entry where a batch queue begins or ends says so: one whose numbers differ from those of its
 * record is put right before anybody goes by it. */
MUST_CHECK int queue_mend_batch_bound(struct consume_queue *queue, int64_t place,
                                      struct log_reader *reader);
/* After min or max moved other than by an append. */
MUST_CHECK int consume_queue_note_batch_bounds(struct consume_queue *queue);

#endif
