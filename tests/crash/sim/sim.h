/* sim.h - a machine in memory beneath the real store: a disk that loses what was not synced,
 * threads that run one at a time in an order made from a seed, a clock that moves when all of them
 * wait.
 *
 * The program is linked with --wrap for the calls of the C library that the store makes (CMakeLists
 * has the list), so that nothing above them knows. One seed, one history: it replays exactly.
 *
 *   driver ── machine_run(work) ──> fiber 0: work ── store ── fibers: flusher, allocator, ...
 *      ^                                     │ each call of the wrapped kind is an event
 *      └───── the machine stops: work ended, or the event counted down to has come: killed, or
 *             without power
 *
 * Threads: one; everything else is fibers.
 */
#ifndef TESTS_CRASH_SIM_SIM_H
#define TESTS_CRASH_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- chance ---------------------------------------------------------------------------------- */

void chance_seed(uint64_t seed);
uint64_t chance_next(void);
/* 0 .. bound-1 */
uint32_t chance_below(uint32_t bound);
/* True once in `n` times. */
bool chance_one_in(uint32_t n);

/* ---- the machine (machine.c) ----------------------------------------------------------------- */

enum machine_end { MACHINE_DONE, MACHINE_KILLED, MACHINE_POWER_LOST };

/* Runs `work` as the first fiber until it returns or the machine stops at event number `events`
 * (0: never). What the fibers hold in memory is gone afterwards. */
enum machine_end machine_run(void (*work)(void), uint64_t events, enum machine_end how);
/* An event: time passes, another fiber may go on, the machine may stop. */
void machine_event(void);
bool machine_is_in_fiber(void);
void machine_sleep_ms(int64_t ms);
/* The process is killed within a few events: before it knows what the last of them brought. */
void machine_kill_soon(void);
/* What a call copies into a file's cache. The process may die in the midst: then the front is
 * there. */
void machine_copy_by_call(void *to, const void *from, size_t bytes);
int64_t machine_now_ns(void);
/* The clock stands where every history begins. */
void machine_reset(void);
/* The same at another time. */
void machine_reset_to(int64_t now_ns);
/* The kernel that runs is the one that a directory was written under. */
void machine_stay_booted(const uint8_t id[36]);
/* A new run of the kernel: another boot id. */
void machine_boot(void);
/* Waits until every fiber but this one waits for time or for a wish. */
void machine_settle(void);
uint64_t machine_events(void);

/* Says what went wrong and ends the program with the seed to replay. */
void violation(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Tells it when the program runs with --verbose. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the disk (disk.c) ----------------------------------------------------------------------- */

struct disk_faults { /* one in so many calls; 0: never */
    uint32_t read_error;
    uint32_t write_error;
    uint32_t sync_error;
    uint32_t
        queue_sync_error;    /* of files of consume queues alone; every other process dies of it */
    uint32_t log_sync_error; /* of the files of the commit log alone; the same */
    uint32_t timer_sync_error; /* of timer log and wheel alone; the same */
    uint32_t full;             /* per call that needs room */
    uint32_t short_write;
    uint32_t slow;
};
extern struct disk_faults disk_faults;
extern bool disk_had_sync_error; /* since it was last cleared */
extern bool disk_was_full;       /* at some time in this history */
extern int disk_fill_percent;    /* what statvfs() says */

void sim_disk_reset(void);
/* The machine lost power: what was not synced may be there or not, page by page, name by name. */
void sim_disk_lose_power(void);
/* The process died: its descriptors and mappings are gone, the page cache stays. */
void sim_disk_forget_process(void);
/* Turns one bit in a file below `dir`; names file and place. False: there is none. */
bool sim_disk_flip_bit(const char *dir, char *where, size_t cap);
/* Removes a file or a directory, durably. */
void sim_disk_remove_tree(const char *path);
/* True when the address lies in a mapping of a file. */
bool sim_disk_is_mapped(const void *address);

#endif
