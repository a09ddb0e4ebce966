/* read_ahead.h - has the disk bring in what readers of old data will ask for next.
 *
 *            from                     reader            upto
 *     .........|########################^###############|...............   log
 *              (may be in memory)        half is left: the next step is asked for
 *
 * A stream is a stretch of the log that is read from its start to its end, by one group or by many
 * that are at about the same place. While one step of it is read the disk brings in the next.
 *
 * Units      places in the log.
 * Bounds     READ_AHEAD_STREAMS; one more takes the place of that used least recently. A step is
 *            4 MiB, or a 64th of the memory the process may use.
 * Threads    any; a thread of its own asks the disk.
 * Errors     read_ahead_new(): ERR_NO_MEMORY, or that no thread could be made.
 */
#ifndef STORE_READ_AHEAD_H
#define STORE_READ_AHEAD_H

#include "store/commit_log.h"

enum { READ_AHEAD_STREAMS = 16 };

struct read_ahead;

/* The log stays the caller's and outlives it. */
MUST_CHECK int read_ahead_new(struct commit_log *log, int64_t memory_bytes,
                              struct read_ahead **read_ahead);
/* NULL is fine. */
void read_ahead_free(struct read_ahead *read_ahead);

/* Off: streams that were begun end with what was asked for. It is on at first. */
void read_ahead_switch(struct read_ahead *read_ahead, bool on);
bool read_ahead_is_on(const struct read_ahead *read_ahead);

/* Somebody waits for what is at phy_offset: asks for a step from there on, unless that was done.
 * Not on a loop: it may wait for memory. */
void read_ahead_begin(struct read_ahead *read_ahead, int64_t phy_offset);
/* A reader has got what is at phy_offset. Never waits: where the thread is at it, nothing is noted.
 */
void read_ahead_note(struct read_ahead *read_ahead, int64_t phy_offset);

/* The end of the stream that phy_offset is in; -1: it is in none. */
int64_t read_ahead_end(struct read_ahead *read_ahead, int64_t phy_offset);

#endif
