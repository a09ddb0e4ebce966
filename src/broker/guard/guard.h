/* guard.h - what the broker refuses, and what it leaves off, when it cannot keep up.
 *
 * At the door a send is refused before anything of it is stored or even decoded, with SYSTEM_BUSY
 * and the reason, when
 *   - it has waited waitTimeMillsInSendQueue in a pass that is full (brokerFastFailureEnable): the
 *     requests behind it would wait longer still. A stall of an empty broker refuses nobody:
 *     whoever waited through it is served at once;
 *   - answers have waited for the disk diskBreakerMillis (SYNC_FLUSH): the breaker is open until
 *     that sync is over, and then takes one send at a time until one was synced (breaker.h);
 *   - its topic or connection is over its rate (sendRatePerTopic, sendRatePerConnection).
 * What a consumer sends back passes the same door. A pull over pullRatePerGroup gets FLOW_CONTROL,
 * after which clients come again in 20 ms, a pop POLLING_FULL. A pull that needs the disk gets
 * SYSTEM_BUSY when its group, or all together, read more from there than they may within
 * LIMITS_WINDOW_S seconds (coldDataFlowControlEnable): a slow consumer is slowed down, others go
 * on.
 *
 * The ladder: while the delay of passes and of the disk stays above degradeDelayMillis, one thing
 * after the other is left off, and taken up again when it has stayed below half of that:
 *
 *   rung   left off                     who notices
 *   1      the trace topic              trace messages get SYSTEM_BUSY
 *   2      the index                    queries by key wait for it to catch up; nothing is lost
 *   3      statistics by name           figures of topics, groups and queues have a gap
 *   4      reads from the disk          pulls of old messages get FLOW_CONTROL, pops POLLING_FULL
 *   5      catching up of timers        what is due is delivered a few at a time
 *   6      topics of lowPriorityTopics  sends to them get SYSTEM_BUSY
 *
 * Every change of breaker and ladder is a line in the log; both and what was refused stand in
 * GET_BROKER_RUNTIME_INFO.
 *
 * Threads    the broker's loop.
 * Fault points that measure: overload.wait_ns, overload.requests (of a send at the door),
 *            overload.disk_ns (the oldest answer's wait for the disk), overload.delay_ns (ladder),
 *            overload.cold_bytes (what a group read from the disk in the window).
 * Errors     guard_new(): ERR_NO_MEMORY.
 */
#ifndef BROKER_GUARD_H
#define BROKER_GUARD_H

#include "broker/guard/breaker.h"
#include "broker/guard/ladder.h"
#include "broker/guard/limits.h"
#include "broker/internal.h"

struct guard;

enum guard_reason { GUARD_DELAY, GUARD_DISK, GUARD_RATE, GUARD_COLD, GUARD_RUNG, GUARD_REASONS };

MUST_CHECK int guard_new(struct broker *broker, struct guard **guard);
/* NULL is fine. */
void guard_free(struct guard *guard);

/* A send or what a consumer sends back, before it is looked at. True: it was refused, and req is
 * gone. */
bool guard_stops_arrival(struct guard *guard, struct request *req);
/* A send to this topic; true as above. */
bool guard_stops_send(struct guard *guard, struct request *req, struct slice topic);
/* A pull or pop of this group; true as above. */
bool guard_stops_pull(struct guard *guard, struct request *req, struct slice group);
/* Whether this group's reads that would have to wait for the disk are left off now, and the answer
 * that says so; req is gone then. */
bool guard_stops_cold_read(struct guard *guard, struct slice group);
void guard_refuse_cold_read(struct guard *guard, struct request *req, struct slice group);
/* A group was given so much from the disk. */
void guard_count_cold_read(struct guard *guard, struct slice group, int64_t bytes);

/* Who reads from the disk, and the thresholds of single groups. */
struct limits *guard_limits(struct guard *guard);

/* An answer waits for the disk: it is looked at from now on, until none does. */
void guard_disk_is_waited_for(struct guard *guard);

/* A pass is over; its requests took so long. */
void guard_pass_over(struct guard *guard, int64_t delay_ns);

enum rung guard_rung(const struct guard *guard);
enum breaker_state guard_breaker(struct guard *guard);
int64_t guard_refused(const struct guard *guard, enum guard_reason reason);

#endif
