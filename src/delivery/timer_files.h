/* timer_files.h - the files of the timer log in a row, each of the same length, named by the
 * position at which it begins.
 *
 *   timerlog/ | 00000000000000000000 | 00000000000104857600 | ...        positions of the log
 *               first                                    last
 *
 * The row has no gaps. What lies behind one, after a loss of power, is removed when the row is
 * opened: the caller makes it again. So at any time a position is in one file or in none.
 *
 * Units      positions: bytes from the start of the log, across all files.
 * Ownership  the row owns its descriptors; a pointer to a file is valid until the row changes.
 * Threads    one at a time.
 * Errors     0, or a negative code of base/err.h, logged where it arose; then the row is as before.
 */
#ifndef DELIVERY_TIMER_FILES_H
#define DELIVERY_TIMER_FILES_H

#include "delivery/timer_file.h"

struct timer_log_file {
    int64_t start;
    int fd;
};

struct timer_files {
    char dir[TIMER_PATH_MAX - 64];
    int64_t file_bytes;
    struct timer_log_file *list; /* ascending, without gaps; heap */
    int count;
    bool is_last_new; /* the last file was made when it was opened, or since */
    bool has_removed; /* files whose names may still be on the disk: timer_files_sync_names() */
};

/* Opens what is there. What lies below certain_pos was on the disk once. A file that is missing or
 * empty before others ends the row when it lies behind: a loss of power took it, and those behind
 * it are removed. So are all when the row begins behind certain_pos. After a failure `files` needs
 * a close, too. ERR_CORRUPT: a file of another length, or one that is missing below certain_pos. */
MUST_CHECK int timer_files_open(struct timer_files *files, const char *dir, int64_t file_bytes,
                                int64_t certain_pos);
void timer_files_close(struct timer_files *files);

/* NULL: there is none. */
const struct timer_log_file *timer_files_last(const struct timer_files *files);
/* The file that holds a position. NULL: none does. */
const struct timer_log_file *timer_files_at(const struct timer_files *files, int64_t pos);
/* Where the first file begins; 0: there is none. */
int64_t timer_files_min(const struct timer_files *files);
void timer_files_path(const struct timer_files *files, const struct timer_log_file *file,
                      char path[TIMER_PATH_MAX]);

/* Makes the file that begins at `start`, behind the last. */
MUST_CHECK int timer_files_add(struct timer_files *files, int64_t start);
MUST_CHECK int timer_files_remove_first(struct timer_files *files);
MUST_CHECK int timer_files_remove_last(struct timer_files *files);
/* Names that were made and removed are as durable as their files. */
MUST_CHECK int timer_files_sync_names(struct timer_files *files);

#endif
