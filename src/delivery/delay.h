/* delay.h - delay levels: a message with property DELAY=n waits in queue n-1 of SCHEDULE_TOPIC_XXXX
 * until its store time plus the level's delay has passed, then it is put on its real topic.
 *
 * Within a level messages fall due in the order they were stored, so each level needs only a
 * position: the next entry to deliver, kept in delayOffset.json.
 *
 * Units      times: wall clock, ms.
 * Ownership  the store outlives a struct delay. The options are copied.
 * Threads    one (the broker's loop), but for delay_read_ahead(); what has no struct delay is pure.
 * Errors     a message whose put fails is tried again DELAY_RETRY_MS later; what follows it on its
 *            level waits meanwhile, the other levels do not.
 */
#ifndef DELIVERY_DELAY_H
#define DELIVERY_DELAY_H

#include "base/arena.h"
#include "meta/meta.h"
#include "store/store.h"
#include "wire/delay_levels.h"
#include "wire/names.h"

/* Does any property ask for a later time, as a level or as a timer? One look at each, for the many
 * messages that have none. */
bool message_has_times(struct slice properties);

/* Turns a message with a DELAY property into one for the delay topic: topic, queue and properties
 * are replaced (allocated in the arena), a level above the highest is lowered to it. One that has
 * no delay level, or is a half message, stays as it is. */
void delay_redirect(const struct delay_levels *levels, struct record *record, struct arena *arena);

/* ---- their delivery ------------------------------------------------------------------------- */

struct delay;
enum { DELAY_RETRY_MS = 1000 };

struct delay_options {
    struct store *store;
    struct delay_offsets offsets; /* where to go on */
    /* Puts a due message on its real topic as it is (the DELAY property it still carries does not
     * count again). 0, or an error: it stays next. The arena is emptied after the call. */
    int (*put)(void *ctx, struct record *record, struct arena *arena);
    void *ctx;
};
MUST_CHECK int delay_new(const struct delay_options *options, struct delay **delay);
void delay_free(struct delay *delay);

/* Delivers what is due, at most `budget` messages, one of each level in turn; one counts for as
 * many as it has pieces of 8 KB. Never waits for the disk. */
void delay_run(struct delay *delay, int64_t now_ms, int budget);
/* A message was put in the delay topic's queue. */
void delay_arrived(struct delay *delay, int32_t queue_id);
/* When delay_run() is to be called next, as after the latest run and arrivals: now_ms when its
 * budget ran out, INT64_MAX when nothing is waiting. */
int64_t delay_next_due(const struct delay *delay, int64_t now_ms);
/* Whether a message that is due lies on disk only: delay_read_ahead() has to fetch it first. */
bool delay_wants_read(const struct delay *delay);
/* Fetches it and some behind it. May block: for a worker. No other call on `delay` may run
 * meanwhile, but delay_arrived(), delay_next_due() and delay_progress(). */
void delay_read_ahead(struct delay *delay);

/* The next queue offset of each level that ever had a message, -1 for the others; what to save.
 * Begins with delay_arrived(), moves only in delay_run(). */
const struct delay_offsets *delay_progress(const struct delay *delay);

#endif
