/* queues_internal.h - what the files behind queues.h share.
 *
 *   queues.c        opened when first asked for
 *   queues_count.c  their files, counted; those of a wrong length set aside
 *   queues_walk.c   all of them, those of a topic, all topics
 *   queues_gone.c   topics that are deleted, light queues that have no entries any more
 */
#ifndef STORE_QUEUES_INTERNAL_H
#define STORE_QUEUES_INTERNAL_H

#include "base/map.h"
#include "store/queues.h"

enum { KIND_SIMPLE, KIND_BATCH, KIND_COUNT };

struct queues {
    struct queue_kind kinds[KIND_COUNT];
    struct commit_log *log;
    struct lock lock;        /* guards the maps and what hangs on them */
    struct map topics;       /* borrows; values: struct queue_topic */
    struct map batch_topics; /* the names alone */
    struct queue_topic *deleted;
    struct lock dirty_lock; /* guards both lists */
    struct buf dirty;       /* struct consume_queue * each */
    struct buf dirty_spare; /* the one that was given back */
    atomic_int deleted_count;
    struct queue_files files;
    int64_t doubtful_from; /* consume_queue_open() */
    int64_t light_count;   /* topics of light queues; -1: nobody has asked yet. Under the lock */
    bool has_set_aside;    /* a file that is to be built again */
    int64_t expected;      /* files when opened, taken on trust; -1: they were counted */
};

bool queues_name_a_directory(struct slice topic);
/* Under the lock. */
const struct queue_kind *queues_kind_of(const struct queues *queues, struct slice topic);
void queue_topic_path(const struct queue_kind *kind, struct slice topic, char path[DISK_PATH_MAX]);
/* The first open queue of the topic with an id from `from` on; NULL: there is none. Under the lock.
 */
struct consume_queue *queue_topic_next(const struct queue_topic *topic, int32_t from);

/* Counts the files of one kind when the store is opened, as queues_open() says. */
MUST_CHECK int queues_count_files(struct queues *queues, const struct queue_kind *kind,
                                  const char *root_dir);

#endif
