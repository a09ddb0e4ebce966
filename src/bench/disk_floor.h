/* disk_floor.h - the other floors of a broker: what the disk and the memory of this machine give.
 *
 * Sampled between the rounds of a run, because they change from minute to minute as the echo does:
 * one fdatasync behind a small append into an allocated file, the bandwidth of large writes that
 * end on the device, of large reads that come from it, and of memcpy. Large writes twice: over what
 * the page cache holds already, and, as a log grows, into blocks it has never seen: there each page
 * must be found first, and in a virtual machine perhaps be given by the machine beneath.
 *
 * Ownership  disk_floor_open() makes an unlinked file of DISK_FILE_BYTES in the directory,
 *            disk_floor_close() lets it go.
 * Threads    one at a time; a sample blocks for as long as the disk needs.
 * Errors     0, or a negative code: the directory or its disk failed.
 */
#ifndef BENCH_DISK_FLOOR_H
#define BENCH_DISK_FLOOR_H

#include "base/err.h"
#include "base/histogram.h"

enum { DISK_FILE_BYTES = 64 << 20, DISK_APPEND_BYTES = 1024, DISK_SYNCS = 100 };

struct disk_floor;

struct disk_sample {
    struct histogram fdatasync; /* of DISK_SYNCS appends of DISK_APPEND_BYTES */
    double write_bytes_per_s;
    double growing_bytes_per_s; /* written where the page cache holds nothing yet */
    double read_bytes_per_s;
    double memcpy_bytes_per_s;
};

MUST_CHECK int disk_floor_open(const char *dir, struct disk_floor **opened);
void disk_floor_close(struct disk_floor *disk);
/* Adds to sample->fdatasync, sets the rest. */
MUST_CHECK int disk_floor_sample(struct disk_floor *disk, struct disk_sample *sample);

#endif
