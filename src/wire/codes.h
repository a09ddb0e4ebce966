/* codes.h - request and response codes of the remoting protocol, by their names in the field.
 *
 * A request code that is listed need not be served: broker/requests.c and namesrv/requests.c say
 * which are; all others are answered RESP_REQUEST_CODE_NOT_SUPPORTED. Response codes are those that
 * are given or understood here.
 *
 * Threads    any: constants.
 */
#ifndef WIRE_CODES_H
#define WIRE_CODES_H

#include <stdint.h>

/* A row each: name and number. REQ_ names are made of them, what people read, and the table of
 * docs/compatibility.md. */
/* clang-format off */
#define REQUEST_CODES(row)                                        \
    /* messages: clients to broker */                             \
    row(SEND_MESSAGE, 10)                                         \
    row(PULL_MESSAGE, 11)                                         \
    row(QUERY_MESSAGE, 12)                                        \
    row(QUERY_BROKER_OFFSET, 13)                                  \
    row(QUERY_CONSUMER_OFFSET, 14)                                \
    row(UPDATE_CONSUMER_OFFSET, 15)                               \
    row(SEARCH_OFFSET_BY_TIMESTAMP, 29)                           \
    row(GET_MAX_OFFSET, 30)                                       \
    row(GET_MIN_OFFSET, 31)                                       \
    row(GET_EARLIEST_MSG_STORETIME, 32)                           \
    row(VIEW_MESSAGE_BY_ID, 33)                                   \
    row(HEART_BEAT, 34)                                           \
    row(UNREGISTER_CLIENT, 35)                                    \
    row(CONSUMER_SEND_MSG_BACK, 36)                               \
    row(END_TRANSACTION, 37)                                      \
    row(GET_CONSUMER_LIST_BY_GROUP, 38)                           \
    row(LOCK_BATCH_MQ, 41)                                        \
    row(UNLOCK_BATCH_MQ, 42)                                      \
    row(CHECK_CLIENT_CONFIG, 46)                                  \
    row(GET_CLIENT_CONFIG, 47)                                    \
    row(SEND_MESSAGE_V2, 310)                                     \
    row(SEND_BATCH_MESSAGE, 320)                                  \
    row(SEND_REPLY_MESSAGE, 324)                                  \
    row(SEND_REPLY_MESSAGE_V2, 325)                               \
    row(LITE_PULL_MESSAGE, 361)                                   \
    row(RECALL_MESSAGE, 370)                                      \
    row(QUERY_ASSIGNMENT, 400)                                    \
    row(SET_MESSAGE_REQUEST_MODE, 401)                            \
    row(GET_ALL_MESSAGE_REQUEST_MODE, 402)                        \
    row(POP_MESSAGE, 200050)                                      \
    row(ACK_MESSAGE, 200051)                                      \
    row(PEEK_MESSAGE, 200052)                                     \
    row(CHANGE_MESSAGE_INVISIBLETIME, 200053)                     \
    row(NOTIFICATION, 200054)                                     \
    row(POLLING_INFO, 200055)                                     \
    row(POP_ROLLBACK, 200056)                                     \
    row(BATCH_ACK_MESSAGE, 200151)                                \
    /* broker to client */                                        \
    row(CHECK_TRANSACTION_STATE, 39)                              \
    row(NOTIFY_CONSUMER_IDS_CHANGED, 40)                          \
    row(RESET_CONSUMER_CLIENT_OFFSET, 220)                        \
    row(GET_CONSUMER_STATUS_FROM_CLIENT, 221)                     \
    row(GET_CONSUMER_RUNNING_INFO, 307)                           \
    row(CONSUME_MESSAGE_DIRECTLY, 309)                            \
    row(PUSH_REPLY_MESSAGE_TO_CLIENT, 326)                        \
    /* administration of a broker */                              \
    row(UPDATE_AND_CREATE_TOPIC, 17)                              \
    row(UPDATE_AND_CREATE_TOPIC_LIST, 18)                         \
    row(GET_ALL_TOPIC_CONFIG, 21)                                 \
    row(GET_TOPIC_CONFIG_LIST, 22)                                \
    row(GET_TOPIC_NAME_LIST, 23)                                  \
    row(UPDATE_BROKER_CONFIG, 25)                                 \
    row(GET_BROKER_CONFIG, 26)                                    \
    row(TRIGGER_DELETE_FILES, 27)                                 \
    row(GET_BROKER_RUNTIME_INFO, 28)                              \
    row(GET_ALL_CONSUMER_OFFSET, 43)                              \
    row(GET_ALL_DELAY_OFFSET, 45)                                 \
    row(GET_TIMER_CHECK_POINT, 60)                                \
    row(GET_TIMER_METRICS, 61)                                    \
    row(UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, 200)                 \
    row(GET_ALL_SUBSCRIPTIONGROUP_CONFIG, 201)                    \
    row(GET_TOPIC_STATS_INFO, 202)                                \
    row(GET_CONSUMER_CONNECTION_LIST, 203)                        \
    row(GET_PRODUCER_CONNECTION_LIST, 204)                        \
    row(DELETE_SUBSCRIPTIONGROUP, 207)                            \
    row(GET_CONSUME_STATS, 208)                                   \
    row(SUSPEND_CONSUMER, 209)                                    \
    row(RESUME_CONSUMER, 210)                                     \
    row(RESET_CONSUMER_OFFSET_IN_CONSUMER, 211)                   \
    row(RESET_CONSUMER_OFFSET_IN_BROKER, 212)                     \
    row(ADJUST_CONSUMER_THREAD_POOL, 213)                         \
    row(WHO_CONSUME_THE_MESSAGE, 214)                             \
    row(DELETE_TOPIC_IN_BROKER, 215)                              \
    row(INVOKE_BROKER_TO_RESET_OFFSET, 222)                       \
    row(INVOKE_BROKER_TO_GET_CONSUMER_STATUS, 223)                \
    row(UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, 225)            \
    row(QUERY_TOPIC_CONSUME_BY_WHO, 300)                          \
    row(REGISTER_FILTER_SERVER, 301)                              \
    row(REGISTER_MESSAGE_FILTER_CLASS, 302)                       \
    row(QUERY_CONSUME_TIME_SPAN, 303)                             \
    row(GET_SYSTEM_TOPIC_LIST_FROM_BROKER, 305)                   \
    row(CLEAN_EXPIRED_CONSUMEQUEUE, 306)                          \
    row(QUERY_CORRECTION_OFFSET, 308)                             \
    row(CLONE_GROUP_OFFSET, 314)                                  \
    row(VIEW_BROKER_STATS_DATA, 315)                              \
    row(CLEAN_UNUSED_TOPIC, 316)                                  \
    row(GET_BROKER_CONSUME_STATS, 317)                            \
    row(QUERY_CONSUME_QUEUE, 321)                                 \
    row(RESUME_CHECK_HALF_MESSAGE, 323)                           \
    row(GET_ALL_PRODUCER_INFO, 328)                               \
    row(DELETE_EXPIRED_COMMITLOG, 329)                            \
    row(QUERY_TOPICS_BY_CONSUMER, 343)                            \
    row(QUERY_SUBSCRIPTION_BY_CONSUMER, 345)                      \
    row(GET_TOPIC_CONFIG, 351)                                    \
    row(GET_SUBSCRIPTIONGROUP_CONFIG, 352)                        \
    row(UPDATE_AND_GET_GROUP_FORBIDDEN, 353)                      \
    row(CHECK_ROCKSDB_CQ_WRITE_PROGRESS, 354)                     \
    row(EXPORT_ROCKSDB_CONFIG_TO_JSON, 355)                       \
    row(UPDATE_AND_CREATE_STATIC_TOPIC, 513)                      \
    row(UPDATE_COLD_DATA_FLOW_CTR_CONFIG, 2001)                   \
    row(REMOVE_COLD_DATA_FLOW_CTR_CONFIG, 2002)                   \
    row(GET_COLD_DATA_FLOW_CTR_INFO, 2003)                        \
    row(SET_COMMITLOG_READ_MODE, 2004)                            \
    /* Ramjet's own, in a range that the reference leaves free */ \
    row(GET_SLOW_REQUESTS, 90001)                                 \
    /* name server */                                             \
    row(PUT_KV_CONFIG, 100)                                       \
    row(GET_KV_CONFIG, 101)                                       \
    row(DELETE_KV_CONFIG, 102)                                    \
    row(REGISTER_BROKER, 103)                                     \
    row(UNREGISTER_BROKER, 104)                                   \
    row(GET_ROUTEINFO_BY_TOPIC, 105)                              \
    row(GET_BROKER_CLUSTER_INFO, 106)                             \
    row(WIPE_WRITE_PERM_OF_BROKER, 205)                           \
    row(GET_ALL_TOPIC_LIST_FROM_NAMESERVER, 206)                  \
    row(DELETE_TOPIC_IN_NAMESRV, 216)                             \
    row(REGISTER_TOPIC_IN_NAMESRV, 217)                           \
    row(GET_KVLIST_BY_NAMESPACE, 219)                             \
    row(GET_TOPICS_BY_CLUSTER, 224)                               \
    row(GET_SYSTEM_TOPIC_LIST_FROM_NS, 304)                       \
    row(GET_UNIT_TOPIC_LIST, 311)                                 \
    row(GET_HAS_UNIT_SUB_TOPIC_LIST, 312)                         \
    row(GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, 313)                  \
    row(UPDATE_NAMESRV_CONFIG, 318)                               \
    row(GET_NAMESRV_CONFIG, 319)                                  \
    row(QUERY_DATA_VERSION, 322)                                  \
    row(ADD_WRITE_PERM_OF_BROKER, 327)                            \
    /* between brokers, name servers and controllers */           \
    row(GET_BROKER_MEMBER_GROUP, 901)                             \
    row(ADD_BROKER, 902)                                          \
    row(REMOVE_BROKER, 903)                                       \
    row(BROKER_HEARTBEAT, 904)                                    \
    row(NOTIFY_MIN_BROKER_ID_CHANGE, 905)                         \
    row(EXCHANGE_BROKER_HA_INFO, 906)                             \
    row(GET_BROKER_HA_STATUS, 907)                                \
    row(RESET_MASTER_FLUSH_OFFSET, 908)                           \
    row(CONTROLLER_ALTER_SYNC_STATE_SET, 1001)                    \
    row(CONTROLLER_ELECT_MASTER, 1002)                            \
    row(CONTROLLER_REGISTER_BROKER, 1003)                         \
    row(CONTROLLER_GET_REPLICA_INFO, 1004)                        \
    row(CONTROLLER_GET_METADATA_INFO, 1005)                       \
    row(CONTROLLER_GET_SYNC_STATE_DATA, 1006)                     \
    row(GET_BROKER_EPOCH_CACHE, 1007)                             \
    row(NOTIFY_BROKER_ROLE_CHANGED, 1008)                         \
    row(UPDATE_CONTROLLER_CONFIG, 1009)                           \
    row(GET_CONTROLLER_CONFIG, 1010)                              \
    row(CLEAN_BROKER_DATA, 1011)                                  \
    row(CONTROLLER_GET_NEXT_BROKER_ID, 1012)                      \
    row(CONTROLLER_APPLY_BROKER_ID, 1013)                         \
    /* users and access control lists */                          \
    row(AUTH_CREATE_USER, 3001)                                   \
    row(AUTH_UPDATE_USER, 3002)                                   \
    row(AUTH_DELETE_USER, 3003)                                   \
    row(AUTH_GET_USER, 3004)                                      \
    row(AUTH_LIST_USER, 3005)                                     \
    row(AUTH_CREATE_ACL, 3006)                                    \
    row(AUTH_UPDATE_ACL, 3007)                                    \
    row(AUTH_DELETE_ACL, 3008)                                    \
    row(AUTH_GET_ACL, 3009)                                       \
    row(AUTH_LIST_ACL, 3010)
