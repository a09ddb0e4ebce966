/* retry.h - a message that a consumer could not handle: again later, or never (dead letters).
 *
 * Threads    any: pure.
 */
#ifndef DELIVERY_RETRY_H
#define DELIVERY_RETRY_H

#include "base/arena.h"
#include "meta/meta.h"
#include "wire/record.h"

enum retry_place { RETRY_LATER, RETRY_DEAD };
struct retry_decision {
    enum retry_place place;
    int32_t delay_level; /* for RETRY_LATER, at least 1 */
};
/* How often a message of the group may come again: what its client asks for, where that is new
 * enough to know (version 3.4.9) and does ask (not below 0), else what the group says. */
int32_t retry_times_max(const struct group_config *group, int32_t client_version, int32_t asked);
/* What becomes of a message a consumer could not handle: `asked_level` from the request (0: chosen
 * by reconsume times, negative: dead letter), max_reconsume_times by retry_times_max(). */
struct retry_decision retry_decide(int32_t reconsume_times, int32_t max_reconsume_times,
                                   int32_t asked_level);

/* The message as it is to be put again: on `topic` and `queue_id`, counted as consumed once more,
 * its first topic and `message_id` kept in RETRY_TOPIC and ORIGIN_MESSAGE_ID unless an earlier
 * retry did so. delay_level 0: a dead letter. Topic and properties are in the arena or borrowed
 * from the arguments. ERR_TOO_BIG: the properties would exceed RECORD_PROPERTIES_MAX. */
MUST_CHECK int retry_prepare(struct record *record, struct slice topic, int32_t queue_id,
                             int32_t delay_level, struct slice message_id, struct arena *arena);

#endif
