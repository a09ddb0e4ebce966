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
 * Threads    append: one caller at a time, under the append lock. Reading: any thread. write, sync:
 *            the flusher.
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef STORE_CONSUME_QUEUE_H
#define STORE_CONSUME_QUEUE_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "store/log_reader.h"
#include "store/store.h"

enum { CQ_PHY_OFFSET = 0, CQ_LENGTH = 8, CQ_TAG_HASH = 12, CQ_ENTRY_BYTES = 20 };
static_assert(CQ_TAG_HASH + sizeof(int64_t) == CQ_ENTRY_BYTES, "the entry has no padding");
enum {
    BCQ_STORE_TIME = 20,
    BCQ_QUEUE_OFFSET = 28, /* of the first message */
    BCQ_COUNT = 36,
    BCQ_COMPACTED = 38, /* -1: not used */
    BCQ_RESERVED = 42,
    BCQ_ENTRY_BYTES = 46
};
static_assert(BCQ_RESERVED + sizeof(int32_t) == BCQ_ENTRY_BYTES, "the entry has no padding");
/* An entry of a queue of batches, or of compacted messages: BCQ_ENTRY_BYTES at `at`. */
void batch_entry_put(uint8_t *at, const struct store_queue_entry *entry);
struct store_queue_entry batch_entry_get(const uint8_t *at);
/* Stands in the entries before the first message of a queue that does not start at 0. */
enum { CQ_FILLER_LENGTH = 0x7FFFFFFF };

/* What the queues of a store share. */
struct queue_files {
    _Atomic int64_t count; /* files there are */
    atomic_int open_count; /* descriptors in use */
};
/* While more are in use than this, a file is closed when it was read or written; so a store with
 * many thousand busy queues needs no more descriptors than one with few. */
enum { QUEUE_FILES_OPEN_MAX = 256 };

struct consume_queue {
    struct slice topic;    /* owned by the table of queues */
    const char *topic_dir; /* the same; the queue's is below it */
    int32_t queue_id;
    bool is_batch;
    bool is_light; /* of a topic of light queues: other topics' records stand in it, too */
    int32_t entry_bytes;
    int64_t file_bytes;
    struct queue_files *files; /* of all queues together */

    _Atomic int64_t min; /* places */
    _Atomic int64_t max;
    _Atomic int64_t first_offset; /* of a batch queue: queue offsets; -1: it never had a message */
    _Atomic int64_t next_offset;
    struct consume_queue *next_dirty;
    struct list unsynced_link; /* flusher's */
    /* True while entries wait to be written; set by the appender, which then links the queue. */
    atomic_bool is_dirty;
    bool is_retired; /* a light queue that goes: nothing is appended. Under the append lock */

    pthread_mutex_t file_lock; /* guards what follows; held over file system calls */
    int fd;                    /* the file used last, -1: none open */
    int64_t fd_file;
    int64_t synced;     /* place; the flusher's: entries below are on the disk */
    bool has_new_names; /* files were made; the flusher gives them durable names */
    bool is_deleted;

    pthread_mutex_t lock; /* guards what follows; after the append lock and file_lock, a leaf */
    int64_t written;      /* place; entries below are in the files */
    uint8_t *tail;        /* entries from `written` on */
    uint32_t tail_count;
    uint32_t tail_cap;
};

/* Opens the queue below `topic_dir`, which need not exist; both are borrowed. Its end is found in
 * the files. With `may_have_ghosts` it is checked against the log: entries at the end that lead
 * nowhere, or to another queue's record, are dropped. Without, such an entry is a damaged one, and
 * keeps its place.
 */
MUST_CHECK int consume_queue_open(const char *topic_dir, struct slice topic, int32_t queue_id,
                                  bool is_batch, int64_t file_bytes, struct commit_log *log,
                                  struct queue_files *files, bool may_have_ghosts,
                                  struct consume_queue **queue);
void consume_queue_free(struct consume_queue *queue);
/* The directory of its files. */
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

/* Adds the next entry. Returns true when the queue was clean before: the caller links it as dirty.
 */
bool consume_queue_append(struct consume_queue *queue, const struct store_queue_entry *entry);

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

/* Writes one entry that is in the files once more, so that the next sync really brings it to the
 * disk. */
MUST_CHECK int consume_queue_rewrite(struct consume_queue *queue, int64_t queue_offset);

/* The record at the entry's queue offset is this one, whole: an entry in the files that says
 * otherwise, and leads to no other record of the queue, is put right. 1 when it was, 0, or ERR_IO.
 */
MUST_CHECK int consume_queue_mend(struct consume_queue *queue,
                                  const struct store_queue_entry *entry, struct log_reader *reader);

/* Drops entries from the end that reach beyond log_end, and what is left of one torn in front of
 * them. ERR_IO: it cannot be told, or done. */
MUST_CHECK int consume_queue_cut(struct consume_queue *queue, int64_t log_min, int64_t log_end);

/* Where in the log the record of the last entry ends; 0 when the queue has none. */
int64_t consume_queue_reach(struct consume_queue *queue);

/* Reads up to `count` entries from the one with the message at queue_offset on; *got is how many
 * there were. */
MUST_CHECK int consume_queue_read(struct consume_queue *queue, int64_t queue_offset, int count,
                                  bool may_block, struct store_queue_entry *entries, int *got);

/* Writes the tail to the files. `scratch` is the flusher's. */
MUST_CHECK int consume_queue_write(struct consume_queue *queue, struct buf *scratch);
/* Starts to bring what was written to the disk, without waiting. */
void consume_queue_start_sync(struct consume_queue *queue);
MUST_CHECK int consume_queue_sync(struct consume_queue *queue);

/* The log begins at log_min now: moves min, removes files that lie below it whole. */
void consume_queue_retain(struct consume_queue *queue, int64_t log_min);

#endif
