/* put.h - the way of every message into the store.
 *
 * Ownership  records and what they point to are the caller's; `arena` is for changed properties.
 * Threads    the broker's loop.
 * Errors     0, or a negative code of base/err.h: nothing was stored. put_refusal() has the answer.
 */
#ifndef BROKER_PUT_H
#define BROKER_PUT_H

#include <assert.h>

#include "broker/figures/stats.h"
#include "broker/internal.h"

/* What puts to a topic found, kept beside it: a message to one of many topics then costs one
 * look-up by name. */
struct topic_places {
    struct store_place stored;
    struct stats_place counted;
};
static_assert(sizeof(struct topic_places) <= TOPIC_BESIDE_BYTES, "there is room beside a topic");

/* Stores messages of one topic and queue as store_put() does, but a message with a delay level goes
 * to the delay topic and one with a timer to the timer topic (its real topic and queue kept in
 * properties), as every way in must do; `records` tells where it went. `arena` is for changed
 * properties. Wakes nothing by itself: the store's on_arrival does. ERR_UNSUPPORTED: a timer, which
 * timerWheelEnable forbids. ERR_INVALID: a timer that is no number, too far off, or cancels what
 * was due already. */
MUST_CHECK int broker_put(struct broker *broker, struct record *records, int count,
                          struct arena *arena, struct store_put_result *result,
                          int64_t *phy_offsets);

/* The same for one that the broker made itself: no time is too far off. It is so after the clock
 * was set back by weeks. */
MUST_CHECK int broker_put_own(struct broker *broker, struct record *record, struct arena *arena,
                              struct store_put_result *result);

/* A message to this queue of the topic is about to be put. */
void broker_put_is_near(struct broker *broker, const struct topic_config *topic, int32_t queue_id);

/* The same for one message that is known to name no time: it is not looked through for one. The
 * record has the topic's own name. */
MUST_CHECK int broker_put_at_once(struct broker *broker, const struct topic_config *topic,
                                  const struct record *record, struct store_put_result *result);

/* A half message goes to its own topic, whatever its properties say about delays; they count
 * when it is committed. */
MUST_CHECK int broker_put_half(struct broker *broker, struct record *record, struct arena *arena,
                               struct store_put_result *result);

/* The response code and remark (static text, or of the arena) for a refused put. */
int32_t put_refusal(const struct broker *broker, int err, struct arena *arena,
                    struct slice *remark);

#endif
