/* commit_log_internal.h - what the four files behind commit_log.h share.
 *
 *   commit_log.c        the log as its users see it: where it ends, append, read, sync
 *   commit_log_files.c  the files it consists of, and who still reads one that was removed
 *   commit_log_room.c   the allocator: room ahead of the end, page tables let go behind it
 *   commit_log_huge.c   the same room in huge pages, while the end moves fast
 *
 * Units      pos: bytes from the start of a file. phy_offset: as in commit_log.h.
 * Ownership  log_file_at() gives a reference, log_file_unref() takes it back; a file without one is
 *            freed by commit_log_free_unused() or at the end.
 * Threads    files, spare, unused and refs under files_lock; the rest as said at each field.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_COMMIT_LOG_INTERNAL_H
#define STORE_COMMIT_LOG_INTERNAL_H

#include "store/commit_log.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    PAGE_BYTES = 4096,
    HUGE_BYTES = 2 << 20,     /* a huge page */
    HUGE_FROM = 16 << 20,     /* a window so large is that of a fast head */
    ALLOCATE_STEP = 64 << 20, /* blocks are reserved so far ahead */
};

struct log_file {
    int64_t start;
    uint8_t *base;
    int fd;
    int refs;                  /* under files_lock; one is the log's own */
    _Atomic int64_t allocated; /* bytes from the start that have blocks */
    int64_t populated;         /* allocator's */
    int64_t released;          /* allocator's: page tables let go below */
    int64_t huge_upto;         /* allocator's: behind the head there may be huge pages up to here */
    int huge_tries;            /* allocator's: to be rid of them */
    bool is_removed;           /* has no name any more */
    struct log_file *next_unused;
    char path[];
};

struct log_room {
    pthread_mutex_t lock; /* guards is_wanted and is_ending */
    pthread_cond_t wake;
    bool is_wanted;
    bool is_ending;
    bool has_allocator;
    pthread_t allocator;
    bool writes_ahead;              /* constant: zeros go to the disk ahead of small syncs */
    int64_t window_most, hot_bytes; /* constant */
    _Atomic int64_t next_wake;      /* the appender wakes the allocator when it gets here */
    int64_t window;                 /* allocator's: how far to populate */
    int64_t last_round_ns;          /* allocator's */
    int64_t last_round_max;         /* allocator's: where the head was then */
    int64_t small_ns;               /* allocator's: processor time a small page costs of late */
    int64_t huge_ns;                /* allocator's: the same of huge_count huge ones, together */
    int huge_count;                 /* allocator's */
    int64_t huge_again;             /* allocator's: no huge pages before the log ends there */
    _Atomic int64_t sync_bytes;     /* of a sync, on average of late; the flusher's */
};

struct commit_log {
    char dir[DISK_PATH_MAX];
    int64_t file_bytes;
    _Atomic int64_t max;
    _Atomic int64_t min;

    pthread_mutex_t files_lock; /* guards files, count, refs, spare; after the append lock */
    struct log_file **files;
    int file_count;
    int file_cap;
    struct log_file *spare;  /* made ahead, not yet part of the log */
    struct log_file *unused; /* removed, and the last reader is gone */

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
/* Takes the name away; what is in the file goes when its last reader has. */
int log_file_remove_name(struct log_file *file);

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
void log_room_init(struct log_room *room, bool writes_ahead, int64_t memory_bytes);
void log_room_fini(struct log_room *room);
/* Makes the first room and starts the allocator: the log ends at its max now. */
MUST_CHECK int log_room_start(struct commit_log *log);
/* Also when it was never started. */
void log_room_stop(struct commit_log *log);
/* The end has got to next_wake. */
void log_room_wake(struct log_room *room);
/* Populates whole pages in small ones, from `from` or what is populated already on. `written`: the
 * zeros go to the disk too. The allocator's. */
void log_file_populate(struct commit_log *log, struct log_file *file, int64_t from, int64_t upto,
                       bool written);
/* Gives the first `upto` bytes of the file blocks. Allocator and appender, also both at once. */
MUST_CHECK int log_file_allocate(struct commit_log *log, struct log_file *file, int64_t upto);
/* Lets the page tables of a part of the file go; the bytes stay in the page cache. */
void log_file_let_go(struct log_file *file, int64_t from_pos, int64_t upto_pos);

/* ---- commit_log_huge.c: the allocator's ------------------------------------------------------ */

/* Is the head fast enough for huge pages, and may they be had? */
bool log_huge_fits(const struct commit_log *log, const struct log_file *file);
/* Populates in huge pages from `from`, the head, or what is populated already to `upto`, and moves
 * file->populated; less, when the head is faster. False: there are none that are worth it. */
bool log_huge_populate(struct commit_log *log, struct log_file *file, int64_t from, int64_t upto);
/* Exchanges those from that of `pos` on, the head, for small ones. False: not all could be, for
 * now. */
bool log_huge_leave(struct log_file *file, int64_t pos, int64_t file_bytes);

#endif
