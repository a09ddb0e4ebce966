/* commit_log.h - the append-only sequence of files that holds every message.
 *
 *   files/  |...........|...........|######......|      |
 *           first        ...         head file    spare (made ahead)
 *                                          ^ max_phy_offset
 *
 * Units      phy_offset: bytes from the start of the log, across all files.
 * Threads    append: one caller at a time, under the append lock of the store. Reading: any thread.
 *            The allocator, a thread of the log's own, keeps room ahead of the head.
 * Errors     0, or a negative code of base/err.h; then nothing was appended.
 */
#ifndef STORE_COMMIT_LOG_H
#define STORE_COMMIT_LOG_H

#include "store/disk.h"

struct commit_log;

/* Pages that came into memory together: what the kernel writes back when one of them was stored to.
 */
enum { COMMIT_LOG_RUN_BYTES = 64 << 10 };

/* Opens the files of `dir`. With sync_flush somebody waits for each sync: what makes the small ones
 * slow is done ahead, for twice the bytes on the disk. memory_bytes: what the process may use; how
 * much is made ready ahead of the head and stays mapped behind it is a part of that. ERR_CORRUPT:
 * one has another size than file_bytes, or is missing between others. The end of the log is unknown
 * until commit_log_set_end(). */
MUST_CHECK int commit_log_open(const char *dir, int64_t file_bytes, bool sync_flush,
                               int64_t memory_bytes, struct commit_log **log);
void commit_log_close(struct commit_log *log);

/* Where the first file starts, and the end of the last one; equal when there is none. */
int64_t commit_log_min(const struct commit_log *log);
int64_t commit_log_files_end(const struct commit_log *log);
/* Behind the last record. Grows with appends; a release store after the bytes are there. */
int64_t commit_log_max(const struct commit_log *log);
int64_t commit_log_file_bytes(const struct commit_log *log);
/* From here on it is read from the mapping, which is in memory. */
int64_t commit_log_near_start(const struct commit_log *log);

/* Recovery found the end: what lies behind is zeroed, later files are removed, and appending
 * starts. With `durably` the zeros are on the disk before: what was cut never comes back. Starts
 * the allocator. */
MUST_CHECK int commit_log_set_end(struct commit_log *log, int64_t end, bool durably);

/* Room for `bytes` bytes in one file: the end mark is written and the next file begun when they do
 * not fit. *into is where to copy to, *phy_offset its place. Nothing is visible before
 * commit_log_publish(). ERR_TOO_BIG: more than a file takes. ERR_DISK_FULL: no room could be had.
 */
MUST_CHECK int commit_log_reserve(struct commit_log *log, int64_t bytes, uint8_t **into,
                                  int64_t *phy_offset);
/* The reserved bytes are there: the log ends at `end` now. */
void commit_log_publish(struct commit_log *log, int64_t end);

/* Appends `len` bytes from phy_offset to `out`; they must lie in one file and below max.
 * ERR_NOT_FOUND: below min or behind the end. ERR_WOULD_BLOCK. */
MUST_CHECK int commit_log_read(struct commit_log *log, int64_t phy_offset, size_t len,
                               bool may_block, struct buf *out);

/* Reads up to `len` bytes from phy_offset on, from the file and not from its mapping; *got is how
 * many there were below max and in the same file. ERR_NOT_FOUND: none. ERR_IO. May block. */
MUST_CHECK int commit_log_read_window(struct commit_log *log, int64_t phy_offset, void *into,
                                      size_t len, size_t *got);

/* What follows phy_offset, at most `len` bytes and to the end of its file, will be read soon. Does
 * not wait for the disk, but not on a loop: it asks for memory. */
void commit_log_will_read(struct commit_log *log, int64_t phy_offset, int64_t len);

/* The path of the file that holds phy_offset, and where in it; for whoever has to be told. */
void commit_log_place(const struct commit_log *log, int64_t phy_offset, char path[DISK_PATH_MAX],
                      int64_t *file_pos);

/* Makes everything below `end` durable. ERR_IO: nothing may be believed any more. */
MUST_CHECK int commit_log_sync(struct commit_log *log, int64_t from, int64_t end);

/* Writes what is there once more, so that the next sync really brings it to the disk: after a sync
 * that failed the kernel takes for clean what the disk does not have. */
MUST_CHECK int commit_log_rewrite(struct commit_log *log, int64_t from, int64_t end);

/* Takes the first file out of the log and its name away; the last one never goes: ERR_NOT_FOUND.
 * What is in it is freed by commit_log_free_unused(), after its last reader. Threads: one. */
MUST_CHECK int commit_log_remove_first(struct commit_log *log);
/* Gives back, in slices, what was removed and is read no more. May take long. */
void commit_log_free_unused(struct commit_log *log);
/* Modification time of the first file (ms), -1 when it is the only one. */
int64_t commit_log_first_modified_ms(struct commit_log *log);

#endif
