/* compaction_queue.h - one queue of a compacted topic: the newest message of each key, in files of
 * its own (docs/format/compaction.md).
 *
 *   compactionLog/<topic>/<queue>/<base>   records, as in the commit log but for their phy_offset,
 *                                          which is the place here
 *   compactionCq/<topic>/<queue>/<base>    an entry of 46 bytes for each, as in a batch queue
 *
 * Files come in pairs of one name. Messages are copied to the last pair; now and then the pairs
 * before it are written anew without what later messages replace (compact). The new pairs stand in
 * directories "compacting" until all of them are on the disk and a file "swap" says so; then they
 * take the places of the old ones. Whoever dies before "swap" leaves the old pairs, and after it
 * the new ones: opening finishes what was begun.
 *
 * Units      position: bytes from the start of the compaction log, gaps included. queue_offset: as
 *            in the topic's queue; those of messages that went are missing.
 * Threads    append, sync, compact: the compactor. drop: one thread. get: any thread; it may wait
 *            for the disk to give what it reads, never for it to have what was added. first_offset
 *            and next_offset: any thread, at any time.
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef STORE_COMPACTION_QUEUE_H
#define STORE_COMPACTION_QUEUE_H

#include <stdatomic.h>

#include "base/lock.h"
#include "store/disk.h"
#include "store/store.h"

struct compaction_file {
    int64_t base; /* position of its first byte, and its name */
    int64_t count;
    int64_t used;         /* bytes of records */
    int64_t first_offset; /* queue offsets of its first and last message; -1: none */
    int64_t last_offset;
    int64_t next_offset; /* behind the last one */
};

struct compaction_sizes {
    int64_t log_file_bytes;
    int64_t queue_file_bytes;
};
/* The lengths the reference makes of compactionMappedFileSize and compactionCqMappedFileSize. */
struct compaction_sizes compaction_sizes_of(int64_t log_file_bytes, int64_t queue_file_bytes);

struct compaction_queue {
    char log_dir[DISK_PATH_MAX - 64];
    char queue_dir[DISK_PATH_MAX - 64];
    struct slice topic; /* heap */
    int32_t queue_id;
    struct compaction_sizes sizes;
    _Atomic int64_t first_offset; /* of the first message there is; -1: none */
    _Atomic int64_t next_offset;  /* everything below was copied */
    int64_t done_offset;          /* the compactor's: replaced messages up to here are gone; -1 */
    int64_t next_compaction_ns;   /* the compactor's */
    bool has_failed;              /* the compactor's: said once */
    _Atomic int64_t damaged;      /* passed over by reads, since somebody took the count */

    struct lock lock; /* guards what follows; held over file system calls, but for syncs */
    struct compaction_file *files;
    int file_count;
    int file_cap;
    int log_fd; /* of the last pair, -1: not open */
    int queue_fd;
    bool is_dirty;
    bool has_new_names;
    bool is_dropped;
    bool is_between; /* a swap stopped in its middle: nothing is found until the next start */
};

/* Opens what is there, also when nothing is, and finishes a compaction that was swapping. With
 * `verify` each record of the last pair is looked at: the first that is not whole ends the queue.
 */
MUST_CHECK int compaction_queue_open(const char *log_dir, const char *queue_dir, struct slice topic,
                                     int32_t queue_id, struct compaction_sizes sizes, bool verify,
                                     struct compaction_queue **queue);
void compaction_queue_free(struct compaction_queue *queue);

/* Adds a record, whose queue_offset is not below next_offset. ERR_TOO_BIG: longer than a file. */
MUST_CHECK int compaction_queue_append(struct compaction_queue *queue, struct slice bytes,
                                       const struct store_queue_entry *entry);
/* Everything below was looked at, also what was not worth copying. */
void compaction_queue_pass(struct compaction_queue *queue, int64_t next_offset);
/* Drops the messages from queue_offset on: the queue they are of does not have them. */
MUST_CHECK int compaction_queue_cut(struct compaction_queue *queue, int64_t queue_offset);
/* What was added is on the disk. */
MUST_CHECK int compaction_queue_sync(struct compaction_queue *queue);

/* Fills in status, next_offset and count as store_get() does, for an offset below next_offset. */
MUST_CHECK int compaction_queue_get(struct compaction_queue *queue,
                                    const struct store_get_request *request, struct buf *body,
                                    struct store_get_result *result);

/* Called between pieces of work; true: give up. */
typedef bool compaction_pause(void *ctx, int64_t bytes);
/* Writes the pairs but the last anew, without messages that a later one of the same key replaces
 * and without empty ones, when there is anything new in them. What `keys_bytes` of memory do not
 * hold is left for the next time. 1 when pairs were replaced, 0, or an error. */
MUST_CHECK int compaction_queue_compact(struct compaction_queue *queue, int64_t keys_bytes,
                                        compaction_pause *pause, void *ctx);

/* Its files go to `graveyard`, under a name that nothing else there has; nothing is added or found
 * any more. */
void compaction_queue_drop(struct compaction_queue *queue, const char *graveyard, const char *name);

#endif
