/* compactor.h - the state of a store's compacted topics, shared by compaction.c (topics, queues,
 * gets) and compactor.c (the thread that copies and compacts).
 *
 * Threads    as the members say; functions: the compactor, or the opening.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_COMPACTOR_H
#define STORE_COMPACTOR_H

#include "base/map.h"
#include "store/store_internal.h"
#include "wire/json.h"

struct compaction {
    struct store *store;
    char dir[DISK_PATH_MAX - 400];
    struct compaction_sizes sizes;
    atomic_int topic_count;
    _Atomic int64_t safe;
    struct buf records;   /* the compactor's: those copied next */
    int64_t worked_bytes; /* the compactor's: since it paused last */
    json_t *positions;    /* the compactor's, once it runs: what the file says */

    struct lock lock; /* guards what follows */
    pthread_cond_t wake;
    bool is_ending;
    struct map topics;                 /* the names alone */
    struct map queues;                 /* "topic_id" -> struct compaction_queue, until the end */
    struct compaction_queue **dropped; /* heap: somebody may still hold one */
    int dropped_count;
    bool has_thread;
    pthread_t thread;
};

/* ---- compaction.c ---------------------------------------------------------------------------- */

/* NULL: it has none yet. Any thread. */
struct compaction_queue *compaction_find(struct compaction *c, struct slice topic,
                                         int32_t queue_id);
/* Also known by its name from then on, and planned. */
MUST_CHECK int compaction_open_queue(struct compaction *c, struct slice topic, int32_t queue_id,
                                     bool verify, struct compaction_queue **queue);
/* When it is compacted next: an interval from now, and not all queues at once. */
void compaction_plan(const struct compaction *c, struct compaction_queue *queue);
/* Not being able to costs one more look through the queues after a restart. */
void compaction_write_positions(struct compaction *c);

#endif
