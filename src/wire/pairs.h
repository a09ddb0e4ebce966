/* pairs.h - objects of text members, as pairs: {"k":"v"}. Shared by the files of this folder.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_PAIRS_H
#define WIRE_PAIRS_H

#include "wire/body_topic_config.h"

/* The text members in the arena, others skipped; not an object: none. */
const struct pair *pairs_from_json(json_t *json, struct arena *arena, int *count);
void pairs_to_json(const struct pair *pairs, int count, struct json_out *j);

#endif
