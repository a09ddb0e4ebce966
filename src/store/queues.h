/* queues.h - the consume queues of the store by topic and queue id, opened when first asked for.
 *
 * Ownership  queues are the table's. One that was found stays valid until the store is closed, also
 *            when its topic is deleted: what an idle one keeps is its ends (consume_queue.h), which
 *            cost less than finding them.
 * Threads    any, but for opening and closing. queues_take_dirty() and queues_give_dirty_back():
 *            the flusher.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef STORE_QUEUES_H
#define STORE_QUEUES_H

#include "store/consume_queue.h"
#include "store/store_put.h"

enum { QUEUE_ID_MAX = 65535 };

struct queues;

/* Looks at the names and lengths of all files: one of a wrong length is to be built again. Topics
 * that have batch queues on disk are known from then on. With trusted_count >= 0 it takes that
 * number for what is there and looks at no file: queues_are_still_there() is then to be asked
 * behind the start. doubtful_from: as consume_queue_open() has it. ERR_CORRUPT: none has the length
 * configured. */
MUST_CHECK int queues_open(const char *root_dir, int64_t file_bytes, int64_t batch_file_bytes,
                           struct commit_log *log, int64_t doubtful_from, int64_t trusted_count,
                           struct queues **queues);
/* Moves the files that are to be built again to set-aside/ below root_dir, before any queue is got.
 * Then nothing tells any more that they are missing: the checkpoint has to, before. */
void queues_set_unfit_aside(struct queues *queues, const char *root_dir);
/* Counts what was taken on trust. False: files are missing or cut, the log says how many. Takes its
 * time; while no files expire. */
bool queues_are_still_there(struct queues *queues);
void queues_close(struct queues *queues);

/* The topic has batch queues: to be said before it has any queue. */
void queues_set_batch(struct queues *queues, struct slice topic);
bool queues_is_batch(struct queues *queues, struct slice topic);

/* The queue, made when absent. ERR_INVALID: queue_id out of range. ERR_CORRUPT, ERR_IO. */
MUST_CHECK int queues_get(struct queues *queues, struct slice topic, int32_t queue_id,
                          struct consume_queue **queue);
/* The same, by what it found in this place the last time. */
MUST_CHECK int queues_get_at(struct queues *queues, struct store_place *place, struct slice topic,
                             int32_t queue_id, struct consume_queue **queue);
void queues_get_is_near(const struct store_place *place, int32_t queue_id);
/* ERR_NOT_FOUND: neither memory nor disk knows it. ERR_WOULD_BLOCK: may_block is false, and it is
 * not open yet. ERR_IO, ERR_CORRUPT: the disk knows it, and it cannot be opened; the next call
 * tries again. *queue is NULL then. */
MUST_CHECK int queues_find(struct queues *queues, struct slice topic, int32_t queue_id,
                           bool may_block, struct consume_queue **queue);

/* Recovery, where nothing is doubtful: from now on so many bytes of entries may wait for queues
 * that are not open. Each gets what is its own before anybody gets the queue. */
void queues_allow_late(struct queues *queues, int64_t bytes_most);
/* The entry waits. False: the queue is open, there are too many, or none may be: the caller places
 * it. */
bool queues_place_late(struct queues *queues, struct slice topic, int32_t queue_id,
                       const struct store_queue_entry *entry);
/* No more come; the log ends there. */
void queues_end_late(struct queues *queues, int64_t log_end);
/* Opens one of those that wait, from *walk on, which begins as zeros: 1. 0: there is none. Or why
 * it could not be opened: it waits on, and the walk may go on behind it. */
struct late_walk {
    size_t topic;
    uint32_t queue_id;
};
MUST_CHECK int queues_open_late(struct queues *queues, struct late_walk *walk);
/* All of them; the first error. */
MUST_CHECK int queues_open_all_late(struct queues *queues);

/* Files of consume queues, of all topics. False: there are fewer than `expected`, some were lost.
 */
int64_t queues_file_count(const struct queues *queues);
bool queues_are_all_there(const struct queues *queues, int64_t expected);

/* Light queues there are, counted from when this is first asked on. */
int64_t queues_light_count(struct queues *queues);
/* The light queue goes when it has no entries: it is retired under `append_lock` and then deleted
 * as its topic would be. `gone` is called before there can be another of the name, under the lock
 * of the table; not when the queue has entries, or is gone already. */
void queues_retire_light(struct queues *queues, struct slice topic, struct lock *append_lock,
                         const char *graveyard, void (*gone)(void *ctx, struct slice topic),
                         void *ctx);
/* It has queues, on disk or in memory. */
bool queues_has_topic(struct queues *queues, struct slice topic);

/* Lists a queue that has just become dirty. */
void queues_note_dirty(struct queues *queues, struct consume_queue *queue);
/* Those that are, struct consume_queue * each. The list is given back, with what no queue needs any
 * more: by one thread, which may wait. */
struct buf queues_take_dirty(struct queues *queues);
void queues_give_dirty_back(struct queues *queues, struct buf *list);
/* Everything is written, and synced: memory that only busy queues need goes. The same thread. */
void queues_come_to_rest(struct queues *queues);

/* Calls `each` for every open queue; with `load`, first opens those that lie on disk. Returns why
 * one of them could not be opened, or 0; `each` is called for the others. */
int queues_each(struct queues *queues, bool load,
                void (*each)(void *ctx, struct consume_queue *queue), void *ctx);

/* The same for the queues of one topic, those on disk opened first. */
void queues_each_of(struct queues *queues, struct slice topic,
                    void (*each)(void *ctx, struct consume_queue *queue), void *ctx);

/* Calls `each` for every topic that has a directory. */
void queues_each_topic(struct queues *queues, void (*each)(void *ctx, struct slice topic),
                       void *ctx);

/* The topic is forgotten; its directory is moved to `graveyard`, to be emptied by the cleaner. */
void queues_delete_topic(struct queues *queues, struct slice topic, const char *graveyard);

#endif
