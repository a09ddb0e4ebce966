/* real_place.h - where a message belongs that waits in a topic of the broker's own: two of its
 * properties keep it.
 *
 * Ownership  what is found borrows from the record.
 * Threads    any: no state.
 */
#ifndef DELIVERY_REAL_PLACE_H
#define DELIVERY_REAL_PLACE_H

#include <stdbool.h>

#include "wire/record.h"

/* False: the properties name no place, or the topic of half messages, where only the transaction
 * service may put. */
bool real_place_of(const struct record *record, struct slice *topic, int32_t *queue_id);
/* Puts it back there. False: the record is as it was. */
bool real_place_restore(struct record *record);

#endif
