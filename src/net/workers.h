/* workers.h - a few threads for what may wait: cold reads, index look-ups, table files.
 *
 * Ownership  a job is the caller's; it belongs to the pool from workers_submit() until `done` runs.
 * Threads    submit from any thread; `run` on a worker; `done` on the loop named at submission.
 * Bounds     a queue of `queue_max` jobs; beyond it ERR_WOULD_BLOCK: refuse the request.
 */
#ifndef NET_WORKERS_H
#define NET_WORKERS_H

#include "net/loop.h"

struct workers;

struct job {
    void (*run)(struct job *job);  /* may block; touches only what the job owns */
    void (*done)(struct job *job); /* back on the loop */
    struct loop *loop;             /* set by workers_submit() */
    struct loop_task task;
    struct job *next;
};

MUST_CHECK int workers_new(const char *name, int threads, int queue_max, struct workers **workers);
/* Runs out the queue, then ends the threads. `done` of the last jobs still has to be run by the
 * loop. */
void workers_free(struct workers *workers);

MUST_CHECK int workers_submit(struct workers *workers, struct loop *loop, struct job *job);

#endif
