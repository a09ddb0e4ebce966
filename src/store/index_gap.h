/* index_gap.h - does an index file go on where the one before it ended?
 *
 * Ours do. The reference removes a file at its start that it had not synced, and goes on filling
 * behind what that one held: nothing finds those records by their keys any more.
 *
 * Threads    one.
 */
#ifndef STORE_INDEX_GAP_H
#define STORE_INDEX_GAP_H

#include "store/commit_log.h"

/* Whether the log has a record with keys between the last record of one file and the first of the
 * next, phy_offsets both; `end` -1: there is no file before. Looks at those between them alone.
 * True as well where no record stands at either place; false where the log cannot be read. */
bool index_gap_between(struct commit_log *log, int64_t end, int64_t begin);

#endif
