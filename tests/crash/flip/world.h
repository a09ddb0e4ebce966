/* world.h - what the cases happen in: files and threads of the machine (world_files.c), or both in
 * memory (world_memory.c), where a case takes a tenth of the time and replays exactly.
 *
 * In memory a case is a fork that has the whole directory with it; files are the process's own
 * memory, threads are the fibers of tests/crash/sim, and waiting costs nothing. What the kernel
 * does with a real file is seen by the other world only.
 *
 * Threads: see flip.h.
 */
#ifndef TESTS_CRASH_FLIP_WORLD_H
#define TESTS_CRASH_FLIP_WORLD_H

#include "flip.h"

/* Where the copy lies that belongs to `slot`, one of those that are open at a time. */
void world_root(const char *work, int slot, char root[PATH_BYTES]);
/* An undamaged copy of the image, in place of what was there. */
void world_write(const struct image *image, const char *root);
/* `is_written` tells whether this process needs a copy of its own for each case. */
extern const bool world_is_written_for_each_case;
void world_damage(const struct damage *damage, const char *root);
/* Runs what opens a store, to its end. */
void world_run(const struct image *image, void (*work)(void));
/* Is the directory found as after a loss of power (another boot of the machine), or as it was left
 * within this one? False: this world cannot do that. */
bool world_lose_power(void);
bool world_has_lost_power(void);
void world_clean(const char *root);
void world_sleep_ms(int64_t ms);

#endif
