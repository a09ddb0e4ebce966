/* light_queues.h - light queues (LMQ) as the broker sees them: their tables, what a message that
 * names some must be like, what is left of those that went.
 *
 * Threads    the broker's loop.
 * Errors     0, or a negative code of base/err.h, logged where it arose.
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

/* A light queue that went and came back begins at 0, and what lies below an offset of the earlier
 * one would be skipped. So such offsets are forgotten at the new one's first message at the latest,
 * before anything can be known of it, and the file is without them before the next start has
 * another one.
 *
 * Those of light queues that are gone, in memory; true: there were such queues, the table may be
 * changed. Cheap when none went. */
bool light_queues_forget_past(struct broker *broker);
/* At start, when the store is open and nobody is served: what the file still has of them. */
void light_queues_start(struct broker *broker);
/* A consumer offset of a queue as it counts: an earlier light queue's is 0 where there is one now,
 * and none (-1) where there is not. */
int64_t light_queues_offset(const struct broker *broker, struct slice topic, int32_t queue_id,
                            int64_t queue_offset);

#endif
