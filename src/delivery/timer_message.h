/* timer_message.h - the times of a message that waits in the timer topic, and what becomes of it.
 *
 * Units   tick_ms: the start of a tick, a multiple of precision_ms. due_ms: when to deliver.
 * Threads any: works on its arguments only.
 */
#ifndef DELIVERY_TIMER_MESSAGE_H
#define DELIVERY_TIMER_MESSAGE_H

#include "delivery/delivery.h"

/* The tick in which due_ms lies: due_ms - precision_ms <= tick < due_ms. */
int64_t timer_tick_of(int64_t due_ms, int64_t precision_ms);

/* When a stored message of this tick is due: the exact time that was asked for where its properties
 * and its store time still tell it, else the end of the tick. Always after the tick's start and not
 * after its end, whatever the properties say. */
int64_t timer_due_of(const struct record *record, int64_t tick_ms, int64_t precision_ms);

#endif
