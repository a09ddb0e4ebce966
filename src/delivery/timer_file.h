/* timer_file.h - reading and writing at a place of a file, for the wheel, the timer log and the
 * check point: complete or failed, interruptions retried, one log line that names path and errno.
 *
 * Threads    any.
 * Errors     0, or a negative code of base/err.h. Fault points "timer.read", "timer.write",
 *            "timer.sync".
 */
#ifndef DELIVERY_TIMER_FILE_H
#define DELIVERY_TIMER_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { TIMER_PATH_MAX = 4096 };

/* It is not there, or has nothing in it: timer_file_open() will make it. */
bool timer_file_is_new(const char *path);
bool timer_file_has_length(const char *path, int64_t bytes);
/* Opens a file of exactly `bytes`; one that is not there is made, sparse, its directory too,
 * with durable names.
 * ERR_CORRUPT: it has another length, which means another layout. */
MUST_CHECK int timer_file_open(const char *path, int64_t bytes, int *fd);
/* Makes the names of the file and of its directory durable: for one that was there already, since
 * who made it may have died before it came to that. */
MUST_CHECK int timer_file_sync_name(const char *path);
/* One that is not there is gone. Durable with the next timer_file_sync_name() beside it. */
MUST_CHECK int timer_file_remove(const char *path);
/* ERR_CORRUPT when the file ends before. */
MUST_CHECK int timer_file_read(int fd, const char *path, void *into, size_t len, int64_t at);
MUST_CHECK int timer_file_write(int fd, const char *path, const void *data, size_t len, int64_t at);
MUST_CHECK int timer_file_sync(int fd, const char *path);
/* Writes the bytes of [from, upto) once more, so that the next sync really brings them to the disk.
 */
MUST_CHECK int timer_file_rewrite(int fd, const char *path, int64_t from, int64_t upto);
/* Everything from `from` on reads as zeros again; the length stays `bytes`. */
MUST_CHECK int timer_file_wipe(int fd, const char *path, int64_t from, int64_t bytes);

#endif
