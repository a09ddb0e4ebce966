/* timer_wheel.h - the file `timerwheel`: for each tick of two weeks, which units of the timer log
 * fall due in it (docs/format/timer.md).
 *
 * Units      tick: time in ms / precision_ms. Positions: bytes from the start of the timer log.
 * Threads    one at a time, but for timer_wheel_sync() and timer_wheel_count().
 * Errors     0 or a negative code; after a failed put the slot holds what it held or the new value.
 * The file is read and written in place, not mapped: a full disk is an error then, not a signal.
 */
#ifndef DELIVERY_TIMER_WHEEL_H
#define DELIVERY_TIMER_WHEEL_H

#include <stdbool.h>

#include "delivery/timer_file.h"

enum { TIMER_WHEEL_DAYS = 7, TIMER_WHEEL_SLOTS = TIMER_WHEEL_DAYS * 86400 * 2 };
/* The last ticks before the wheel's end are left free, so that old and new never meet. */
enum { TIMER_WHEEL_BLANK_SLOTS = 60 };
enum { TIMER_NO_POS = -1 };

struct timer_slot {
    int64_t first_pos; /* TIMER_NO_POS: the tick has no unit */
    int64_t last_pos;
    int32_t count;  /* units; those that cancel count -1 */
    int64_t holder; /* whose place it is: the tick's, or that of another one, which has units */
};

struct timer_wheel {
    int fd;
    int64_t slots;
    char path[TIMER_PATH_MAX];
    bool is_new; /* it was made when it was opened */
};

/* ERR_CORRUPT: a file of another size than that of so many slots (TIMER_WHEEL_SLOTS but in tests).
 */
MUST_CHECK int timer_wheel_open(const char *path, int64_t slots, struct timer_wheel *wheel);
void timer_wheel_close(struct timer_wheel *wheel);

/* The tick's slot; empty when the place holds another tick's. */
MUST_CHECK int timer_wheel_get(const struct timer_wheel *wheel, int64_t tick,
                               struct timer_slot *slot);
MUST_CHECK int timer_wheel_put(const struct timer_wheel *wheel, int64_t tick,
                               const struct timer_slot *slot);
/* The first tick of [from, upto) that has a unit; `upto` when there is none. The range is at most
 * all slots. */
MUST_CHECK int timer_wheel_next(const struct timer_wheel *wheel, int64_t from, int64_t upto,
                                int64_t *tick, struct timer_slot *slot);
/* Where the tick's slot lies. */
int64_t timer_wheel_place(const struct timer_wheel *wheel, int64_t tick);

struct timer_wheel_kept {
    int64_t place; /* -1: none */
    int64_t first_pos;
};

/* Whether the unit at `pos` is one of the tick: 1, 0, or a negative code. */
typedef int timer_wheel_judge(void *ctx, int64_t tick, int64_t pos);

/* Empties every slot that leads to `from` or beyond and there, says `leads_home`, to no unit of its
 * tick, but for the one with the smallest first_pos: that stays as it is, and tells whoever comes
 * again after a failure how far back the units of the emptied ones reach. *kept is where it lies.
 */
MUST_CHECK int timer_wheel_cut(const struct timer_wheel *wheel, int64_t from,
                               timer_wheel_judge *leads_home, void *ctx,
                               struct timer_wheel_kept *kept);
MUST_CHECK int timer_wheel_empty(const struct timer_wheel *wheel, int64_t place);
/* Empties the slots of the ticks of [from, upto). */
MUST_CHECK int timer_wheel_clear(const struct timer_wheel *wheel, int64_t from, int64_t upto);
MUST_CHECK int timer_wheel_sync(const struct timer_wheel *wheel);
/* All of it is written once more: a sync failed, and the next one must not be believed without. */
MUST_CHECK int timer_wheel_rewrite(const struct timer_wheel *wheel);

#endif
