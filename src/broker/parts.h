/* parts.h - the parts of a broker: made in the order in which they need each other, tied together,
 * and ended in the order that lets each still use what it needs.
 *
 *   tables ─ store (which recovers) ─ delays, timers, pops ─ the port ─ name servers are told
 *
 * So whoever finds the broker can use it.
 *
 * Ownership  they are the broker's; a part refers to others through it.
 * Threads    the broker's loop.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
 */
#ifndef BROKER_PARTS_H
#define BROKER_PARTS_H

#include "broker/internal.h"

/* Makes and starts them. On failure parts_end() and parts_free() clear what there is. */
MUST_CHECK int parts_start(struct broker *broker);
/* Ends those that have sockets and files, the last first. Nothing is under way with workers any
 * more. What store_close() gave; 0 without a store. */
int parts_end(struct broker *broker);
/* Frees those that have neither, after parts_end(). */
void parts_free(struct broker *broker);

/* open_store.c: opens the store as the settings say. The tables are there, it asks for topics. */
MUST_CHECK int parts_open_store(struct broker *broker);

#endif
