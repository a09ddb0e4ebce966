/* waiting.h - messages that wait: for a delay level, for a timer, for the end of a transaction; and
 * the tables that say how far they and consumers have come. What was promised of them.
 *
 * The services of delivery/ run here as the broker's loop runs them: deliveries and ends in one
 * fiber, what waits for the disk in another, and nothing is saved before the disk has what it
 * stands for.
 */
#ifndef TESTS_CRASH_SIM_WAITING_H
#define TESTS_CRASH_SIM_WAITING_H

#include "sim.h"
#include "store/store.h"

#define WAITING_DELAY_LEVELS "1s 2s 3s"

/* A new history begins; with pops too? */
/* is_wide: timers lie on many pages of log and wheel. */
void waiting_reset(bool with_pops, bool is_wide);
bool waiting_is_wide(void);
/* Looks at what the stop left and starts the services. */
void waiting_open(struct store *store, const char *root_dir, enum machine_end stop,
                  bool sync_failed);
/* One pass of the loop. */
void waiting_pass(void);
void waiting_close(void);
/* The store says so. */
void waiting_note_flushed(int64_t upto);
/* A message was stored. */
void waiting_arrived(const struct store_arrival *arrival);
/* Saves consumer offsets as at a start: before anything else. */
void waiting_save_offsets_here(void);
/* Lets time pass until everything that waits has come out, and looks at all of it. */
void waiting_finish(void);

#endif
