/* offline.h - the log of a store nobody has open, file by file, changing nothing: what check.c and
 * repair.c walk over.
 *
 * Threads    one.
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef STORE_OFFLINE_H
#define STORE_OFFLINE_H

#include "store/disk.h"
#include "store/store_offline.h"
#include "wire/record.h"

struct offline {
    const struct store_offline_options *options;
    char root_dir[DISK_PATH_MAX - 320];
    char log_dir[DISK_PATH_MAX - 320];
    int64_t *starts; /* of the log's files, ascending; heap */
    int count;
    int64_t file_bytes;       /* of a log file */
    int64_t queue_file_bytes; /* of a queue file; 0: there is none */
    int lock_fd;
    int fd; /* of the log file used last, -1: none */
    int fd_index;
    struct buf window;
    int64_t window_at; /* phy_offset */
    int64_t told_ns;   /* when progress was told last */
};

/* ERR_LOCKED: a broker has it. ERR_NOT_FOUND: there is no log. ERR_CORRUPT: the lengths of its
 * files do not tell how long they should be. */
MUST_CHECK int offline_open(struct offline *offline, const struct store_offline_options *options);
void offline_close(struct offline *offline);

void offline_say(struct offline *offline, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Tells how far the walk is, not more than once a second. */
void offline_progress(struct offline *offline, int64_t done, int64_t all);

/* Up to `len` bytes from phy_offset on, in one file; zeros where the file is cut short.
 * ERR_NOT_FOUND: no file is there. ERR_IO. */
MUST_CHECK int offline_bytes(struct offline *offline, int64_t phy_offset, size_t len,
                             struct slice *bytes);

/* What stands somewhere in the log. */
enum offline_kind {
    OFFLINE_RECORD,
    OFFLINE_END_MARK, /* the next file follows */
    OFFLINE_DAMAGE,
    OFFLINE_END, /* zeros up to the end of the last file */
};
struct offline_piece {
    enum offline_kind kind;
    int64_t at;
    int64_t end; /* phy_offset behind it */
    struct record record;
    const char *why; /* of damage */
    bool is_tail;    /* damage with nothing but zeros behind it */
};
/* The piece at phy_offset. Damage reaches to the next whole record, or the end of the file; in the
 * last file to the last byte that is not zero. */
MUST_CHECK int offline_next(struct offline *offline, int64_t phy_offset,
                            struct offline_piece *piece);

#endif
