/* properties.h - the property text of a message: name 0x01 value 0x02, repeated.
 *
 * A pair needs a name and a value of at least one byte; others are skipped when reading. When a
 * name stands twice, the later one wins. Values must hold neither 0x01 nor 0x02.
 *
 * Ownership  what is found borrows from the text.
 * Threads    any: no state.
 */
#ifndef WIRE_PROPERTIES_H
#define WIRE_PROPERTIES_H

#include "base/arena.h"

#define PROPERTY_KEYS "KEYS"
#define PROPERTY_TAGS "TAGS"
#define PROPERTY_WAIT "WAIT"
#define PROPERTY_DELAY "DELAY"
#define PROPERTY_RETRY_TOPIC "RETRY_TOPIC"
#define PROPERTY_REAL_TOPIC "REAL_TOPIC"
#define PROPERTY_REAL_QUEUE_ID "REAL_QID"
#define PROPERTY_TRANSACTION_PREPARED "TRAN_MSG"
#define PROPERTY_PRODUCER_GROUP "PGROUP"
#define PROPERTY_TRANSACTION_ID "__transactionId__"
#define PROPERTY_TRANSACTION_CHECK_TIMES "TRANSACTION_CHECK_TIMES"
#define PROPERTY_TRANSACTION_FIRST_OFFSET "TRAN_PREPARED_QUEUE_OFFSET"
#define PROPERTY_CHECK_IMMUNITY_SECONDS "CHECK_IMMUNITY_TIME_IN_SECONDS"
#define PROPERTY_ORIGIN_MESSAGE_ID "ORIGIN_MESSAGE_ID"
#define PROPERTY_REPLY_TO_CLIENT "REPLY_TO_CLIENT"
#define PROPERTY_PUSH_REPLY_TIME "PUSH_REPLY_TIME"
#define PROPERTY_MSG_REGION "MSG_REGION"
#define PROPERTY_TRACE_ON "TRACE_ON"
#define PROPERTY_UNIQ_KEY "UNIQ_KEY"
#define PROPERTY_BORN_TIMESTAMP "BORN_TIMESTAMP"
#define PROPERTY_CLUSTER "CLUSTER"
#define PROPERTY_POP_CK "POP_CK"
#define PROPERTY_FIRST_POP_TIME "1ST_POP_TIME"
#define PROPERTY_INNER_NUM "INNER_NUM"
#define PROPERTY_INNER_BASE "INNER_BASE"
#define PROPERTY_TIMER_DELAY_SEC "TIMER_DELAY_SEC"
#define PROPERTY_TIMER_DELAY_MS "TIMER_DELAY_MS"
#define PROPERTY_TIMER_DELIVER_MS "TIMER_DELIVER_MS"
#define PROPERTY_TIMER_OUT_MS "TIMER_OUT_MS"
#define PROPERTY_TIMER_ENQUEUE_MS "TIMER_ENQUEUE_MS"
#define PROPERTY_TIMER_DEQUEUE_MS "TIMER_DEQUEUE_MS"
#define PROPERTY_TIMER_ROLL_TIMES "TIMER_ROLL_TIMES"
#define PROPERTY_TIMER_DEL_UNIQ_KEY "TIMER_DEL_UNIQKEY"

/* The value; data NULL when absent. */
struct slice property_get(struct slice properties, struct slice name);

/* The values of so many names, as by property_get(), in one pass. */
void properties_find(struct slice properties, const struct slice *names, int count,
                     struct slice *values);

/* Walks the pairs in order, malformed ones skipped. *rest starts as the whole text. */
bool property_next(struct slice *rest, struct slice *name, struct slice *value);

/* One change of property_edit(): value.data NULL removes the name. */
struct property_change {
    struct slice name;
    struct slice value;
};

/* The text with the changes applied, in the arena, ended by 0x02 unless empty: every pair of a
 * changed name is dropped, its new one appended. What is not named stays byte for byte. */
struct slice properties_edit(struct slice properties, const struct property_change *changes,
                             int count, struct arena *arena);

#endif
