/* indexer.h - the thread that fills the index files behind the log, and who asks them.
 *
 * Threads    any; the thread that fills is its own. Opened, started, stopped and closed by whoever
 *            opens and closes the store.
 * Errors     0, or a negative code of base/err.h. What fails later is logged and tried again.
 */
#ifndef STORE_INDEXER_H
#define STORE_INDEXER_H

#include "store/index_files.h"

struct indexer;

MUST_CHECK int indexer_open(const struct index_files_options *options, struct indexer **indexer);
/* Starts indexing what the log has behind the newest file's end. */
MUST_CHECK int indexer_start(struct indexer *indexer);
/* Finishes what is in the log and syncs it. */
void indexer_stop(struct indexer *indexer);
/* Stops and closes. */
void indexer_close(struct indexer *indexer);

/* Keys of records that were appended, one behind the other (index_feed.h). Under the append lock.
 * True: indexer_press() is to be called when it is let go. */
bool indexer_feed(struct indexer *indexer, int64_t phy_offset, const struct index_key *keys,
                  int count);
/* There is much to take: the thread gathers no longer. */
void indexer_press(struct indexer *indexer);

/* A message was appended. Costs one exchange while the thread is about to look anyway. */
void indexer_wake(struct indexer *indexer);

/* While paused only queries and the end make it go on. */
void indexer_pause(struct indexer *indexer, bool paused);

/* Every record below is indexed. */
int64_t indexer_done_to(const struct indexer *indexer);
/* Store time, and place in the log, up to which files are on disk. */
int64_t indexer_safe_ms(const struct indexer *indexer);
int64_t indexer_safe_end(const struct indexer *indexer);

/* Places of records with that key hash, newest first; at most `most`. Returns how many. What was
 * put before is waited for (a second at most). */
int indexer_query(struct indexer *indexer, int32_t hash, int64_t begin_ms, int64_t end_ms, int most,
                  int64_t *phy_offsets, int64_t *last_ms, int64_t *last_phy_offset);

/* Removes files whose records are all below log_min, but never the newest. */
void indexer_retain(struct indexer *indexer, int64_t log_min);

#endif
