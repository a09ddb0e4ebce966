/* pop.h - popped messages that are not acknowledged yet, and when they come back.
 *
 * A pop hands out messages of one queue and leaves a checkpoint: which messages, since when, for
 * how long invisible. An ack takes a message off its checkpoint; what is still on it when the time
 * is over goes to the group's retry topic for the queue's topic. On disk checkpoints and acks are
 * records of the revive log, which is all a restart (or the reference's broker) needs; here is what
 * is known of them while running:
 *
 *     pop ──> checkpoint ──┬─ acked whole ───────────────────────> gone
 *                          └─ due ──> taken: each message not acked is put again ──> gone
 *
 * A checkpoint of an earlier process is not here until the timer brings it from the log, up to two
 * seconds before it is due; until then nothing can be said about a handle of it. So there is a
 * moment (known_from) before which a checkpoint that is not found may still exist, and from which
 * on it is finished or was made up. When the table is full, a checkpoint stays in the log alone and
 * that moment moves on.
 *
 * Units      times: wall clock, ms. Offsets: queue offsets.
 * Ownership  the table owns checkpoints and queues. A pointer to a checkpoint is valid until the
 *            next call that may finish it: pop_mark(), pop_finish().
 * Threads    one (the broker's loop).
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef DELIVERY_POP_H
#define DELIVERY_POP_H

#include "base/list.h"
#include "base/map.h"
#include "delivery/due_heap.h"
#include "delivery/pop_key.h"
#include "wire/body_pop_log.h"
#include "wire/pop_info.h"
#include "wire/record.h"

#define POP_REVIVE_GROUP "CID_RMQ_SYS_REVIVE_GROUP"
enum { POP_REVIVE_QUEUES_MAX = 255 };
/* A checkpoint's record is due in the log so long before its messages are. */
enum { POP_CHECKPOINT_AHEAD_MS = 1000 };
enum { POP_INVISIBLE_MAX_MS = 1000000000 }; /* 11 days; the timer allows less */

/* A queue as one group pops it; there while something is known of it. */
struct pop_queue {
    struct slice topic;
    struct slice group;
    int32_t queue_id;
    int32_t unacked;  /* messages on checkpoints */
    uint32_t holders; /* checkpoints, and pops that read it */
    bool is_read;     /* a pop reads it on a worker: no other may */
};

/* A checkpoint in the table. Changed by pop.c alone. */
struct pop_point {
    struct pop_point *next_in_bucket;
    struct pop_queue *queue;
    struct list log_link; /* with those of its revive queue that the log has brought */
    int64_t start_offset;
    int64_t pop_time_ms;
    int64_t log_offset; /* in its revive queue; -1: not brought yet */
    struct due due;
    uint32_t invisible_ms;
    uint32_t acked_bits;
    uint8_t count;
    uint8_t revive_queue_id;
    uint8_t tries;        /* failed attempts to put its messages again */
    bool is_from_log : 1; /* of an earlier process: acks may still be on their way */
    bool is_taken : 1;
    bool has_distances : 1;
    int32_t distances[];
};

static inline int64_t pop_revive_ms(const struct pop_point *p)
{
    return p->pop_time_ms + p->invisible_ms;
}

static inline int64_t pop_offset_at(const struct pop_point *p, int index)
{
    return p->start_offset + (p->has_distances ? p->distances[index] : index);
}

struct pop_options {
    int64_t known_from_ms; /* no pop of an earlier process is of this time or later */
    uint32_t max_count;    /* checkpoints in memory */
};

struct pop_table;
MUST_CHECK int pop_table_new(const struct pop_options *options, struct pop_table **table);
void pop_table_free(struct pop_table *table);

/* ---- queues ---------------------------------------------------------------------------------- */

/* NULL: nothing is known of it. */
struct pop_queue *pop_queue_find(const struct pop_table *table, struct slice topic,
                                 struct slice group, int32_t queue_id);
/* Marks the queue as being read by one pop; false: another does. Ended by pop_queue_release(). */
bool pop_queue_claim(struct pop_table *table, struct slice topic, struct slice group,
                     int32_t queue_id, struct pop_queue **queue);
void pop_queue_release(struct pop_table *table, struct pop_queue *queue);

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* NULL: not in the table. */
struct pop_point *pop_find(const struct pop_table *table, const struct pop_key *key);

