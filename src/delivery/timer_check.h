/* timer_check.h - the file `config/timercheck`: how far the timers have come
 * (docs/format/timer.md).
 *
 * Threads any. Errors 0 or a negative code.
 */
#ifndef DELIVERY_TIMER_CHECK_H
#define DELIVERY_TIMER_CHECK_H

#include "base/bytes.h"

enum { TIMER_CHECK_BYTES = 56, TIMER_CHECK_FILE_BYTES = 4096 };

struct timer_check {
    int64_t read_ms;             /* every tick before it was delivered */
    int64_t log_pos;             /* the timer log and the wheel are on disk up to here */
    int64_t queue_offset;        /* of the timer topic: what comes next into the wheel */
    int64_t master_queue_offset; /* the same of the master; its own on a master */
    int64_t state_version;
    int64_t timestamp; /* ms; with the counter: which of two is newer */
    int64_t counter;
    /* Of the tick at read_ms everything due up to here was delivered, of the units before log_pos;
     * read_ms: nothing of it is known to be. Not on the wire. */
    int64_t exact_ms;
    bool is_sealed; /* its checksum fits: these are the numbers that were written */
};

/* All zeros when there is no file. */
MUST_CHECK int timer_check_read(const char *path, struct timer_check *check);
/* Written and synced. */
MUST_CHECK int timer_check_write(const char *path, const struct timer_check *check);
/* TIMER_CHECK_BYTES, as on the wire (code 60). */
void timer_check_encode(const struct timer_check *check, uint8_t *out);

#endif
