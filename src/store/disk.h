/* disk.h - the file system calls of the store, all of them: retried when interrupted, complete or
 * failed, with a fault point before each, and one log line that names path and errno when one
 * fails. The tests put a simulated disk beneath (tests/crash/sim); so no other file of the room
 * calls the file system, and clock and threads are base/clock and pthread alone.
 *
 * Threads    any.
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef STORE_DISK_H
#define STORE_DISK_H

#include <sys/types.h>

#include "base/bytes.h"

enum { DISK_PATH_MAX = 4096 };
enum { PAGE_BYTES = 4096 }; /* what the kernel maps, caches and writes files by */

/* Opens for reading and writing; with create_bytes > 0 a file that is not there is made with that
 * length (sparse). ERR_NOT_FOUND. */
MUST_CHECK int disk_open(const char *path, int64_t create_bytes, int *fd);
void disk_close(int fd);
bool disk_exists(const char *path);
MUST_CHECK int disk_size(const char *path, int64_t *bytes);
/* Modification time in ms, -1 when it cannot be had. */
int64_t disk_modified_ms(int fd);
/* Makes a file longer, with zeros. */
MUST_CHECK int disk_extend(const char *path, int64_t bytes);
/* Takes the lock of the first byte for this process. ERR_LOCKED: another has it. */
MUST_CHECK int disk_lock(int fd);
/* All of it, or an error. */
MUST_CHECK int disk_write(int fd, const char *path, const void *data, size_t len, int64_t at);
/* All of it; ERR_CORRUPT when the file ends before. may_block false: ERR_WOULD_BLOCK when it is not
 * in the page cache. */
MUST_CHECK int disk_read(int fd, const char *path, void *into, size_t len, int64_t at,
                         bool may_block);
/* Where the next bytes stand that somebody wrote, from `at` on; -1: all that follows reads as
 * zeros. A file system that does not know says `at`. */
int64_t disk_next_data(int fd, int64_t at);
/* After a failure nothing may be believed about what the file holds on disk. */
MUST_CHECK int disk_sync(int fd, const char *path);
/* The same for a part of a file that is mapped, whole pages from `base` on; other dirty pages of
 * the file are left alone. */
MUST_CHECK int disk_sync_range(uint8_t *base, int64_t len, const char *path);
/* Starts writing back, without waiting and without the metadata. A failure is one of the sync that
 * follows, and that need not be told of it again. 0 where it cannot be asked for. */
MUST_CHECK int disk_start_write_back(int fd, const char *path, int64_t from, int64_t len);
/* Reserves blocks; the length of the file stays. ERR_DISK_FULL. */
MUST_CHECK int disk_allocate(int fd, const char *path, int64_t from, int64_t len);
/* Writes zeros over a part that reads as zeros already, so that its pages are in memory, in runs.
 * False: not all of them. */
bool disk_fill(int fd, const char *path, int64_t from, int64_t len);
/* Makes a range read as zeros. */
MUST_CHECK int disk_zero(int fd, const char *path, int64_t from, int64_t len);

/* Makes the directories that are missing. Their names are durable after disk_sync_dirs(). */
MUST_CHECK int disk_make_dirs(const char *path);
/* Makes the names in a directory durable, and in `above` more directories above it. */
MUST_CHECK int disk_sync_dirs(const char *path, int above);
/* The same for the directory that the file `path` stands in. */
MUST_CHECK int disk_sync_name(const char *path);
/* A file that is not there is as good as removed. */
MUST_CHECK int disk_remove(const char *path);
/* Removes a file in slices, so that no single call holds the file system's journal for long. */
void disk_remove_in_slices(const char *path);
/* Gives the blocks of a file without a name back in slices, before it is closed. */
void disk_free_in_slices(int fd);
/* A directory and everything below it, files in slices. */
void disk_remove_tree(const char *path);
/* ERR_NOT_FOUND: there is no `from`. */
MUST_CHECK int disk_rename(const char *from, const char *to);
/* Writes a small file: `path` is what it was, or these bytes, also after a loss of power. By way of
 * `path`.tmp, which an end in the middle leaves behind for the next time. */
MUST_CHECK int disk_replace(const char *path, struct slice bytes);

/* Calls `each` for every name but . and .., in no order; none when there is no such directory. */
void disk_each_name(const char *dir, void (*each)(void *ctx, const char *name, bool is_dir),
                    void *ctx);

/* Names in a directory that are decimal numbers (up to 20 digits), as numbers, ascending; others
 * are left out. *count 0 when the directory is not there. The caller frees. */
MUST_CHECK int disk_list_numbers(const char *dir, int64_t **numbers, int *count);

/* ---- mappings: shared, for reading and writing ------------------------------------------------
 */

MUST_CHECK int disk_map(int fd, const char *path, int64_t bytes, uint8_t **base);
void disk_unmap(uint8_t *base, int64_t bytes);
/* Brings whole pages in, ready to be stored to. False: an older kernel; stores then fault, which is
 * slow and right. */
bool disk_populate(uint8_t *base, int64_t len);
/* Lets whole pages go from this process; their bytes stay in the page cache. */
void disk_let_go(uint8_t *base, int64_t len);
/* No reading ahead. */
void disk_expect_random(uint8_t *base, int64_t len);
/* The same for reads of the file: a read brings in what it asks for and nothing else. */
void disk_expect_jumps(int fd);
/* A part of the file will be read soon: has the disk bring in what is not there, and does not wait
 * for it, though it may for memory and room in the disk's queue: not on a loop. */
void disk_will_read(int fd, int64_t at, int64_t len);
/* Runs what touches a mapping so that a page that cannot be read is ERR_IO and not the death of the
 * process. `run` takes no lock and no memory: it may end in its middle. Returns what it returns. */
MUST_CHECK int disk_guarded(int (*run)(void *ctx), void *ctx, const char *path);
/* Copies out of a mapping, guarded. */
MUST_CHECK int disk_copy_mapped(void *into, const uint8_t *from, size_t len, const char *path);

/* ---- the machine ---------------------------------------------------------------------------- */

/* Share of the partition in use, in percent, rounded up as the reference does; 0 when unknown. */
int disk_used_percent(const char *path);
/* Names this run of the kernel; all zeros when it cannot be read, which equals nothing. */
enum { BOOT_ID_BYTES = 36 };
void disk_boot_id(uint8_t id[BOOT_ID_BYTES]);
/* Whether the file was last written since the kernel started, by the wall clock. False: before, or
 * there is none. */
bool disk_is_of_this_boot(const char *path);

/* "dir/%020lld" */
void disk_numbered_path(char path[DISK_PATH_MAX], const char *dir, int64_t number);

#endif
