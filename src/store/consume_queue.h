/* consume_queue.h - which message is the n-th of a queue.
 *
 * One entry of 20 bytes per message, at 20 x queue offset (docs/format/consume-queue.md):
 *
 *   0            8        12         20
 *   | phy_offset | length | tag_hash |     delayed messages keep their due time in tag_hash
 *
 * A batch queue (topics with queue.type=BatchCQ) has one entry of 46 bytes per record, which holds
 * `count` messages: where the n-th is, is found by bisection.
 *
 *   0            8        12         20           28             36      38          42         46
 *   | phy_offset | length | tag_hash | store_time | queue_offset | count | compacted | reserved |
 *
 * Both count their entries from the start of their files; that number is called place here. In a
 * simple queue it is the queue offset.
 *
 *        files (pwritten by the flusher)          tail (memory)
 *   |.........................................|================|
 *   min                                       written          max
 *
 * Ownership  the table of queues (queues.h) owns queues and what topics share of them.
 * Threads    append: one caller at a time, under the append lock. Reading: any thread. write, sync:
 *            the flusher.
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef STORE_CONSUME_QUEUE_H
#define STORE_CONSUME_QUEUE_H

#include <assert.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "base/slab.h"
#include "store/log_reader.h"
#include "store/store_get.h"

/* ---- an entry, as it lies in its file -------------------------------------------------------- */

enum { CQ_PHY_OFFSET = 0, CQ_LENGTH = 8, CQ_TAG_HASH = 12, CQ_ENTRY_BYTES = 20 };
static_assert(CQ_LENGTH == CQ_PHY_OFFSET + sizeof(int64_t), "no padding");
static_assert(CQ_TAG_HASH == CQ_LENGTH + sizeof(int32_t), "no padding");
static_assert(CQ_ENTRY_BYTES == CQ_TAG_HASH + sizeof(int64_t), "no padding");
enum {
    BCQ_STORE_TIME = 20,
    BCQ_QUEUE_OFFSET = 28, /* of the first message */
    BCQ_COUNT = 36,
    BCQ_COMPACTED = 38, /* -1: not used */
    BCQ_RESERVED = 42,
    BCQ_ENTRY_BYTES = 46
};
static_assert(BCQ_STORE_TIME == (int)CQ_ENTRY_BYTES, "an entry of a batch begins as any other");
static_assert(BCQ_QUEUE_OFFSET == BCQ_STORE_TIME + sizeof(int64_t), "no padding");
static_assert(BCQ_COUNT == BCQ_QUEUE_OFFSET + sizeof(int64_t), "no padding");
static_assert(BCQ_COMPACTED == BCQ_COUNT + sizeof(int16_t), "no padding");
static_assert(BCQ_RESERVED == BCQ_COMPACTED + sizeof(int32_t), "no padding");
static_assert(BCQ_ENTRY_BYTES == BCQ_RESERVED + sizeof(int32_t), "no padding");
/* An entry of a simple queue: CQ_ENTRY_BYTES at `at`, in the place that is its queue offset. */
struct store_queue_entry plain_entry_get(const uint8_t *at, int64_t place);
/* An entry of a queue of batches, or of compacted messages: BCQ_ENTRY_BYTES at `at`. */
void batch_entry_put(uint8_t *at, const struct store_queue_entry *entry);
struct store_queue_entry batch_entry_get(const uint8_t *at);
/* Stands in the entries before the first message of a queue that does not start at 0. */
enum { CQ_FILLER_LENGTH = 0x7FFFFFFF };
static inline bool queue_entry_is_filler(const struct store_queue_entry *entry)
{
    return entry->phy_offset == 0 && entry->bytes == CQ_FILLER_LENGTH;
}

/* ---- what queues share, and a queue ---------------------------------------------------------- */

/* While more files are in use than this, one is closed when it was read or written; so a store with
 * many thousand busy queues needs no more descriptors than one with few. Those of a sync's list
 * (sync_list.h), 170 at most, stay open from its beginning to its end. */
enum { QUEUE_FILES_OPEN_MAX = 128 };

/* Queues have their locks in common, so that an idle one takes no memory for them. Nobody holds
 * those of two queues. */
enum { QUEUE_LOCKS = 64 };
struct queue_locks {
    struct lock file_lock; /* held over file system calls */
    struct lock lock;      /* after the append lock and file_lock, a leaf */
};

/* What the queues of a store share. */
struct queue_files {
    _Atomic int64_t count; /* files there are */
    atomic_int open_count; /* descriptors in use */
    struct slab *tails;    /* of the queues that are busy */
    struct queue_locks locks[QUEUE_LOCKS];
};

