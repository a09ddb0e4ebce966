/* commands.h - what `ramjet bench` can do beside scenarios (run.h). Each takes the arguments behind
 * "bench" (argv[0] is its own name) and returns the exit code of bench.h.
 *
 * Threads    the main thread.
 * Errors     write_report(): 0, or a negative code of base/err.h.
 */
#ifndef BENCH_COMMANDS_H
#define BENCH_COMMANDS_H

#include "base/bytes.h"

/* Time from exec to the first accepted send, and what the idle process costs. */
int bench_start(int argc, char **argv);
/* A page out of a file of reports. */
int bench_page(int argc, char **argv);

/* Writes a report to a file, replacing it; a failure is said on stderr. */
MUST_CHECK int write_report(const char *path, const struct buf *text);

#endif
