/* topic_attributes.h - the attributes of a topic or a group and how a request changes them.
 *
 * A change is a pair whose key begins with a sign: "+name" sets to the value, "-name" removes. What
 * there is to set is a table: name, whether it may change later, allowed values.
 *
 * Threads    any: no state of their own.
 */
#ifndef BROKER_TOPIC_ATTRIBUTES_H
#define BROKER_TOPIC_ATTRIBUTES_H

#include "wire/body_group_config.h"

/* "+name=value,-name" as changes, in the arena. NULL text: none.
 * ERR_INVALID: not of that form; *why (in the arena) says where. */
MUST_CHECK int topic_attributes_parse(struct slice text, struct arena *arena,
                                      const struct pair **changes, int *count, struct slice *why);

/* Gives `config` the attributes of `before` (NULL: the topic is new) with the changes applied;
 * config and the result live in the arena. ERR_INVALID: unknown, repeated, or not allowed; *why
 * says which, and config is as it was. */
MUST_CHECK int topic_attributes_apply(const struct topic_config *before, const struct pair *changes,
                                      int count, struct arena *arena, struct topic_config *config,
                                      struct slice *why);

/* The same for a group whose attributes, as they came, are the changes. */
MUST_CHECK int group_attributes_apply(const struct group_config *before, struct arena *arena,
                                      struct group_config *config, struct slice *why);

/* queue.type=BatchCQ */
bool topic_has_batch_queues(const struct topic_config *topic);
/* Of each key the newest message stays (cleanup.policy=COMPACTION). */
bool topic_is_compacted(const struct topic_config *topic);

#endif
