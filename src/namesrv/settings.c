/* settings.c - the settings of a name server: every key, its default, its limits, and when it may
 * change.
 *
 * What may change at run time is numbers and switches only: a changed set of settings is tried on a
 * plain copy of the struct (handle_config.c), whose texts stay those of the original. */
#include "namesrv/namesrv.h"

/* clang-format off */

/* Why a key of the reference has no effect. */
#define OF_POOLS "one loop serves all requests: there are no pools and queues between them"
#define OF_CONTROLLERS "there is no controller yet"
#define OF_BUFFERS "how much is buffered is bounded by the memory there is"

static const struct conf_row rows[] = {
    CONF_STRING(struct namesrv_conf, bind_address, "bindAddress", "0.0.0.0", CONF_AT_START, "address to listen on"),
    CONF_INT(struct namesrv_conf, listen_port, "listenPort", 9876, 0, 65535, CONF_AT_START, "port; 0: any that is free"),
    CONF_INT(struct namesrv_conf, server_channel_max_idle_seconds, "serverChannelMaxIdleTimeSeconds", 120, 0, 86400, CONF_AT_START, "seconds of silence after which a connection is closed; 0: never"),
    TLS_ROLE_ROWS(struct namesrv_conf, tls.),
    CONF_STRING(struct namesrv_conf, kv_config_path, "kvConfigPath", "~/namesrv/kvConfig.json", CONF_AT_START, "file of the KV configuration"),
    CONF_STRING(struct namesrv_conf, config_store_path, "configStorePath", "~/namesrv/namesrv.properties", CONF_AT_START, "file that changed settings are written to"),
    CONF_STRING(struct namesrv_conf, config_black_list, "configBlackList", "configBlackList;configStorePath;kvConfigPath", CONF_AT_START, "keys that no request may change"),
    CONF_I64(struct namesrv_conf, scan_not_active_broker_interval_ms, "scanNotActiveBrokerInterval", 5000, 1, 600000, CONF_AT_RUN_TIME, "ms between two looks for brokers that fell silent, at least"),
    CONF_BOOL(struct namesrv_conf, support_acting_master, "supportActingMaster", false, CONF_AT_RUN_TIME, "show a slave as master for reading while there is none"),
    CONF_BOOL(struct namesrv_conf, notify_min_broker_id_changed, "notifyMinBrokerIdChanged", false, CONF_AT_RUN_TIME, "tell the brokers of a group when their smallest id changes"),
    CONF_BOOL(struct namesrv_conf, delete_topic_with_broker_registration, "deleteTopicWithBrokerRegistration", false, CONF_AT_RUN_TIME, "forget topics that a registration leaves out"),
    CONF_BOOL(struct namesrv_conf, order_message_enable, "orderMessageEnable", false, CONF_AT_RUN_TIME, "put the order settings of a topic into its route"),
    CONF_BOOL(struct namesrv_conf, return_order_topic_config_to_broker, "returnOrderTopicConfigToBroker", true, CONF_AT_RUN_TIME, "answer a registration with the order settings"),
    CONF_BOOL(struct namesrv_conf, enable_topic_list, "enableTopicList", true, CONF_AT_RUN_TIME, "serve the lists of topics by cluster and unit"),
    CONF_BOOL(struct namesrv_conf, enable_all_topic_list, "enableAllTopicList", true, CONF_AT_RUN_TIME, "serve the list of all topics"),
    CONF_BOOL(struct namesrv_conf, need_wait_for_service, "needWaitForService", false, CONF_AT_RUN_TIME, "give no routes until brokers had time to register"),
    CONF_INT(struct namesrv_conf, wait_seconds_for_service, "waitSecondsForService", 45, 0, 86400, CONF_AT_RUN_TIME, "how long that is, in seconds"),

    /* keys of the reference that have no effect here */
    CONF_KNOWN("tls.server.keyPassword", "", TLS_PASSWORDS_WHY),
    CONF_KNOWN("tls.client.keyPassword", "", TLS_PASSWORDS_WHY),
    CONF_KNOWN("rocketmqHome", "", CONF_OF_THE_JVM),
    CONF_KNOWN("productEnvName", "center", CONF_OF_THE_JVM),
    CONF_KNOWN("clusterTest", "false", CONF_NOT_YET),
    CONF_KNOWN("enableControllerInNamesrv", "false", OF_CONTROLLERS),
    CONF_KNOWN("unRegisterBrokerQueueCapacity", "3000", OF_POOLS),
    CONF_KNOWN("clientRequestThreadPoolNums", "8", OF_POOLS),
    CONF_KNOWN("clientRequestThreadPoolQueueCapacity", "50000", OF_POOLS),
    CONF_KNOWN("defaultThreadPoolNums", "16", OF_POOLS),
    CONF_KNOWN("defaultThreadPoolQueueCapacity", "10000", OF_POOLS),
    CONF_KNOWN("serverWorkerThreads", "8", OF_POOLS),
    CONF_KNOWN("serverCallbackExecutorThreads", "0", OF_POOLS),
    CONF_KNOWN("serverSelectorThreads", "3", OF_POOLS),
    CONF_KNOWN("serverOnewaySemaphoreValue", "256", OF_POOLS),
    CONF_KNOWN("serverAsyncSemaphoreValue", "64", OF_POOLS),
    CONF_KNOWN("serverSocketSndBufSize", "0", OF_BUFFERS),
    CONF_KNOWN("serverSocketRcvBufSize", "0", OF_BUFFERS),
    CONF_KNOWN("serverSocketBacklog", "1024", OF_BUFFERS),
    CONF_KNOWN("serverPooledByteBufAllocatorEnable", "true", CONF_OF_THE_JVM),
    CONF_KNOWN("useEpollNativeSelector", "false", OF_POOLS),
    CONF_KNOWN("writeBufferHighWaterMark", "0", OF_BUFFERS),
    CONF_KNOWN("writeBufferLowWaterMark", "0", OF_BUFFERS),
};
/* clang-format on */

const struct conf_table namesrv_conf_table = { rows, sizeof rows / sizeof rows[0] };

void namesrv_conf_init(struct namesrv_conf *conf)
{
    conf_init(&namesrv_conf_table, conf);
}

void namesrv_conf_fini(struct namesrv_conf *conf)
{
    conf_fini(&namesrv_conf_table, conf);
}
