/* popping.h - messages that are popped, acknowledged or made invisible for another time, and come
 * back when their time is over; queues popped in order. What was promised of them.
 *
 * The keeper of delivery/ runs here as the broker runs it: in the fiber of waiting.h, with its jobs
 * in fibers of their own.
 */
#ifndef TESTS_CRASH_SIM_POPPING_H
#define TESTS_CRASH_SIM_POPPING_H

#include "delivery/delivery.h"
#include "sim.h"

/* What popping shares with the rest that waits. */
struct popping_parts {
    struct store *store;
    const char *root_dir;
    struct timer *timer;
    struct offsets *offsets;
};

/* A new history begins. */
void popping_reset(void);
/* Looks at what the stop left and begins. */
void popping_open(const struct popping_parts *parts, enum machine_end stop, bool sync_failed);
/* One pass of the loop; when there is something to do again. */
int64_t popping_run(void);
/* A producer, a consumer or the saver does something. */
void popping_do_something(void);
void popping_close(void);
/* A message was stored. */
void popping_arrived(const struct store_arrival *arrival);
/* The store says so. */
void popping_note_flushed(int64_t upto);
/* The table of consumer offsets is about to be saved; it was. */
void popping_offsets_saving(void);
void popping_offsets_saved(void);
/* True when everything that must come has come, and was acknowledged. Called again and again, with
 * passes between. */
bool popping_is_drained(void);
/* What has not come. */
void popping_look_at_end(void);

#endif
