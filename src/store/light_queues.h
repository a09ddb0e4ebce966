/* light_queues.h - a put that goes to more queues than its own: the light ones its properties name.
 *
 * The record holds its place in each of them, so they are asked for their ends, the record is made,
 * and under the append lock they are asked again: who was faster makes it be made anew.
 *
 * Threads    any; a list of targets belongs to the put that made it.
 */
#ifndef STORE_LIGHT_QUEUES_H
#define STORE_LIGHT_QUEUES_H

#include "base/arena.h"
#include "store/store_internal.h"

struct light_targets {
    struct consume_queue **queues;
    int64_t *queue_offsets; /* the next of each when they were numbered */
    int count;
};

/* The properties as they may be stored: places that the broker did not give are not among them. */
struct slice light_queues_without_places(struct slice properties, struct arena *arena);
/* The queues the record goes to, in the arena, and their ends. A list with a fault names none.
 * Errors of queues_get(). */
MUST_CHECK int light_targets_find(struct store *store, const struct record *record,
                                  struct arena *arena, struct light_targets *targets);
/* Properties with the places. */
struct slice light_targets_properties(const struct light_targets *targets, struct slice properties,
                                      struct arena *arena);
/* The numbers are still the next ones. Under the append lock. */
bool light_targets_fit(const struct light_targets *targets);
/* Adds the record's entry to each. Under the append lock. */
void light_targets_add(struct store *store, const struct light_targets *targets,
                       const struct store_queue_entry *entry);
/* Tells who waits for them, after the lock was let go. */
void light_targets_tell(struct store *store, const struct light_targets *targets,
                        const struct store_queue_entry *entry, const struct record *record);

#endif
