/* index_feed.h - keys on their way from the put to the indexer, in memory.
 *
 *   put ── place, time and hash of each key ──> | ring | ──> indexer
 *
 * Who puts a record has its text at hand. The indexer comes later: it would have to read the record
 * back from the log and look for its keys. It does so with what is not here: what was put before
 * the start, what found no room, records with many keys.
 *
 * Of a record the keys lie together, the last one with record_bytes, all others with 0. One without
 * keys has an element of hash INDEX_NO_KEY.
 *
 * Ownership  the indexer's.
 * Threads    one adds at a time (under the append lock), one takes.
 * Bounds     16,384 keys; what finds no room is left out.
 */
#ifndef STORE_INDEX_FEED_H
#define STORE_INDEX_FEED_H

#include "store/index_file.h"

enum { INDEX_NO_KEY = -1, INDEX_FED_KEYS_MAX = 8 }; /* of one record */

struct index_feed;

struct index_feed *index_feed_new(void);
void index_feed_free(struct index_feed *feed);

/* Adds records that lie one behind the other in the log, the first at phy_offset, each whole or not
 * at all; their keys need no phy_offset yet. True: half of the ring more is full. */
bool index_feed_add(struct index_feed *feed, int64_t phy_offset, const struct index_key *keys,
                    int count);

/* Takes the keys of the records from *phy_offset on, as long as they are here without a gap, at
 * most `most` (INDEX_FED_KEYS_MAX at least). Moves *phy_offset and *records on. Returns how many
 * keys. */
int index_feed_take(struct index_feed *feed, int64_t *phy_offset, int *records,
                    struct index_key *keys, int most);

#endif
