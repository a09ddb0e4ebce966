/* index_files.h - the index files together: oldest first, the newest is being filled.
 *
 *   [ full, synced ] [ full, synced ] [ newest: being filled ]
 *                                   ^ safe: a loss of power leaves what lies before
 *
 * Files that are damaged, were not synced when the machine lost power, or follow on a gap that the
 * reference left, are removed when they are opened, and all behind them: they are made again from
 * the log, in its order. Where to go on is in the files: at the record that the newest one names
 * last, which is added again without entering a key twice (index_file.c).
 *
 * Units      phy_offset, store time (ms): of records of the log.
 * Ownership  the files are theirs; the log is borrowed.
 * Threads    one adds and syncs (the indexer); asking, resting and expiring: any. A query waits for
 *            an addition, and not for a sync.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_INDEX_FILES_H
#define STORE_INDEX_FILES_H

#include "store/commit_log.h"
#include "store/index_file.h"

struct index_files;

struct index_files_options {
    const char *dir;
    int32_t slot_count;
    int32_t entry_count;
    struct commit_log *log;
    bool drop_unsafe;   /* power was lost: files newer than safe_ms are made again */
    int64_t safe_ms;    /* the checkpoint's index time */
    int64_t safe_end;   /* the checkpoint's index end, -1: not known */
    bool may_have_gaps; /* the reference wrote last: see index_gap.h */
};

/* *begin: the phy_offset from which on records are to be added. */
MUST_CHECK int index_files_open(const struct index_files_options *options,
                                struct index_files **files, int64_t *begin);
void index_files_close(struct index_files *files);

/* Enters keys, in the order of the log. A file that became full is synced. *added: how many are in;
 * after a failure the others are to be entered again. */
MUST_CHECK int index_files_add(struct index_files *files, const struct index_key *keys, int count,
                               int *added);
/* Before anything is added: full files that a process left which died before it had synced them. */
void index_files_sync_left_over(struct index_files *files);
/* The newest, when no more is added. */
void index_files_sync_newest(struct index_files *files);

/* Store time, and place in the log, up to which files are on disk. */
int64_t index_files_safe_ms(const struct index_files *files);
int64_t index_files_safe_end(const struct index_files *files);

/* Places of records with that key hash, newest first; at most `most`. Returns how many. What cannot
 * be read is not found. */
int index_files_query(struct index_files *files, int32_t hash, int64_t begin_ms, int64_t end_ms,
                      int most, int64_t *phy_offsets, int64_t *last_ms, int64_t *last_phy_offset);
/* Removes files whose records are all below log_min, but never the newest. */
void index_files_retain(struct index_files *files, int64_t log_min);
/* Lets their pages go from this process; the page cache keeps them. */
void index_files_rest(struct index_files *files);

#endif
