/* guard.h - what the broker refuses, and what it leaves off, when it cannot keep up.
 *
 * At the door a send is refused before anything of it is stored or even decoded, with SYSTEM_BUSY
 * and the reason, when
 *   - it has waited waitTimeMillsInSendQueue in a pass that is full (brokerFastFailureEnable): the
 *     requests behind it would wait longer still. A stall of an empty broker refuses nobody:
 * whoever waited through it is served at once;
 *   - answers have waited for the disk diskBreakerMillis (SYNC_FLUSH): the breaker is open until
 * that sync is over, so that nobody queues behind a sick disk;
 *   - its topic or connection is over its rate (sendRatePerTopic, sendRatePerConnection).
 * A pull over pullRatePerGroup gets FLOW_CONTROL, after which clients come again in 20 ms.
 *
 * The ladder: while the delay of passes and of the disk stays above degradeDelayMillis, one thing
 * after the other is left off, and taken up again when it has stayed below half of that:
 *
 *   rung   left off                     who notices
 *   1      the trace topic              trace messages get SYSTEM_BUSY
 *   2      the index                    queries by key wait for it to catch up; nothing is lost
 *   3      reads from the disk          pulls of old messages get FLOW_CONTROL
 *   4      topics of lowPriorityTopics  sends to them get SYSTEM_BUSY
 *
 * Every change of breaker and ladder is a line in the log; both and what was refused stand in
 * GET_BROKER_RUNTIME_INFO.
 *
 * Threads    the broker's loop.
 * Fault points that measure: overload.wait_ns, overload.requests (of a send at the door),
 *            overload.disk_ns (the oldest answer's wait for the disk), overload.delay_ns (ladder).
 */
#ifndef BROKER_GUARD_H
#define BROKER_GUARD_H

#include "broker/ladder.h"
#include "broker/internal.h"

struct guard;

enum guard_reason { GUARD_DELAY, GUARD_DISK, GUARD_RATE, GUARD_RUNG, GUARD_REASONS };

MUST_CHECK int guard_new(struct broker *broker, struct guard **guard);
/* NULL is fine. */
void guard_free(struct guard *guard);

/* A send, before it is looked at. True: it was refused, and req is gone. */
bool guard_stops_arrival(struct guard *guard, struct request *req);
/* A send to this topic; true as above. */
bool guard_stops_send(struct guard *guard, struct request *req, struct slice topic);
/* A pull of this group; true as above. */
bool guard_stops_pull(struct guard *guard, struct request *req, struct slice group);
/* A pull that would have to wait for the disk; true as above. */
bool guard_stops_cold_read(struct guard *guard, struct request *req);

/* A pass is over; its requests took so long. */
void guard_pass_over(struct guard *guard, int64_t delay_ns);

enum rung guard_rung(const struct guard *guard);
bool guard_breaker_is_open(const struct guard *guard);
int64_t guard_refused(const struct guard *guard, enum guard_reason reason);

#endif
