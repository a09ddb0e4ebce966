/* light_queues.h - light queues (LMQ) as the broker sees them: their tables, what a message that
 * names some must be like, what is left of those that went. On the broker's loop.
 */
#ifndef BROKER_LIGHT_QUEUES_H
#define BROKER_LIGHT_QUEUES_H

#include "broker/internal.h"

/* Where consumer offsets are kept with enableLmq, instead of consumerOffset.json. */
#define LIGHT_OFFSETS_FILE "lmqConsumerOffset.json"

/* At start, with enableLmq: names of light queues and groups are known from now on, and the
 * offsets opened; from `plain_path` when light queues were just switched on. */
MUST_CHECK int light_queues_open_tables(struct broker *broker, const char *plain_path);

/* False: a message to `topic` whose INNER_MULTI_DISPATCH is `names` is refused, with this code and
 * remark (in the arena). `properties_bytes` is what it has without its places. */
bool light_queues_take(struct broker *broker, struct slice topic, struct slice names,
                       size_t properties_bytes, struct arena *arena, int32_t *code,
                       struct slice *remark);

/* The offsets of light queues that went are forgotten: another of the name begins at 0. Cheap when
 * none did. */
void light_queues_forget_gone(struct broker *broker);

#endif
