/* disk.h - the file system calls of the store, all of them: retried when interrupted, complete or
 * failed, with a fault point before each, and one log line that names path and errno when one
 * fails.
 *
 * Errors: 0 or a negative code of base/err.h. Threads: any.
 */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include <sys/types.h>

#include "base/bytes.h"

/* Opens for reading and writing; with create_bytes > 0 a file that is not there is made with that
 * length (sparse). ERR_NOT_FOUND. */
MUST_CHECK int disk_open(const char *path, int64_t create_bytes, int *fd);
MUST_CHECK int disk_size(const char *path, int64_t *bytes);
/* All of it, or an error. */
MUST_CHECK int disk_write(int fd, const char *path, const void *data, size_t len, int64_t at);
/* All of it; ERR_CORRUPT when the file ends before. may_block false: ERR_WOULD_BLOCK when it is not
 * in the page cache. */
MUST_CHECK int disk_read(int fd, const char *path, void *into, size_t len, int64_t at,
                         bool may_block);
/* After a failure nothing may be believed about what the file holds on disk. */
MUST_CHECK int disk_sync(int fd, const char *path);
/* The same for a part of a file that is mapped, whole pages from `base` on; other dirty pages of
 * the file are left alone. */
MUST_CHECK int disk_sync_range(uint8_t *base, int64_t len, const char *path);
/* Starts writing back, without waiting and without the metadata. */
void disk_start_write_back(int fd, int64_t from, int64_t len);
/* Reserves blocks; the length of the file stays. ERR_DISK_FULL. */
MUST_CHECK int disk_allocate(int fd, const char *path, int64_t from, int64_t len);
/* Makes a range read as zeros. */
MUST_CHECK int disk_zero(int fd, const char *path, int64_t from, int64_t len);
MUST_CHECK int disk_make_dirs(const char *path);
void disk_sync_dir(const char *path);
/* Removes a file in slices, so that no single call holds the file system's journal for long. */
void disk_remove_in_slices(const char *path);

/* Names in a directory that are decimal numbers (up to 20 digits), as numbers, ascending; others
 * are left out. *count 0 when the directory is not there. The caller frees. */
MUST_CHECK int disk_list_numbers(const char *dir, int64_t **numbers, int *count);

/* "dir/%020lld" */
enum { DISK_PATH_MAX = 4096 };
void disk_numbered_path(char path[DISK_PATH_MAX], const char *dir, int64_t number);

#endif
