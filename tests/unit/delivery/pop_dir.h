/* pop_dir.h - a store with timers on it and a keeper of pops; time is a number of the test.
 *
 * The topic "orders" has one queue, popped by the group "g". Every call that fails fails the test.
 * What the keeper hands to workers runs in the next pass.
 */
#ifndef TESTS_UNIT_DELIVERY_POP_DIR_H
#define TESTS_UNIT_DELIVERY_POP_DIR_H

#include "delivery/delivery.h"
#include "delivery/pop_keeper.h"
#include "store/store_dir.h"

enum { POP_DIR_JOBS_MAX = 32 };
#define POP_DIR_RETRY_TOPIC "%RETRY%g_orders"

struct pop_dir {
    struct store_dir *files;
    struct timer *timer;
    struct offsets *offsets;
    struct pop_keeper *keeper;
    struct host self;
    struct arena arena;
    char order_path[128];
    int64_t now_ms;
    struct pop_job *jobs[POP_DIR_JOBS_MAX];
    int job_count;
};

struct pop_dir *pop_dir_new(void);
void pop_dir_remove(struct pop_dir *dir);

void pop_dir_send(struct pop_dir *dir, int count);
/* Pops up to `count` messages; their offsets and what a handle would say. Returns how many. */
int pop_dir_pop(struct pop_dir *dir, int count, int64_t invisible_ms, struct popped *popped,
                int64_t *queue_offsets);
void pop_dir_ack(struct pop_dir *dir, struct popped *popped, int64_t queue_offset);
/* Messages that were put again. */
int64_t pop_dir_retried(struct pop_dir *dir);

/* Time goes by. */
void pop_dir_run_until(struct pop_dir *dir, int64_t time_ms);
/* Everything is closed and opened again at this time; the table of offsets is the one that was
 * saved last. */
void pop_dir_restart(struct pop_dir *dir, int64_t now_ms);
/* The same, and what was noted since the last save of it, or since the first start, is forgotten.
 */
void pop_dir_kill(struct pop_dir *dir, int64_t now_ms);

#endif
