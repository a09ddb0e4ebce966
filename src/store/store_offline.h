/* store_offline.h - a store that nobody has open: checked, shown, repaired.
 *
 * Works on directories of the reference too.
 *
 * Threads    one.
 * Errors     as store.h, besides: ERR_LOCKED: a broker has it; ERR_NOT_FOUND: there is no log;
 *            ERR_CORRUPT: how long its files should be cannot be told.
 */
#ifndef STORE_STORE_OFFLINE_H
#define STORE_STORE_OFFLINE_H

#include "base/err.h"
#include "base/slice.h"

struct store_offline_options {
    const char *root_dir;
    const char *commit_log_dir;                    /* NULL: root_dir/commitlog */
    int64_t commit_log_file_bytes;                 /* 0: the length that most files have */
    void (*say)(void *ctx, const char *line);      /* one finding or record */
    void (*progress)(void *ctx, int64_t, int64_t); /* bytes done, of all; may be NULL */
    /* Is there such a topic? One that is none was deleted: its queues are not missing. NULL: all.
     */
    bool (*knows_topic)(void *ctx, struct slice topic);
    void *ctx;
};

struct store_check_result {
    int files;
    int64_t file_bytes;
    int64_t min_phy_offset;
    int64_t end_phy_offset;
    int64_t flushed_phy_offset; /* the checkpoint's, -1: unknown */
    int64_t records;
    int64_t queue_entries;  /* that lead into the log */
    int64_t problems;       /* of the log; `repair` sets them aside */
    int64_t queue_problems; /* derived: a start that builds the queues again mends them */
    int64_t damaged_bytes;
};
/* Reads everything and changes nothing; each finding is said. */
MUST_CHECK int store_check(const struct store_offline_options *options,
                           struct store_check_result *result);

/* Says what stands in the log from `from` on, at most `count` records. */
MUST_CHECK int store_dump(const struct store_offline_options *options, int64_t from, int64_t count);

struct store_repair_result {
    int64_t mended;
    int64_t bytes_set_aside;
};
/* Moves every damaged stretch of the log to root_dir/set-aside and fills its place, sets the
 * checkpoint aside so that the next start builds the queues again. Deletes nothing. */
MUST_CHECK int store_repair(const struct store_offline_options *options,
                            struct store_repair_result *result);

#endif
