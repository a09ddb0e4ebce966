/* floor.h - the floor under every send: a TCP server in this process that sends back what it gets.
 *
 * What an echo of the same bytes through the same load generator costs, no broker on this machine
 * can undercut; it is measured in the same run because it changes from minute to minute. One that
 * keeps what it gets is the floor under a send that is stored: what it read is in the page cache,
 * in pages that were not there before, when it is sent back. One that syncs is the floor under a
 * send with synchronous flush: it is on the disk then, with one sync for all that came together.
 *
 * Ownership  floor_start() makes the server and its thread, floor_stop() ends both.
 * Threads    start and stop: one caller; the server runs on its own thread.
 * Errors     0, or a negative code of base/err.h; nothing runs then.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <netinet/in.h>

#include "base/err.h"

enum floor_kind { FLOOR_ECHO, FLOOR_KEEP, FLOOR_SYNC };

struct floor;

/* Listens on a port of 127.0.0.1 that the kernel picks. dir: where the file is that one writes who
 * keeps or syncs; it has no name, and begins anew when it is long. */
MUST_CHECK int floor_start(enum floor_kind kind, const char *dir, struct floor **started);
void floor_stop(struct floor *f);

struct sockaddr_in floor_address(const struct floor *f);

/* Processor time the server's thread has used so far. */
int64_t floor_cpu_ns(const struct floor *f);

#endif
