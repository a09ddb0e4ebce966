/* pops_internal.h - what pops.c, pop_revive.c, pop_log.c and pop_recover.c share.
 *
 * Threads    the broker's loop, unless a function says otherwise.
 */
#ifndef BROKER_POPS_INTERNAL_H
#define BROKER_POPS_INTERNAL_H

#include "broker/pop/pops.h"

/* A checkpoint of one message takes about a hundred bytes. */
enum { POP_POINTS_MAX = 2000000 };
enum { REVIVE_JOBS_MAX = 8 };

/* One queue of the revive log, read back. */
struct revive_queue {
    int64_t next; /* to read */
    bool has_more;
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
    struct offsets *kept;  /* set by somebody meanwhile: as they are */
    size_t cursor;         /* in `found`, when it goes to the broker's table */
    int moved;
    struct loop_timer timer;
    struct job job;
    struct buf records; /* these, `found` and the queue at hand are the worker's while is_job_out */
    struct arena arena;
};

struct pops {
    struct broker *broker;
    struct pop_table *table;
    struct pop_order *order;
    struct slice revive_topic; /* owned */
    int32_t revive_queue_count;
    uint32_t next_revive_queue;
    struct loop_timer due_timer;
    struct arena arena; /* of the record at hand */
    struct buf record;  /* the message at hand */
    int revive_jobs;    /* checkpoints whose messages workers read */
    struct revive_queue queues[POP_REVIVE_QUEUES_MAX];
    int64_t log_time_ms;          /* when the queues were last read to their ends */
    struct loop_timer read_timer; /* armed while a revive queue has more */
    struct job read_job;          /* reads what is not in memory */
    bool is_reading;
    int32_t reading_queue;
    struct buf read_records; /* the worker's while is_reading */
    int read_err;
    struct store_get_result read_got;
    struct pop_recovery recovery;
    bool is_stopped;
};

struct pop_log_place pops_place(const struct pops *pops, int32_t revive_queue_id);

/* pop_revive.c: puts again what is due; false when the budget (messages) ran out. */
bool pops_revive_due(struct pops *pops, int budget);

/* pop_log.c: begins where the committed offsets are. */
void pops_log_open(struct pops *pops);
void pops_log_arrived(struct pops *pops, int32_t queue_id);
/* Commits how far the revive queues are done. */
void pops_log_commit(struct pops *pops, int32_t queue_id);

/* pop_recover.c: begins to bring consumer offsets up to what the log says was popped. */
MUST_CHECK int pops_recover_begin(struct pops *pops);
void pops_recover_free(struct pops *pops);

#endif
