/* sync_list.h - the queues whose files are being synced, written down for whoever starts next.
 *
 * A sync that fails may take from the page cache what it should have brought to the disk. A process
 * that is killed before it has learned of that leaves queues that look shorter than they are. So
 * before some queues are synced their names and the places at stake go into the checkpoint's page,
 * and a start that follows on a kill in the midst looks whether the entries are all there; only if
 * one is not does it doubt everything since the last sync (docs/format/checkpoint.md).
 *
 * Threads    the flusher, or whoever opens the store.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_SYNC_LIST_H
#define STORE_SYNC_LIST_H

#include "store/checkpoint.h"
#include "store/queues.h"

struct store;

struct sync_list {
    uint8_t bytes[CHECKPOINT_LIST_BYTES];
    size_t len;
};

void sync_list_clear(struct sync_list *list);
/* Everything of the queue from the place `from` on is at stake. False: there is no room for it. */
bool sync_list_add(struct sync_list *list, struct consume_queue *queue, int64_t from);
/* Into the page; not to the disk: the list counts while the page cache does. */
MUST_CHECK int sync_list_write(struct sync_list *list, const char *checkpoint_path);

/* Everything that the page's list names is there. */
bool sync_list_is_whole(const char *checkpoint_path, struct store *store);

#endif
