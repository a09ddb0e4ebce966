/* queues_internal.h - what the files behind queues.h share.
 *
 *   queues.c        opened when first asked for
 *   queues_count.c  their files, counted; those of a wrong length set aside
 *   queues_walk.c   all of them, those of a topic, all topics
 *   queues_late.c   entries that a start has found for queues that are not open
 *   queues_gone.c   topics that are deleted, light queues that have no entries any more
 *
 * Threads    any, under `lock`: who is called by a name that says "under the lock" finds it taken,
 *            but while the store is opened, when nobody else has the table. dirty_lock is a leaf.
 * Ownership  the table owns topics and what hangs on them; a deleted topic lives on in `deleted`,
 *            for who found a queue of it before.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_QUEUES_INTERNAL_H
#define STORE_QUEUES_INTERNAL_H

#include "base/map.h"
#include "store/queues.h"

enum { KIND_SIMPLE, KIND_BATCH, KIND_COUNT };

/* Under the lock, but while the store is opened. */
struct late_entries {
    struct buf entries;  /* struct late_entry each */
    struct buf topics;   /* struct queue_topic * each, that have some */
    size_t entries_most; /* while the log is looked through; 0: none are taken */
    size_t queue_count;  /* queues that wait */
    int64_t log_end;     /* where recovery ended the log; -1: not yet */
};

struct queues {
    struct queue_kind kinds[KIND_COUNT];
    struct commit_log *log;
    struct lock lock;        /* guards the maps and what hangs on them */
    struct map topics;       /* borrows; values: struct queue_topic */
    struct map batch_topics; /* the names alone */
    struct queue_topic *deleted;
    struct opening *openings; /* queues that threads open. Under the lock */
    pthread_cond_t opened;    /* one of them was, or could not be */
    struct late_entries late;
    struct lock dirty_lock; /* guards both lists */
    struct buf dirty;       /* struct consume_queue * each */
    struct buf dirty_spare; /* the one that was given back */
    atomic_int deleted_count;
    struct queue_files files;
    int64_t doubtful_from; /* consume_queue_open() */
    int64_t light_count;   /* topics of light queues; -1: nobody has asked yet. Under the lock */
    bool has_unfit[KIND_COUNT]; /* files of a wrong length, to be built again */
    int64_t expected;           /* files when opened, taken on trust; -1: they were counted */
};

bool queues_name_a_directory(struct slice topic);
/* Under the lock. */
const struct queue_kind *queues_kind_of(const struct queues *queues, struct slice topic);
void queue_topic_path(const struct queue_kind *kind, struct slice topic, char path[DISK_PATH_MAX]);
/* NULL: no directory can have the name. Under the lock. */
struct queue_topic *queue_topic_get(struct queues *queues, struct slice name);
/* Zeros when it is not open. NULL: nobody opened a queue near it. Under the lock. */
struct consume_queue *queue_topic_at(const struct queue_topic *topic, int32_t queue_id);
/* The same, with memory for it. */
struct consume_queue *queue_topic_room_for(struct queue_topic *topic, int32_t queue_id);
/* queues_get(), under the lock, which is let go of where the queue is to be opened. */
MUST_CHECK int queue_get_locked(struct queues *queues, struct slice name, int32_t queue_id,
                                struct consume_queue **queue);
/* The first open queue of the topic with an id from `from` on; NULL: there is none. Under the lock.
 */
struct consume_queue *queue_topic_next(const struct queue_topic *topic, int32_t from);

/* ---- queues_late.c (under the lock) ---------------------------------------------------------- */

bool queue_is_late(const struct queues *queues, const struct queue_topic *topic, int32_t queue_id);
/* Puts what waits for the open queue in its place; after an error the rest still waits. */
MUST_CHECK int queue_place_late(struct queues *queues, struct consume_queue *queue);
/* The topic goes. */
void queue_topic_drop_late(struct queues *queues, struct queue_topic *topic);

/* Counts the files of one kind when the store is opened, as queues_open() says. */
MUST_CHECK int queues_count_files(struct queues *queues, const struct queue_kind *kind);

#endif
