/* checkpoint.h - the page that says up to when data is safe (docs/format/checkpoint.md).
 *
 *   0 physic_ms | 8 logics_ms | 16 index_ms | 24 master_flushed | 32 confirm_phy_offset | ...
 *   64, 208 ours: magic | version | crc | boot id | dispatched | durable | copy of the first three
 *                 | flushed | queue_files | index_end | queue_files_seen | doubtful | cut_at
 *                 | sequence
 *
 * The first 40 bytes are the reference's, the blocks at 64 and 208 are ours (decision 0003). They
 * are written in turn, so that a process that dies in the middle leaves the one before.
 *
 * Threads    the flusher, or whoever opens and closes the store.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include "store/disk.h"

enum { CHECKPOINT_BYTES = 4096 };
/* What sync_list.h keeps in the page, behind the blocks. */
enum { CHECKPOINT_LIST_AT = 512, CHECKPOINT_LIST_BYTES = CHECKPOINT_BYTES - CHECKPOINT_LIST_AT };

struct checkpoint {
    int64_t physic_ms; /* store time of the last record known to be on disk */
    int64_t logics_ms; /* of the last record whose queue entry is */
    int64_t index_ms;  /* of the last record in the last full index file on disk */
    int64_t master_flushed;
    int64_t confirm_phy_offset;
    int64_t dispatched;  /* every record below has its queue entry in a file, as the page cache sees
                            it */
    int64_t durable;     /* the same, as the disk has it */
    int64_t flushed;     /* the disk has the log up to here, queue entries or not */
    int64_t queue_files; /* how many there were when `durable` became true; fewer: some are lost */
    int64_t queue_files_seen; /* the same for `dispatched` */
    int64_t index_end; /* end of the last index file that is on the disk, as index_ms but exact */
    bool is_doubtful;  /* a sync failed: the page cache may lack what it had */
    bool is_syncing;   /* of queue files, those the page's list names, was under way */
    bool keeps_boot;   /* to be written for what another boot left, which is not recovered yet */
    int64_t cut_at;    /* plus one: recovery was about to end the log there; 0: not */
    uint64_t sequence; /* of the block written or read last */
    /* How much of the block may be believed after reading. */
    bool is_ours;      /* written by us last: `durable` holds */
    bool is_same_boot; /* and the page cache is still the one: `dispatched` holds */
};

/* For queue_files: some are missing; the next start is to build the queues again. */
#define QUEUE_FILES_LOST INT64_MAX

/* How many files of queues there must be, by what may be believed. */
int64_t checkpoint_queue_files(const struct checkpoint *checkpoint);

/* An absent file reads as zeros. */
MUST_CHECK int checkpoint_read(const char *path, struct checkpoint *checkpoint);
/* On failure the block written before still counts. */
MUST_CHECK int checkpoint_write(const char *path, struct checkpoint *checkpoint, bool sync);
/* Both blocks: what was said before is not true any more. */
MUST_CHECK int checkpoint_replace(const char *path, struct checkpoint *checkpoint, bool sync);

/* The page's list, at most CHECKPOINT_LIST_BYTES of it; it is not brought to the disk. */
MUST_CHECK int checkpoint_write_list(const char *path, struct slice list);
MUST_CHECK int checkpoint_read_list(const char *path, uint8_t list[CHECKPOINT_LIST_BYTES]);

#endif
