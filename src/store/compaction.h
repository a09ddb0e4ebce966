/* compaction.h - the compacted topics of a store (cleanup.policy=COMPACTION): of each key the
 * newest message stays, also when the commit log has let it go.
 *
 *     put ──> commit log, consume queue ──> compactor: copies to the topic's compaction queues
 *     get ──> below what was copied: from there, on a worker;   from there on: as any topic
 *
 * The compactor is a thread of its own that looks each second at what the queues have behind what
 * it copied; nothing on the path of a put knows of it. The commit log keeps what was not copied and
 * synced yet. Each compactionScheduleInternal a queue is written anew without what was replaced
 * (compaction_queue.h).
 *
 * Threads    open, start, stop, close: the store's. The rest: any.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_COMPACTION_H
#define STORE_COMPACTION_H

#include "store/compaction_queue.h"

struct compaction;

/* Opens what is on the disk. `verify`: the process did not end in order. */
MUST_CHECK int compaction_open(struct store *store, bool verify, struct compaction **compaction);
MUST_CHECK int compaction_start(struct compaction *compaction);
/* Copies the rest and ends the thread. */
void compaction_stop(struct compaction *compaction);
void compaction_close(struct compaction *compaction);

/* The topic is compacted: to be said before its first message. */
void compaction_add_topic(struct compaction *compaction, struct slice topic);
/* Cheap as long as there is no such topic at all. */
bool compaction_has_topic(struct compaction *compaction, struct slice topic);
/* Its queues and their files go. */
void compaction_drop_topic(struct compaction *compaction, struct slice topic,
                           const char *graveyard);

/* As store_get(), of such a topic. */
MUST_CHECK int compaction_get(struct compaction *compaction,
                              const struct store_get_request *request, struct buf *body,
                              struct store_get_result *result);
/* Where the queue begins, `min` being where it does in the commit log. */
int64_t compaction_min(struct compaction *compaction, struct slice topic, int32_t queue_id,
                       int64_t min);
/* Records below this phy_offset are copied and on the disk. */
int64_t compaction_safe(const struct compaction *compaction);

#endif