/* What the queues of one kind share. */
struct queue_kind {
    char path[DISK_PATH_MAX - 320]; /* leaves room for a topic and a queue id */
    int64_t file_bytes;
    int32_t entry_bytes;
    bool is_batch;
    struct queue_files *files;
};

/* What the queues of one topic share. Owned by the table of queues (queues_internal.h). */
struct queue_topic {
    const struct queue_kind *kind;
    uint8_t **parts;          /* the queues (queues.c); heap, or what follows */
    uint8_t *first_part;      /* most topics have no other */
    struct late_queue *late;  /* by queue id, what waits to be placed (queues_late.c); heap */
    struct queue_topic *next; /* of the deleted ones */
    uint32_t part_count;
    uint32_t late_count;
    uint8_t first_lock;  /* of queue 0; the others follow */
    bool is_light;       /* its queue 0 is a light one when the kind is simple */
    bool is_new;         /* the flusher's: it gives names of queues durable names */
    atomic_bool is_gone; /* deleted: nothing is appended. Set under the table's lock */
    uint8_t name_len;
    uint8_t name[];
};

/* One queue. What an idle one takes is what all of them take: what it needs while it is busy hangs
 * beside it. */
struct consume_queue {
    struct queue_topic *of; /* NULL: not open */
    _Atomic int64_t min;    /* places; moved under the lock */
    _Atomic int64_t max;
    /* Entries that are not in the files; NULL: none. Under the lock, but to be brought near. */
    struct queue_tail *_Atomic tail;
    struct queue_file *file; /* the one used last; NULL: none is open. Under file_lock */
    uint16_t queue_id;
    /* True while entries wait to be written; set by the appender, which then lists the queue. */
    atomic_bool is_dirty;
    bool is_retired;    /* a light queue that goes: nothing is appended. Under the append lock */
    bool has_new_names; /* files were made; the flusher gives them durable names. Under file_lock */
    bool is_deleted;    /* under file_lock */
    bool is_unsynced;   /* the flusher's: it knows from where on */
};
static_assert(sizeof(struct consume_queue) <= 48, "there are many thousand");

/* A batch queue. Queue offsets; -1: it never had a message. */
struct batch_queue {
    struct consume_queue queue;
    _Atomic int64_t first_offset;
    _Atomic int64_t next_offset;
};

/* An append is about to come: the processor fetches what it will look at. */
static inline void consume_queue_append_is_near(const struct consume_queue *queue)
{
    __builtin_prefetch(atomic_load_explicit(&queue->tail, memory_order_relaxed), 1);
}

/* False: a light queue that goes, or the topic was deleted. It may be there again, with numbers
 * that begin anew, and none of an earlier life comes behind them in the log. Under the append lock.
 */
static inline bool consume_queue_takes_more(const struct consume_queue *queue)
{
    return !queue->is_retired && !atomic_load(&queue->of->is_gone);
}

static inline struct slice consume_queue_topic(const struct consume_queue *queue)
{
    return slice_of(queue->of->name, queue->of->name_len);
}

static inline bool consume_queue_is_batch(const struct consume_queue *queue)
{
    return queue->of->kind->is_batch;
}

/* Other topics' records stand in it, too. */
static inline bool consume_queue_is_light(const struct consume_queue *queue)
{
    return queue->of->is_light && queue->queue_id == 0 && !queue->of->kind->is_batch;
}

static inline struct queue_locks *consume_queue_locks(const struct consume_queue *queue)
{
    return &queue->of->kind->files
                ->locks[(uint32_t)(queue->of->first_lock + queue->queue_id) % QUEUE_LOCKS];
}

/* ---- opened, appended to, read --------------------------------------------------------------- */

/* Opens the queue in zeroed memory, for a batch queue that of a struct batch_queue; its directory
 * need not exist. `of` is borrowed. Its end is found in the files. Entries of records
 * from doubtful_from on may be missing, and others stand behind the end: those at the end that lead
 * nowhere, or to another queue's record, are dropped, and so is what follows on a hole in a batch
 * queue. QUEUE_CERTAIN: such an entry is a damaged one, and keeps its place. After a failure the
 * memory is zeroed again.
 */
#define QUEUE_CERTAIN INT64_MAX
MUST_CHECK int consume_queue_open(struct queue_topic *of, int32_t queue_id, struct commit_log *log,
                                  int64_t doubtful_from, struct consume_queue *queue);
