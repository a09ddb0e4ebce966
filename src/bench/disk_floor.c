/* disk_floor.c - one allocated file for all samples: growing a file costs a journal commit that a
 * broker with allocated segments does not pay. */
#include "bench/disk_floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { BLOCK_BYTES = 1 << 20, LOG_BYTES = 1 << 30 };

struct disk_floor {
    int fd;
    uint8_t *block;
    uint8_t *other; /* where memcpy copies to */
    off_t append_at;
    int log_fd;
    off_t log_at;
};

int disk_floor_open(const char *dir, struct disk_floor **opened)
{
    struct disk_floor *disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        return ERR_NO_MEMORY;
    int err = ERR_NO_MEMORY;
    disk->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    disk->log_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    disk->block = malloc(BLOCK_BYTES);
    disk->other = malloc(BLOCK_BYTES);
    if (disk->block == NULL || disk->other == NULL)
        goto fail;
    memset(disk->block, 'd', BLOCK_BYTES);
    memset(disk->other, 'o', BLOCK_BYTES);
    int cause =
        disk->fd < 0 || disk->log_fd < 0 ? errno : posix_fallocate(disk->fd, 0, DISK_FILE_BYTES);
    if (cause != 0) {
        err = err_from_errno(cause);
        goto fail;
    }
    *opened = disk;
    return 0;
fail:
    disk_floor_close(disk);
    return err;
}

void disk_floor_close(struct disk_floor *disk)
{
    if (disk->fd >= 0)
        close(disk->fd);
    if (disk->log_fd >= 0)
        close(disk->log_fd);
    free(disk->block);
    free(disk->other);
    free(disk);
}

static int sample_syncs(struct disk_floor *disk, struct histogram *fdatasyncs)
{
    for (int i = 0; i < DISK_SYNCS; i++) {
        if (disk->append_at + DISK_APPEND_BYTES > DISK_FILE_BYTES)
            disk->append_at = 0;
        if (pwrite(disk->fd, disk->block, DISK_APPEND_BYTES, disk->append_at) != DISK_APPEND_BYTES)
            return ERR_IO;
        disk->append_at += DISK_APPEND_BYTES;
        int64_t start_ns = clock_monotonic_ns();
        if (fdatasync(disk->fd) != 0)
            return err_from_errno(errno);
        histogram_record(fdatasyncs, clock_monotonic_ns() - start_ns);
    }
    return 0;
}

static double per_second(int64_t bytes, int64_t elapsed_ns)
{
    return elapsed_ns <= 0 ? 0 : (double)bytes * 1e9 / (double)elapsed_ns;
}

/* Whole blocks through `move` over the whole file. */
static int move_all(struct disk_floor *disk, ssize_t (*move)(struct disk_floor *disk, off_t at))
{
    for (off_t at = 0; at < DISK_FILE_BYTES; at += BLOCK_BYTES)
        if (move(disk, at) != BLOCK_BYTES)
            return ERR_IO;
    return 0;
}

static ssize_t write_block(struct disk_floor *disk, off_t at)
{
    return pwrite(disk->fd, disk->block, BLOCK_BYTES, at);
}

static ssize_t read_block(struct disk_floor *disk, off_t at)
{
    return pread(disk->fd, disk->other, BLOCK_BYTES, at);
}

/* The next DISK_FILE_BYTES of a log that has its blocks, up to the device. */
static int sample_growing(struct disk_floor *disk, struct disk_sample *sample)
{
    if (disk->log_at + DISK_FILE_BYTES > LOG_BYTES) {
        if (ftruncate(disk->log_fd, 0) != 0)
            return err_from_errno(errno);
        disk->log_at = 0;
    }
    int cause = posix_fallocate(disk->log_fd, disk->log_at, DISK_FILE_BYTES);
    if (cause != 0)
        return err_from_errno(cause);
    int64_t start_ns = clock_monotonic_ns();
    for (off_t end = disk->log_at + DISK_FILE_BYTES; disk->log_at < end;
         disk->log_at += BLOCK_BYTES)
        if (pwrite(disk->log_fd, disk->block, BLOCK_BYTES, disk->log_at) != BLOCK_BYTES)
            return ERR_IO;
    if (fdatasync(disk->log_fd) != 0)
        return err_from_errno(errno);
    sample->growing_bytes_per_s = per_second(DISK_FILE_BYTES, clock_monotonic_ns() - start_ns);
    return 0;
}

int disk_floor_sample(struct disk_floor *disk, struct disk_sample *sample)
{
    int err = sample_syncs(disk, &sample->fdatasync);
    if (err != 0)
        return err;
    int64_t start_ns = clock_monotonic_ns();
    err = move_all(disk, write_block);
    if (err == 0 && fdatasync(disk->fd) != 0)
        err = err_from_errno(errno);
    if (err != 0)
        return err;
    sample->write_bytes_per_s = per_second(DISK_FILE_BYTES, clock_monotonic_ns() - start_ns);
    err = sample_growing(disk, sample);
    if (err != 0)
        return err;
    /* clean pages go; a file system that keeps them shows memory's bandwidth instead of its own */
    (void)posix_fadvise(disk->fd, 0, DISK_FILE_BYTES, POSIX_FADV_DONTNEED);
    start_ns = clock_monotonic_ns();
    err = move_all(disk, read_block);
    sample->read_bytes_per_s = per_second(DISK_FILE_BYTES, clock_monotonic_ns() - start_ns);
    start_ns = clock_monotonic_ns();
    for (int64_t done = 0; done < DISK_FILE_BYTES; done += BLOCK_BYTES) {
        memcpy(disk->other, disk->block, BLOCK_BYTES);
        __asm__ volatile("" ::: "memory"); /* nobody reads it: keep it */
    }
    sample->memcpy_bytes_per_s = per_second(DISK_FILE_BYTES, clock_monotonic_ns() - start_ns);
    return err;
}
