/* get_record.h - a record out of the log, for whoever has its queue entry.
 *
 * What comes out of the log is checked before anyone gets it: a whole record, at its own place, of
 * the queue that was asked for. An entry that leads anywhere else (a directory the reference left
 * after two crashes can hold such) is passed over, counted and logged.
 *
 * Ownership  what is read is appended to the caller's buffer, and *record points into it.
 * Threads    any.
 */
#ifndef STORE_GET_RECORD_H
#define STORE_GET_RECORD_H

#include "store/consume_queue.h"

struct store;

/* Appends the record that the entry leads to, or led to before a bit of it turned; *entry is put
 * right then. ERR_NOT_FOUND: it has expired. ERR_CORRUPT: there is none that belongs there; it is
 * counted. ERR_WOULD_BLOCK: may_block is false, and the disk would have to be waited for. ERR_IO.
 */
MUST_CHECK int store_read_queued(struct store *store, struct consume_queue *queue,
                                 struct store_queue_entry *entry, bool may_block, struct buf *body,
                                 struct record *record);

/* Does it lead behind the log's start? */
bool store_entry_leads_into_log(const struct store *store, const struct store_queue_entry *entry);
/* Whether what leads nowhere is as it should be: a filler, or its file has gone and the queue's
 * start has not followed yet. Then the entries before it lead nowhere too. */
bool store_entry_may_have_expired(const struct store *store, struct consume_queue *queue,
                                  const struct store_queue_entry *entry);

/* Counts a record that is not what its place says, and logs file and position. */
void store_note_damage(struct store *store, int64_t phy_offset, struct slice topic,
                       int32_t queue_id, int64_t queue_offset);
/* Counts an entry that has turned, and logs where it stands. */
void store_note_damaged_entry(struct store *store, const struct consume_queue *queue,
                              const struct store_queue_entry *entry);

#endif