void consume_queue_close(struct consume_queue *queue);
/* The directory of the topic; of its files. */
void queue_topic_dir(const struct queue_topic *topic, char path[DISK_PATH_MAX]);
void consume_queue_dir(const struct consume_queue *queue, char path[DISK_PATH_MAX]);

/* Queue offsets: the first message there is, the next one to come. A batch queue that never had one
 * begins at -1. */
int64_t consume_queue_min(const struct consume_queue *queue);
int64_t consume_queue_max(const struct consume_queue *queue);

/* The place (queue offset) that the record has in this queue by what it says itself; -1: it does
 * not belong there. */
int64_t consume_queue_place_of(const struct consume_queue *queue, const struct record *record);

/* Messages in a record. A number that is none, which only damage makes, counts as one. */
int32_t consume_queue_count_of(const struct record *record);
/* An inner batch says twice where it stands; false: not the same. */
bool consume_queue_agrees_with_itself(const struct record *record);

/* Adds the next entry. Returns true when the queue was clean before: the caller lists it as dirty.
 */
bool consume_queue_append(struct consume_queue *queue, const struct store_queue_entry *entry);

/* Reads up to `count` entries from the one with the message at queue_offset on; *got is how many
 * there were. */
MUST_CHECK int consume_queue_read(struct consume_queue *queue, int64_t queue_offset, int count,
                                  bool may_block, struct store_queue_entry *entries, int *got);

/* The same from `before` places in front of that one on, or from the queue's start; *first is the
 * place. */
MUST_CHECK int consume_queue_read_around(struct consume_queue *queue, int64_t queue_offset,
                                         int before, int count, bool may_block,
                                         struct store_queue_entry *entries, int *got,
                                         int64_t *first);

/* ---- after a crash: the log says what belongs where ------------------------------------------ */

/* Recovery: the record at the entry's queue offset is this one. What is there already and equal is
 * left, and so is what leads to another record that belongs there; anything else from that offset
 * on is dropped before. Entries of a simple queue missing before it are filled. 1 when the queue
 * became dirty (as append), 0, or ERR_IO. */
MUST_CHECK int consume_queue_place(struct consume_queue *queue,
                                   const struct store_queue_entry *entry,
                                   struct log_reader *reader);

/* The entry's place is held by another record of the queue, which stands earlier in the log. */
bool consume_queue_is_taken_before(struct consume_queue *queue,
                                   const struct store_queue_entry *entry,
                                   struct log_reader *reader);

/* The record has no entry, for another of this life of the topic has its place. */
bool consume_queue_leaves_out(struct consume_queue *queue, const struct store_queue_entry *entry,
                              struct log_reader *reader);

/* Writes one entry that is in the files once more, so that the next sync of its place really brings
 * it to the disk. *place -1: there is none. */
MUST_CHECK int consume_queue_rewrite(struct consume_queue *queue, int64_t queue_offset,
                                     int64_t *place);

/* The record at the entry's queue offset is this one, whole: an entry in the files that says
 * otherwise, and leads to no other record of the queue, is put right. 1 when it was, 0, or ERR_IO.
 */
MUST_CHECK int consume_queue_mend(struct consume_queue *queue,
                                  const struct store_queue_entry *entry, struct log_reader *reader);

/* Drops entries from the end that reach beyond log_end, and what is left of one torn in front of
 * them. ERR_IO: it cannot be told, or done. */
MUST_CHECK int consume_queue_cut(struct consume_queue *queue, int64_t log_end,
                                 struct log_reader *reader);

/* Where in the log the record of the last entry ends; 0 when the queue has none. */
int64_t consume_queue_reach(struct consume_queue *queue);

/* ---- brought to the disk, and expired -------------------------------------------------------- */

/* Writes what is in the tail to the files; *from is the place of the first. `scratch` is the
 * flusher's. */
MUST_CHECK int consume_queue_write(struct consume_queue *queue, struct buf *scratch, int64_t *from);
/* Starts to bring what was written from that place on to the disk, without waiting. The file stays
 * open: the sync follows soon. */
MUST_CHECK int consume_queue_start_sync(struct consume_queue *queue, int64_t from);
/* Brings it there. *is_new: so are the names of its files, but not that of its directory yet. */
MUST_CHECK int consume_queue_sync(struct consume_queue *queue, int64_t from, bool *is_new);

/* The log has a new start: moves min, removes files that lie below it whole. */
void consume_queue_retain(struct consume_queue *queue, struct commit_log *log);

#endif
