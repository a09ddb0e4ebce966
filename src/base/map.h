/* map.h - hash map from bytes (usually a name) to a pointer.
 *
 * Ownership  keys are copied, or borrowed when the map is made so; values belong to the caller, who
 *            frees them before map_fini().
 * Threads    one at a time.
 * Order      map_next() walks in insertion order as long as nothing was removed; removing is
 *            allowed while walking. Inserting is, too, for a walk that begins again when `layout`
 *            changed.
 * Errors     none: a failed allocation aborts; whoever fills a map from outside bounds it.
 *
 * Keys are hashed with a seed drawn at start, so that names chosen by a client cannot collide on
 * purpose.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/slice.h"

struct map_slot;

struct map {
    struct map_slot *slots;
    size_t count;    /* live entries */
    size_t used;     /* live and dead slots */
    uint32_t *index; /* open addressing, slot number + 1 */
    size_t index_cap;
    uint32_t layout; /* another number whenever entries were moved: older cursors mean nothing */
    bool borrows;
};

void map_init(struct map *m);
/* Keys are not copied: each is part of its value, or lives as long as it stands in the map. */
void map_init_borrowing(struct map *m);
void map_fini(struct map *m);

/* The value, or NULL when the key is absent. */
void *map_get(const struct map *m, struct slice key);

/* Sets or replaces; returns the value that was there before, or NULL. `value` is not NULL. A map
 * that borrows has the new value's key then. */
void *map_put(struct map *m, struct slice key, void *value);

/* Removes and returns the value, or NULL when the key is absent. `key` may be the map's own. */
void *map_remove(struct map *m, struct slice key);

/* *cursor starts at 0. Returns false at the end. The key is borrowed until the entry is removed. */
bool map_next(const struct map *m, size_t *cursor, struct slice *key, void **value);

/* Keys made of one integer. */
static inline struct slice map_key_u64(const uint64_t *key)
{
    return slice_of(key, sizeof *key);
}

#endif
