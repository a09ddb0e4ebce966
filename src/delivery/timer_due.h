/* timer_due.h - the timers of the near ticks, in memory: which one is due next, which ticks are
 * over.
 *
 * Units      ticks are counted from the base given at the start. due_ms: wall clock.
 * Ownership  cancel keys are copied.
 * Threads    one (the loop's).
 * Bounds     24 or 32 bytes a timer; the caller bounds how many there are. Ticks beyond
 *            TIMER_DUE_TICKS from the oldest that is not over do not fit.
 */
#ifndef DELIVERY_TIMER_DUE_H
#define DELIVERY_TIMER_DUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"

enum { TIMER_DUE_TICKS = 4096 };

struct timer_item {
    int64_t due_ms;
    int64_t phy_offset; /* of the record */
    int32_t bytes;
    uint32_t tick;      /* of its slot */
    int32_t write_tick; /* in which it was written into the wheel; before the base: negative */
    bool is_roll;       /* to be put into the wheel again */
};

struct timer_tick {
    uint32_t waiting;      /* timers taken in and not done */
    struct map *cancelled; /* keys; NULL: none */
};

struct timer_due {
    struct timer_item *heap; /* the earliest due, then the first in the log, on top */
    size_t count;
    size_t cap;
    struct timer_tick ticks[TIMER_DUE_TICKS];
    uint32_t first_tick; /* every tick before is over */
};

/* Empty, from tick 0 on. */
void timer_due_init(struct timer_due *due);
void timer_due_fini(struct timer_due *due);

bool timer_due_fits(const struct timer_due *due, uint32_t tick);
void timer_due_add(struct timer_due *due, const struct timer_item *item);
/* NULL: nothing waits. */
const struct timer_item *timer_due_first(const struct timer_due *due);
/* Takes the first out; its tick waits for it until timer_due_done(). */
struct timer_item timer_due_take(struct timer_due *due);
/* Puts one that was taken back. */
void timer_due_give_back(struct timer_due *due, const struct timer_item *item);
void timer_due_done(struct timer_due *due, const struct timer_item *item);

void timer_due_cancel(struct timer_due *due, uint32_t tick, struct slice key);
bool timer_due_has_cancelled(const struct timer_due *due, uint32_t tick);
bool timer_due_is_cancelled(const struct timer_due *due, uint32_t tick, struct slice key);

/* Lets go of the ticks before `upto` that nothing waits in, oldest first; first_tick moves on. */
void timer_due_pass(struct timer_due *due, uint32_t upto);

#endif
