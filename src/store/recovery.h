/* recovery.h - a recovery under way: recover.c, and what it does not believe of the reference.
 *
 * Threads    whoever opens the store, before anybody else has it.
 */
#ifndef STORE_RECOVERY_H
#define STORE_RECOVERY_H

#include "store/log_reader.h"
#include "store/store_internal.h"

struct recovery {
    struct store *store;
    struct log_reader reader;
    int64_t at;         /* phy_offset of the next record to look at */
    int64_t newest_ms;  /* store time of the last good record */
    bool was_clean;     /* no abort mark */
    bool was_left_over; /* what stands at `at` is takeover_is_risen() */
};

/* Puts the record's queue entries in their places. */
MUST_CHECK int recovery_dispatch(struct store *store, struct log_reader *reader,
                                 const struct record *record);

/* ---- set_aside.c ----------------------------------------------------------------------------- */

/* Copies what lies behind recovery->at, up to the end of the log's files, to set-aside/: on the
 * disk when it returns 0. Nothing is cut. ERR_IO, ERR_DISK_FULL. */
MUST_CHECK int recovery_set_end_aside(struct recovery *recovery);

/* ---- takeover.c: the reference wrote last ---------------------------------------------------- */

/* As recovery_dispatch(), and notes a record that has no place: store_put_left_out(). */
MUST_CHECK int takeover_dispatch(struct store *store, struct log_reader *looker,
                                 const struct record *record);
/* Where looking through begins: at a file's start. */
int64_t takeover_first_looked_at(const struct store *store);
/* Gives each record below `upto` the queue entry it should have, as far back as
 * takeover_scan_bytes. ERR_IO, ERR_DISK_FULL. */
MUST_CHECK int takeover_look_through(struct recovery *recovery, int64_t upto);
/* The record behind the end was stored before the one in front of it: an earlier recovery had cut
 * it off, and nothing tells of it but its age. */
bool takeover_is_left_over(const struct recovery *recovery, const struct record *record);
/* The same for a record that stands where the log could go on; so another proof is asked for: its
 * place in its queue is another's. */
bool takeover_is_risen(struct recovery *recovery, struct log_reader *looker,
                       const struct record *record);

#endif