/* Adds one that was just written to the log. Its messages are invisible for its time from its pop
 * time on, or from now on when that is still to come: the clock was set back. ERR_EXISTS: the key
 * is taken. ERR_TOO_BIG: the table is full; the checkpoint stays in the log alone and known_from is
 * behind it now. */
MUST_CHECK int pop_add(struct pop_table *table, const struct pop_checkpoint *checkpoint,
                       int32_t revive_queue_id, int64_t now_ms);

/* Whether what is not in the table certainly is no more. */
bool pop_is_known(const struct pop_table *table, int64_t pop_time_ms);
/* Moves known_from on; back it never goes. */
void pop_know_from(struct pop_table *table, int64_t from_ms);
/* The latest time of a pop in this process; 0: there was none. */
int64_t pop_newest_ms(const struct pop_table *table);

/* The place of a message on the checkpoint; -1: it is not on it. */
int pop_index_of(const struct pop_point *point, int64_t queue_offset);
static inline bool pop_is_acked(const struct pop_point *point, int index)
{
    return (point->acked_bits >> index & 1) != 0;
}

/* The message is acknowledged, or was put again; the checkpoint is gone with its last one. */
void pop_mark(struct pop_table *table, struct pop_point *point, int index);
/* Nothing more is to be done for the checkpoint. */
void pop_finish(struct pop_table *table, struct pop_point *point);

/* A checkpoint that is due and not taken yet, taken now; NULL: none. Those of an earlier process
 * are due only when the log has brought everything up to `log_time_ms`, their acks included. */
struct pop_point *pop_take_due(struct pop_table *table, int64_t now_ms, int64_t log_time_ms);
/* Its messages could not be put again: due again a while later, longer each time. */
void pop_put_back(struct pop_table *table, struct pop_point *point, int64_t now_ms);
/* Not yet: due at this time. */
void pop_put_off(struct pop_table *table, struct pop_point *point, int64_t at_ms);
/* When to look again for what is due; INT64_MAX: nothing waits. */
int64_t pop_next_due(const struct pop_table *table, int64_t now_ms, int64_t log_time_ms);

/* ---- the log, read back ------------------------------------------------------------------- */

/* A checkpoint's record came up in its revive queue. One that is not known to be finished is in the
 * table from then on. ERR_TOO_BIG: the table is full, come again later. */
MUST_CHECK int pop_log_checkpoint(struct pop_table *table, const struct pop_checkpoint *checkpoint,
                                  int32_t revive_queue_id, int64_t log_offset);
/* A message is acknowledged whose checkpoint is not here, and may still come: it is taken off then.
 */
void pop_ack_early(struct pop_table *table, const struct pop_key *key, int64_t revive_ms,
                   int64_t queue_offset);
/* An ack's record came up. One for a checkpoint of an earlier process is remembered for a while:
 * the timer may bring that again. */
void pop_log_ack(struct pop_table *table, const struct pop_log_ack *ack, int64_t now_ms);
/* The revive queue's offset to commit when it was read up to (not including) `next`: the last one
 * whose checkpoint, and those of all before, are finished. */
int64_t pop_log_committed(const struct pop_table *table, int32_t revive_queue_id, int64_t next);

/* ---- records ------------------------------------------------------------------------------- */

/* Where records of the log go. Slices are borrowed. */
struct pop_log_place {
    struct slice topic; /* the revive log */
    int32_t queue_id;
    struct host self;
    int64_t now_ms;
};

/* Consumer offset behind the pop that a checkpoint's record stands for: found again after a crash,
 * when the table of offsets is older than the log. */
#define PROPERTY_POP_NEXT "POP_NEXT"

/* The record of a checkpoint, due POP_CHECKPOINT_AHEAD_MS before its messages. next_offset -1: it
 * moves no consumer offset. Everything is in the arena. */
void pop_checkpoint_record(const struct pop_checkpoint *checkpoint,
                           const struct pop_log_place *place, int64_t next_offset,
                           struct arena *arena, struct record *record);
/* The record of an ack, due at `due_ms`; 0: at once. */
void pop_ack_record(const struct pop_log_ack *ack, const struct pop_log_place *place,
                    int64_t due_ms, struct arena *arena, struct record *record);

/* Turns a message nobody acknowledged into the one for `retry_topic`: reconsumed once more, the
 * time of its first pop kept (unless its properties would be too long then). */
void pop_retry_record(struct record *record, struct slice retry_topic, int64_t pop_time_ms,
                      const struct host *self, struct arena *arena);

#endif
