/* pops_internal.h - what pops.c, pop_revive.c and pop_log.c share. */
#ifndef BROKER_POPS_INTERNAL_H
#define BROKER_POPS_INTERNAL_H

#include "broker/pops.h"

/* A checkpoint of one message takes about a hundred bytes. */
enum { POP_POINTS_MAX = 2000000 };
enum { REVIVE_JOBS_MAX = 8 };

/* One queue of the revive log, read back. */
struct revive_queue {
    int64_t next; /* to read */
    bool has_more;
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
    bool is_stopped;
};

struct pop_log_place pops_place(const struct pops *pops, int32_t revive_queue_id);

/* pop_revive.c: puts again what is due; false when the budget ran out. */
bool pops_revive_due(struct pops *pops, int budget);

/* pop_log.c: begins where the committed offsets are. */
void pops_log_open(struct pops *pops);
/* The log as it is at start: consumer offsets that the table lacks. */
void pops_recover_offsets(struct pops *pops);
void pops_log_arrived(struct pops *pops, int32_t queue_id);
/* Commits how far the revive queues are done. */
void pops_log_commit(struct pops *pops, int32_t queue_id);

#endif
