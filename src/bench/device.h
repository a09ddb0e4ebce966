/* device.h - bytes that the block device behind a directory has written, as the kernel counts them:
 * what a broker costs the disk, journal and metadata included. Everybody's writes count, so it is
 * meaningful on a machine that does nothing else.
 *
 * Threads    any: no state.
 */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

#include <stdint.h>

/* -1: not known (the directory is not on a block device of this machine). */
int64_t device_written_bytes(const char *dir);

#endif