/* clang-format on */

enum request_code {
#define REQUEST_CODE(name, code) REQ_##name = code,
    REQUEST_CODES(REQUEST_CODE)
#undef REQUEST_CODE
};
/* "SEND_MESSAGE_V2", for logs and people; "unknown" when it is none of them. Static text. */
const char *request_code_name(int32_t code);

enum response_code {
    RESP_SUCCESS = 0,
    RESP_SYSTEM_ERROR = 1,
    RESP_SYSTEM_BUSY = 2,
    RESP_REQUEST_CODE_NOT_SUPPORTED = 3,
    RESP_FLUSH_DISK_TIMEOUT = 10,
    RESP_FLUSH_SLAVE_TIMEOUT = 12,
    RESP_MESSAGE_ILLEGAL = 13,
    RESP_SERVICE_NOT_AVAILABLE = 14,
    RESP_NO_PERMISSION = 16,
    RESP_TOPIC_NOT_EXIST = 17,
    RESP_PULL_NOT_FOUND = 19,
    RESP_PULL_RETRY_IMMEDIATELY = 20,
    RESP_PULL_OFFSET_MOVED = 21,
    RESP_QUERY_NOT_FOUND = 22,
    RESP_SUBSCRIPTION_PARSE_FAILED = 23,
    RESP_SUBSCRIPTION_NOT_EXIST = 24,
    RESP_SUBSCRIPTION_NOT_LATEST = 25,
    RESP_SUBSCRIPTION_GROUP_NOT_EXIST = 26,
    RESP_FILTER_DATA_NOT_EXIST = 27,
    RESP_FILTER_DATA_NOT_LATEST = 28,
    RESP_INVALID_PARAMETER = 29, /* 4.x servers say RESP_SYSTEM_ERROR */
    RESP_CONSUMER_NOT_ONLINE = 206,
    RESP_CONSUME_MSG_TIMEOUT = 207,
    RESP_NO_MESSAGE = 208,
    RESP_POLLING_FULL = 209,
    RESP_POLLING_TIMEOUT = 210,
    RESP_FLOW_CONTROL = 215,
    RESP_ILLEGAL_OPERATION = 604,
    RESP_GO_AWAY = 1500,
};

#endif
