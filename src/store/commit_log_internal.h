/* commit_log_internal.h - what the three files behind commit_log.h share.
 *
 *   commit_log.c        the log as its users see it: where it ends, append, read, sync
 *   commit_log_files.c  the files it consists of, and who still reads one that was removed
 *   commit_log_room.c   the allocator: room ahead of the end, page tables let go behind it
 *
 * Units      pos: bytes from the start of a file. phy_offset: as in commit_log.h.
 * Ownership  log_file_at() gives a reference, log_file_unref() takes it back; a file without one is
 *            freed by commit_log_free_unused() or at the end.
 * Threads    files, spare, unused and refs under files_lock; the rest as said at each field.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_COMMIT_LOG_INTERNAL_H
#define STORE_COMMIT_LOG_INTERNAL_H

#include <stdatomic.h>

#include "base/lock.h"
#include "store/commit_log.h"
#include "store/page_source.h"

enum {
    ALLOCATE_STEP = 64 << 20, /* blocks are reserved so far ahead */
};

struct log_file {
    int64_t start;
    uint8_t *base;
    int fd;
    int refs;                  /* under files_lock; one is the log's own */
    _Atomic int64_t allocated; /* bytes from the start that have blocks */
    /* The appender stores below; what is above is being filled, by itself or by the allocator
     * (commit_log_room.c). Changed under the room's lock. */
    _Atomic int64_t storable;
    bool is_filling;   /* right above `storable`; under the room's lock */
    int64_t populated; /* allocator's */
    int64_t released;  /* allocator's: page tables let go below */
    bool is_removed;   /* has no name any more */
    struct log_file *next_unused;
    char path[];
};

struct log_room {
    struct lock lock; /* guards is_wanted, is_ending, and how far files are storable */
    pthread_cond_t wake;
    pthread_cond_t filled;
    bool is_wanted;
    bool is_ending;
    bool has_allocator;
    pthread_t allocator;
    bool writes_ahead;         /* constant: zeros go to the disk ahead of small syncs */
    _Atomic bool fills;        /* zeros go to the page cache, in runs; false once it failed */
    bool fills_late;           /* allocator's: the appender would have them sooner by itself */
    struct page_source source; /* zeros or faults; under the lock */
    int64_t window_least, window_most, hot_bytes; /* constant */
    int64_t run_bytes;                            /* constant: zeros are written in such runs */
    _Atomic int64_t next_wake;  /* the appender wakes the allocator when it gets here */
    int64_t window;             /* allocator's: how far to populate */
    int64_t last_round_ns;      /* allocator's */
    int64_t last_round_max;     /* allocator's: where the head was then */
    _Atomic int64_t sync_bytes; /* of a sync, on average of late; the flusher's */
};

struct commit_log {
    char dir[DISK_PATH_MAX];
    int64_t file_bytes;
    _Atomic int64_t max;
    _Atomic int64_t min;

    struct lock files_lock; /* guards files, count, refs, spare; after the append lock */
    struct log_file **files;
    int file_count;
    int file_cap;
    struct log_file *spare;  /* made ahead, not yet part of the log */
    struct log_file *unused; /* removed, and the last reader is gone */
    struct lock making;      /* held while a file is given its name and length */

    struct log_file *head; /* appender's */
    int64_t reserved_end;  /* appender's */

    struct log_room room;
};

static inline int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- commit_log_files.c ---------------------------------------------------------------------- */

/* Maps the file that starts at `start`. With `create` it is made, and its length and name are on
 * the disk. It is not part of the log yet. */
MUST_CHECK int log_file_open(struct commit_log *log, int64_t start, bool create,
                             struct log_file **file);
/* Nobody has it, the log neither. Gives its blocks back when it has no name any more. */
void log_file_free(struct commit_log *log, struct log_file *file);
/* The file that holds phy_offset, referenced; NULL when there is none. */
struct log_file *log_file_at(struct commit_log *log, int64_t phy_offset);
void log_file_unref(struct commit_log *log, struct log_file *file);

/* Makes the file the log's last one, and owned by it. Under files_lock, or before others know the
 * log. */
void log_files_append(struct commit_log *log, struct log_file *file);
/* Opens what is in `dir`, before others know the log. ERR_CORRUPT: a file has another size, or one
 * is missing between others. */
MUST_CHECK int log_files_open(struct commit_log *log);
/* Removes the last files as long as they hold nothing below `end`; there are no readers yet. */
MUST_CHECK int log_files_cut(struct commit_log *log, int64_t end);
/* Frees them all, the spare too: there are no readers any more. */
void log_files_close(struct commit_log *log);

/* ---- commit_log_room.c ----------------------------------------------------------------------- */

/* memory_bytes: what the process may use. */
void log_room_init(struct log_room *room, bool writes_ahead, int64_t file_bytes,
                   int64_t memory_bytes);
void log_room_fini(struct log_room *room);
/* Makes the first room and starts the allocator: the log ends at its max now. */
MUST_CHECK int log_room_start(struct commit_log *log);
/* Also when it was never started. */
void log_room_stop(struct commit_log *log);
/* The end has got to next_wake. */
void log_room_wake(struct log_room *room);
/* Gives the first `upto` bytes of the file blocks. Allocator and appender, also both at once. */
MUST_CHECK int log_file_allocate(struct commit_log *log, struct log_file *file, int64_t upto);
/* The appender may store to the first `upto` bytes of the file: it was faster than the allocator.
 */
MUST_CHECK int log_file_open_up(struct commit_log *log, struct log_file *file, int64_t upto);
/* Lets the page tables of a part of the file go; the bytes stay in the page cache. */
void log_file_let_go(struct log_file *file, int64_t from_pos, int64_t upto_pos);

#endif
