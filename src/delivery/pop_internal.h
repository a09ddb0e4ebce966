/* pop_internal.h - what the files behind pop_keeper.h share.
 *
 *   pop_keeper.c    opened, run, closed; the records that are put
 *   pop_take.c      messages taken off a queue
 *   pop_ack.c       acknowledged, or invisible for another time
 *   pop_log.c       the revive log, read back
 *   pop_revive.c    what nobody acknowledged is put again
 *   pop_recover.c   consumer offsets after a crash
 *
 * Beside them stand the two tables of what is out, pop.h and pop_order.h, and the form of the
 * records, pop_records.c.
 *
 * Threads    as pop_keeper.h: one; the `work` of a job runs on a worker.
 */
#ifndef DELIVERY_POP_INTERNAL_H
#define DELIVERY_POP_INTERNAL_H

#include "delivery/pop.h"
#include "delivery/pop_keeper.h"
#include "delivery/pop_order.h"

/* How soon to look again when a worker was not free, or the table is full. */
enum { POP_BUSY_RETRY_MS = 100 };

/* One queue of the revive log, read back. */
struct revive_queue {
    int64_t next; /* to read */
    bool has_more;
    bool must_look_back;   /* for acks, when it was read to the end */
    int64_t asked_at;      /* the checkpoint that asks for that */
    int look_tries;        /* without an answer */
    int64_t done;          /* all up to here is finished: the committed offset */
    int64_t read_from;     /* where reading began */
    int64_t acks_since_ms; /* those of checkpoints due from then on are, or will be, read */
};

/* The log is read once more after a start, for the consumer offsets it led to. */
struct pop_recovery {
    bool is_running;
    bool is_job_out;
    int at; /* the queue at hand: 0 the timer's, 1 + i the i-th of the revive log */
    struct {
        int64_t next, end; /* to read */
    } queues[1 + POP_REVIVE_QUEUES_MAX];
    struct offsets *found; /* where pops led to */
    int64_t newest_ms;     /* the latest time of one that was found */
    struct offsets *kept;  /* set by somebody meanwhile: as they are */
    size_t cursor;         /* in `found`, when it goes to the broker's table */
    int moved;
    int tries;        /* of a portion that the disk does not give */
    int64_t go_on_ms; /* when to look again; INT64_MAX: when the job is done */
    struct pop_job job;
    struct buf records; /* these, `found` and the queue at hand are the worker's while is_job_out */
    struct arena arena;
};

struct pop_keeper {
    struct pop_keeper_options options;
    struct pop_table *table;
    struct pop_order *order;
    uint32_t next_revive_queue;
    struct arena arena; /* of the record at hand */
    struct buf record;  /* the message at hand */
    int revive_jobs;    /* checkpoints whose messages workers read */
    struct revive_queue queues[POP_REVIVE_QUEUES_MAX];
    int64_t log_time_ms;     /* when the queues were last read to their ends */
    int64_t read_at_ms;      /* when to read on; INT64_MAX: nothing is left to read */
    struct pop_job read_job; /* reads what is not in memory */
    bool is_reading;
    int32_t reading_queue; /* from here on the worker's while is_reading */
    int64_t reading_from;
    bool is_looking_back; /* to what was stored since: from there on */
    int64_t looking_back_ms;
    struct buf read_records;
    int read_err;
    struct store_get_result read_got;
    struct pop_recovery recovery;
    bool is_stopped;
};

static inline void keeper_look(const struct pop_keeper *keeper)
{
    if (!keeper->is_stopped)
        keeper->options.look(keeper->options.ctx);
}

/* Up to when the log has brought everything that was due of earlier processes, and all of it was
 * read: who was not acknowledged by then was not acknowledged in time. */
int64_t keeper_log_time(const struct pop_keeper *keeper);

/* pop_ack.c: a checkpoint that is not in the table may still come from the log. */
bool keeper_may_come(const struct pop_keeper *keeper, const struct popped *popped);

/* Sets a consumer offset. */
void keeper_commit(struct pop_keeper *keeper, struct slice topic, struct slice group,
                   int32_t queue_id, int64_t queue_offset, int64_t now_ms);

/* Writes a checkpoint to the log and keeps it; its messages come back when nobody acknowledges
 * them. next_offset: the group's consumer offset from now on, -1: as it is. ERR_EXISTS: the same
 * queue was popped from the same offset in this very millisecond. */
MUST_CHECK int keeper_put_checkpoint(struct pop_keeper *keeper,
                                     const struct pop_checkpoint *checkpoint,
                                     int32_t revive_queue_id, int64_t next_offset, int64_t now_ms,
                                     int64_t *end_phy_offset);
/* Writes an ack to the log, due at due_ms (0: at once). */
MUST_CHECK int keeper_put_ack(struct pop_keeper *keeper, const struct popped *popped,
                              const int64_t *queue_offsets, int count, int64_t due_ms,
                              int64_t now_ms, int64_t *end_phy_offset);

/* pop_revive.c: puts again what is due; false when the budget (messages) ran out. */
bool keeper_revive_due(struct pop_keeper *keeper, int budget, int64_t now_ms);

/* pop_log.c: begins where the committed offsets are. */
void keeper_log_open(struct pop_keeper *keeper, int64_t now_ms);
void keeper_log_read_on(struct pop_keeper *keeper, int64_t now_ms);
/* Commits how far the revive queues are done. */
void keeper_log_commit(struct pop_keeper *keeper, int32_t queue_id, int64_t now_ms);

/* pop_recover.c: the latest pop time that the table of consumer offsets knows of; -1: none. */
int64_t keeper_noted_pop_ms(const struct pop_keeper *keeper);
/* pop_recover.c: begins to bring consumer offsets up to what the log says was popped. */
MUST_CHECK int keeper_recover_begin(struct pop_keeper *keeper, int64_t now_ms);
void keeper_recover_go_on(struct pop_keeper *keeper, int64_t now_ms);
void keeper_recover_free(struct pop_keeper *keeper);

#endif
