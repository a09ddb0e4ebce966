/* timer_log.h - the files below `timerlog/`: one unit per timer, chained by tick from the newest
 * back (docs/format/timer.md).
 *
 * Units      positions: bytes from the start of the log, across all files.
 * Threads    one at a time, but for timer_log_sync(), which works on a snapshot.
 * Errors     0 or a negative code; a failed append left nothing that counts.
 */
#ifndef DELIVERY_TIMER_LOG_H
#define DELIVERY_TIMER_LOG_H

#include <stdbool.h>

#include "delivery/timer_file.h"

enum { TIMER_UNIT_BYTES = 52 };
enum timer_magic { TIMER_MAGIC_DEFAULT = 1, TIMER_MAGIC_ROLL = 2, TIMER_MAGIC_DELETE = 4 };

struct timer_unit {
    int64_t prev_pos; /* the tick's previous unit; -1: none */
    int32_t magic;    /* enum timer_magic, or'ed */
    int64_t write_ms; /* start of the tick it was written in */
    int32_t delay_ms; /* from write_ms to the start of its tick */
    int64_t phy_offset;
    int32_t bytes; /* of the record */
    int32_t topic_hash;
};

struct timer_log;

/* Opens what is there, as timer_files_open(): units of files that are missing behind certain_pos,
 * or were removed, are made again from the queue.
 * ERR_CORRUPT: a file of another length, or one that is missing below certain_pos. */
MUST_CHECK int timer_log_open(const char *dir, int64_t file_bytes, int64_t certain_pos,
                              struct timer_log **log);
void timer_log_close(struct timer_log *log);

/* 0: go on. > 0: this unit and all behind it do not count. < 0: an error, passed on. */
typedef int timer_unit_visitor(void *ctx, int64_t pos, const struct timer_unit *unit);

/* Walks the whole units from `from` on, in order; the log ends before the first that is none, or
 * that `visit` does not accept, and what lies behind is wiped. Before any append. */
MUST_CHECK int timer_log_recover(struct timer_log *log, int64_t from, timer_unit_visitor *visit,
                                 void *ctx);
/* The same without changing anything, up to the end; what is no unit is passed over. */
MUST_CHECK int timer_log_walk(struct timer_log *log, int64_t from, timer_unit_visitor *visit,
                              void *ctx);

bool timer_log_is_new(const struct timer_log *log); /* there is no file */
int64_t timer_log_min(const struct timer_log *log);
int64_t timer_log_end(const struct timer_log *log);
/* Right after opening: up to where files were found that have something in them. */
int64_t timer_log_found_end(const struct timer_log *log);
/* The last unit. ERR_NOT_FOUND: there is none. */
MUST_CHECK int timer_log_last(const struct timer_log *log, struct timer_unit *unit);

MUST_CHECK int timer_log_append(struct timer_log *log, const struct timer_unit *unit, int64_t *pos);
/* ERR_NOT_FOUND: the file is gone. ERR_CORRUPT: there is no unit. */
MUST_CHECK int timer_log_read(const struct timer_log *log, int64_t pos, struct timer_unit *unit);

/* Removes files whose last unit leads below phy_min, but not the last file. */
void timer_log_clean(struct timer_log *log, int64_t phy_min);

/* What was appended since the last snapshot, to be synced by any thread, once. */
struct timer_log_unsynced {
    int fds[2]; /* -1: none */
    int err;    /* of what was synced in the recovery */
};
void timer_log_take_unsynced(struct timer_log *log, struct timer_log_unsynced *unsynced);
MUST_CHECK int timer_log_sync(struct timer_log_unsynced *unsynced);

#endif
