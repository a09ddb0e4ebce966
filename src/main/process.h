/* process.h - what every serving role needs around it: the log, signals, loops on threads, workers.
 *
 * Order      process_init(), loops, servers on them; at the end servers, loops,
 *            process_end_workers(), process_fini().
 * Threads    the main thread.
 * Errors     0, or a negative code of base/err.h; nothing is left then.
 */
#ifndef MAIN_PROCESS_H
#define MAIN_PROCESS_H

#include "net/loop.h"
#include "net/workers.h"

struct process {
    struct workers *workers;
};

/* Starts the log on stderr, blocks the signals that end the process (before any other thread
 * exists, so that all inherit it), raises the limit of open files, starts the workers. */
MUST_CHECK int process_init(struct process *process);
/* Before the loops are freed: a worker whose job is done may still be waking its loop. */
void process_end_workers(struct process *process);
/* Stops the log; the workers have ended. */
void process_fini(struct process *process);

/* Returns when the process was asked to end. */
void process_wait_for_end(void);

/* A loop and the thread that runs it. */
struct loop_thread;
MUST_CHECK int loop_thread_start(const char *name, struct loop_thread **thread);
struct loop *loop_thread_loop(const struct loop_thread *thread);
/* Runs fn(ctx) on the loop and returns its result when it is done. */
int loop_thread_call(struct loop_thread *thread, int (*fn)(void *ctx), void *ctx);
/* Stops the loop, waits for its thread, frees both. */
void loop_thread_stop(struct loop_thread *thread);

#endif
