/* loop_internal.h - what the files behind loop.h share.
 *
 *   loop.c         the pass, and what is posted, deferred or left over for it
 *   loop_timer.c   timers: a heap by due time
 *   loop_errand.c  errands, and which of two threads runs the loop meanwhile
 *
 * Threads    the loop's, that is whoever holds `turn`.
 */
#ifndef NET_LOOP_INTERNAL_H
#define NET_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "net/loop.h"
#include "net/poller.h"

struct loop {
    struct poller *poller;
    int64_t now_ms;
    int64_t now_ns;
    struct list deferred;
    struct list backlog;        /* of loop_deferred.link, too */
    struct list last;           /* the same */
    struct loop_timer **timers; /* binary heap by due_ns; timer->at is its place + 1 */
    uint32_t timer_count;
    uint32_t timer_cap;
    _Atomic(struct loop_task *) posted;
    atomic_bool is_awake;
    atomic_bool is_stopping;
    atomic_bool is_running;
    /* Whose turn it is; valid while is_running. Others ask whether it is theirs. */
    _Atomic pthread_t thread;
    char name[16];

    /* All that is not atomic is used by whoever holds `turn`. Outside of everything else. */
    struct lock turn;
    pthread_cond_t wanted; /* the thread that does not lead is */
    pthread_t leader;
    pthread_t deputy; /* the second thread, whichever leads; valid with has_deputy */
    bool has_deputy;
    bool deputy_rests;          /* it does not look by itself */
    bool hands_over;            /* it is to lead at once */
    bool is_away;               /* a thread is on an errand */
    struct loop_errand *errand; /* asked for */
    int64_t errand_due_ns;
    int64_t errand_lasts_ns; /* on average of late */
    uint64_t errand_number;  /* of the last one begun */
};

/* ---- loop.c ---------------------------------------------------------------------------------- */

void loop_read_clocks(struct loop *loop);
/* Any thread: the loop looks again, now or when it is about to sleep. */
void loop_wake(struct loop *loop);
/* Nothing is posted, deferred or left over. */
bool loop_is_quiet(struct loop *loop);
/* Lets `turn` go while it waits, if there is nothing to do; how many descriptors are ready. */
int loop_wait_for_ready(struct loop *loop);
void loop_run_pass(struct loop *loop, int ready);
void loop_run_deferred(struct loop *loop);

/* ---- loop_timer.c ---------------------------------------------------------------------------- */

/* Tells the poller when the first timer is due. */
void loop_set_due(struct loop *loop);
/* Ends: what is started from here on is due after now_ns. A timer may be freed by its run(). */
void loop_run_due_timers(struct loop *loop);

#endif
