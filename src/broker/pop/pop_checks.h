/* pop_checks.h - what the handlers of the pop family ask alike.
 *
 * A fault is the remark of a refusal, in the request's arena; its data is NULL when nothing is
 * wrong.
 *
 * Threads    the broker's loop.
 */
#ifndef BROKER_POP_CHECKS_H
#define BROKER_POP_CHECKS_H

#include "broker/internal.h"
#include "broker/offload.h"
#include "wire/pop_info.h"
#include "wire/req_pop.h"

/* Topic, queue (below zero: any) and group of a request that reads; *code goes with the fault. The
 * group is created when allowed. */
struct slice pop_place_fault(struct broker *broker, struct request *req, struct slice topic,
                             struct slice group, int32_t queue_id, int32_t *code);
/* An invisible time that the timer would not take. */
struct slice pop_invisible_fault(const struct broker *broker, int64_t invisible_ms,
                                 struct arena *arena);

/* When a request that waits is answered at the latest. Brings its times, which may be anything,
 * near the clock: they can be reckoned with then. *born_ms 0: it was made now. */
int64_t pop_deadline_ms(int64_t now_ms, int64_t *born_ms, int64_t *poll_ms);

/* Where a pop of the queue goes on, or begins (`keeps`: and that is its consumer offset then).
 * ERR_IO, ERR_CORRUPT: where it begins cannot be told, for the queue cannot be read. */
MUST_CHECK int pop_begin_offset(struct broker *broker, struct slice topic, struct slice group,
                                int32_t queue_id, int32_t init_mode, bool keeps,
                                int64_t *queue_offset);

#endif
