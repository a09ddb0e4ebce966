/* timer_message.h - the times of a message that waits in the timer topic, and what becomes of it.
 *
 * Units   tick_ms: the start of a tick, a multiple of precision_ms. due_ms: when to deliver.
 * Threads any: works on its arguments only.
 */
#ifndef DELIVERY_TIMER_MESSAGE_H
#define DELIVERY_TIMER_MESSAGE_H

#include "delivery/timer.h"

/* The tick in which due_ms lies: due_ms - precision_ms <= tick < due_ms. */
int64_t timer_tick_of(int64_t due_ms, int64_t precision_ms);

/* When a stored message of this tick is due: the exact time that was asked for where its properties
 * and its store time still tell it, else the end of the tick. Always after the tick's start and not
 * after its end, whatever the properties say. */
int64_t timer_due_of(const struct record *record, int64_t tick_ms, int64_t precision_ms);

/* ---- while it waits ----------------------------------------------------------------------- */

/* The start of the tick it waits for (TIMER_OUT_MS). False: the record has none. */
bool timer_tick_in(const struct record *record, int64_t *tick_ms);
/* Whom the record cancels, "topic+UNIQ_KEY"; data NULL when it is an ordinary one. */
struct slice timer_cancelled_by(const struct record *record);
/* The name by which a waiting record can be cancelled, in the arena; empty: by none. */
struct slice timer_cancel_key(const struct record *record, struct arena *arena);

/* ---- when its time has come ----------------------------------------------------------------- */

/* Makes of a waiting record the one to deliver: topic and queue are the real ones, the properties
 * tell when it was written into the wheel (write_ms) and taken out. False: it names no topic and
 * queue, or one where only the broker may put. */
bool timer_restore(struct record *record, int64_t write_ms, int64_t now_ms, struct arena *arena);

/* Makes of a waiting record one that waits on: counted as rolled once more, and its exact time,
 * which its new store time would hide, kept in TIMER_DELIVER_MS. */
void timer_roll(struct record *record, int64_t due_ms, int64_t write_ms, int64_t now_ms,
                struct arena *arena);

#endif
