/* names.h - which names topics and groups may have, and which the field keeps for itself.
 *
 * Threads    any: no state.
 */
#ifndef WIRE_NAMES_H
#define WIRE_NAMES_H

#include "base/arena.h"

enum { TOPIC_NAME_MAX = 127, RETRY_TOPIC_NAME_MAX = 255, GROUP_NAME_MAX = 120 };

#define TOPIC_SCHEDULE "SCHEDULE_TOPIC_XXXX"
#define TOPIC_AUTO_CREATE "TBW102"
#define TOPIC_BENCHMARK "BenchmarkTest"
#define TOPIC_TRANS_HALF "RMQ_SYS_TRANS_HALF_TOPIC"
#define TOPIC_TRANS_OP_HALF "RMQ_SYS_TRANS_OP_HALF_TOPIC"
#define TOPIC_TRANS_CHECK_MAX_TIME "TRANS_CHECK_MAX_TIME_TOPIC"
#define TOPIC_TRACE "RMQ_SYS_TRACE_TOPIC"
#define TOPIC_SELF_TEST "SELF_TEST_TOPIC"
#define TOPIC_OFFSET_MOVED "OFFSET_MOVED_EVENT"
#define TOPIC_CHECKPOINT "CHECKPOINT_TOPIC"
#define TOPIC_TIMER "rmq_sys_wheel_timer"
#define TOPIC_SYSTEM_PREFIX "rmq_sys_"
#define TOPIC_REPLY_SUFFIX "_REPLY_TOPIC"
#define TOPIC_RETRY_PREFIX "%RETRY%"
#define TOPIC_DLQ_PREFIX "%DLQ%"
#define TOPIC_LMQ_PREFIX "%LMQ%"

/* Whose consumer offsets tell how far half and op messages were looked through. */
#define GROUP_TRANS "CID_RMQ_SYS_TRANS"

/* Name servers keep order settings under this namespace. */
#define KV_NAMESPACE_ORDER_TOPIC "ORDER_TOPIC_CONFIG"

/* What is wrong with a topic's name, or NULL: empty, too long, or a character outside
 * [%|a-zA-Z0-9_-]. Retry and dead-letter topics may be longer. Static text. */
const char *topic_name_fault(struct slice topic);
/* The same for groups. */
const char *group_name_fault(struct slice group);

/* A topic the broker makes for its own use; `cluster` names its reply topic (may be empty). */
bool topic_is_system(struct slice topic, struct slice cluster);
/* A group that tools and brokers use. */
bool group_is_system(struct slice group);
/* A topic that clients may not send to: internal queues of the broker, the timer's too. */
bool topic_is_not_sendable(struct slice topic);

bool topic_is_retry(struct slice topic);
bool topic_is_dlq(struct slice topic);
/* %RETRY%group and %DLQ%group, in the arena. */
struct slice retry_topic_of(struct slice group, struct arena *arena);
struct slice dlq_topic_of(struct slice group, struct arena *arena);
/* The group behind a retry or dead-letter topic; the topic itself when it is neither. */
struct slice group_of_retry_topic(struct slice topic);

#endif
