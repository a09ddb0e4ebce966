/* log.h - one event a line: log_info("segment_rolled file=%s ms=%d", ...).
 *
 * The event's name comes first and is stable: people search for it. Values that can hold blanks are
 * put in quotes by the caller. No bodies, no secrets, nothing on the append path.
 *
 * Threads    any. The caller formats into a slot of a bounded ring and never waits: a writer thread
 *            of its own writes the lines to the file descriptor; when the ring is full the line is
 *            dropped and counted, and the count is written as soon as there is room.
 *            Before log_start() and after log_stop() lines go straight to the descriptor.
 * Bounds     LOG_LINE_BYTES per line (cut, with "..." at its end), LOG_RING_LINES lines.
 * Errors     log_start(): that no thread could be made; lines go straight to the descriptor then.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { LOG_LINE_BYTES = 512, LOG_RING_LINES = 1024 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Starts the writer thread on `fd`, which stays the caller's. */
MUST_CHECK int log_start(int fd, enum log_level least);
/* Writes out what is in the ring and ends the thread. */
void log_stop(void);
/* Sets the least level written from now on. */
void log_set_level(enum log_level least);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

/* Lets one event through per second, and `burst` more at once where there were none for as many
 * seconds; what it held back is counted for the next that passes. */
struct log_limit {
    int64_t next_ns; /* monotonic; 0 at first */
    uint32_t held;
    uint32_t burst;
};

/* True when the event may be logged now; then *held is how many were held back since the last one.
 * Threads: one per struct, or callers that share a lock. */
bool log_limit_pass(struct log_limit *limit, int64_t now_ns, uint32_t *held);

#endif
