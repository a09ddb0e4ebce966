/* delivery.h - when, and to whom, a stored message is due: delay levels, retries and dead letters.
 * Knows no sockets; time is an argument.
 */
#ifndef DELIVERY_DELIVERY_H
#define DELIVERY_DELIVERY_H

#include "meta/meta.h"
#include "store/store.h"

/* ---- delay levels ---------------------------------------------------------------------------------
 *
 * A message with property DELAY=n waits in queue n-1 of SCHEDULE_TOPIC_XXXX until its store time plus
 * the level's delay has passed, then it is put on its real topic. Within a level messages fall due in
 * the order they were stored, so each level needs only a position: the next entry to deliver, kept in
 * delayOffset.json.
 */

struct delay_levels {
    int count; /* levels 1..count */
    int64_t ms[DELAY_LEVELS_MAX + 1];
};
/* "1s 5s 10s ..." (units s m h d). ERR_INVALID: not of that form, or more than DELAY_LEVELS_MAX. */
MUST_CHECK int delay_levels_parse(struct slice text, struct delay_levels *levels);

/* Turns a message with a DELAY property into one for the delay topic: topic, queue and properties are
 * replaced (allocated in the arena), a level above the highest is lowered to it. False: it has no
 * delay level (or is a half message) and stays as it is. */
bool delay_redirect(const struct delay_levels *levels, struct record *record, struct arena *arena);

struct delay;
struct delay_options {
    struct store *store;
    struct delay_levels levels;
    struct delay_offsets offsets; /* where to go on */
    /* Puts a due message on its real topic; 0, or an error: tried again later, never skipped. */
    int (*put)(void *ctx, struct record *record, struct arena *arena);
    void *ctx;
};
MUST_CHECK int delay_new(const struct delay_options *options, struct delay **delay);
void delay_free(struct delay *delay);

/* Delivers what is due, at most `budget` messages. Returns when to call again (wall clock, ms):
 * now_ms when the budget ran out, INT64_MAX when nothing is waiting. */
int64_t delay_run(struct delay *delay, int64_t now_ms, int budget);
/* A message was put in a level's queue: the time of the next call may be earlier now. */
int64_t delay_next_due(const struct delay *delay, int64_t now_ms);
const struct delay_offsets *delay_progress(const struct delay *delay);

/* ---- retries and dead letters ---------------------------------------------------------------------- */

enum retry_place { RETRY_LATER, RETRY_DEAD };
struct retry_decision {
    enum retry_place place;
    int32_t delay_level; /* for RETRY_LATER */
};
/* What becomes of a message a consumer could not handle: `asked_level` from the request (0: chosen by
 * reconsume times, negative: dead letter), max_reconsume_times by group or request. */
struct retry_decision retry_decide(int32_t reconsume_times, int32_t max_reconsume_times,
                                   int32_t asked_level);

#endif
