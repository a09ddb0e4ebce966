/* timers.h - runs the timers on the broker's loop: wakes when one is due, has wheel and log written
 * and read by a worker, keeps the check point. Nothing wakes while nothing is due within seconds.
 *
 * Threads    the broker's loop.
 * Ownership  between open and close the broker's store, loop and workers are in use.
 */
#ifndef BROKER_TIMERS_H
#define BROKER_TIMERS_H

#include "broker/internal.h"
#include "delivery/delivery.h"

struct timers;

/* ERR_CORRUPT: the wheel or a file of the timer log has not the length that the settings say. */
MUST_CHECK int timers_open(struct broker *broker, struct timers **timers);

/* A message with these properties was stored in TOPIC_TIMER. */
void timers_arrived(struct timers *timers, struct slice properties);

/* To be asked how far it is (delivery.h). */
struct timer *timers_timer(const struct timers *timers);

/* While `pace`, what is due is delivered a few at a time with pauses between (TIMERS_PACED_COUNT
 * each timers_pace_ms()), so that a backlog leaves the loop to requests. */
void timers_pace(struct timers *timers, bool pace);
enum { TIMERS_PACED_COUNT = 16 };
/* Fault point that measures: timers.pace_ms. */
int64_t timers_pace_ms(void);

/* Delivers nothing any more. */
void timers_stop(struct timers *timers);
/* True when no worker is busy for it any more. */
bool timers_are_idle(const struct timers *timers);
/* Saves how far it has come. After timers_stop(), when idle, before the store is closed. */
void timers_close(struct timers *timers);

#endif
