/* get_entries.h - entries as readers get them: where a bit has turned, the log says what was there.
 *
 * Entries have no checksum. What they say of number, position and length is compared with the
 * entries beside them and with the records they lead to, which have one: an entry that differs is
 * put right for this reader, and in its file by a reader who can wait. Its tags are believed until
 * the scrubber comes by.
 *
 * Threads    any.
 */
#ifndef STORE_GET_ENTRIES_H
#define STORE_GET_ENTRIES_H

#include "store/consume_queue.h"

enum { ENTRIES_PER_READ = 128 };

/* As consume_queue_read(), ENTRIES_PER_READ at most. In a batch queue, entries whose numbers do not
 * follow on each other have those of their records, or of the room the entries beside them leave.
 * ERR_WOULD_BLOCK, ERR_IO: also when that is not to be told now. */
MUST_CHECK int store_read_entries(struct store *store, struct consume_queue *queue,
                                  int64_t queue_offset, int count, bool may_block,
                                  struct store_queue_entry *entries, int *got);

/* The entry leads to no whole record of its place: finds the one it led to before a bit of its
 * position or length turned. ERR_NOT_FOUND: there is none, the record itself is damaged, or gone.
 * ERR_WOULD_BLOCK, ERR_IO: it cannot be told now. */
MUST_CHECK int store_heal_entry(struct store *store, struct consume_queue *queue, bool may_block,
                                struct store_queue_entry *entry);

#endif
