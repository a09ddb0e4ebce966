/* settings.c - the settings of a broker: every key, its default, its limits, and when it may
 * change. */
#include <stdlib.h>

#include "base/log.h"
#include "broker/internal.h"

static const struct conf_row rows[] = {
    /* who and where */
    CONF_STRING(struct broker_conf, cluster_name, "brokerClusterName", "DefaultCluster",
                CONF_AT_START, "the cluster this broker belongs to"),
    CONF_STRING(struct broker_conf, broker_name, "brokerName", "", CONF_AT_START,
                "the broker's name; empty: the host's"),
    CONF_I64(struct broker_conf, broker_id, "brokerId", 0, 0, INT64_MAX, CONF_AT_START,
             "0: master"),
    CONF_STRING(struct broker_conf, broker_ip1, "brokerIP1", "", CONF_AT_START,
                "address told to name servers and written into messages; empty: the first that is "
                "not loopback"),
    CONF_STRING(struct broker_conf, bind_address, "bindAddress", "0.0.0.0", CONF_AT_START,
                "address to listen on"),
    CONF_INT(struct broker_conf, listen_port, "listenPort", 10911, 0, 65535, CONF_AT_START,
             "port for clients; 0: any that is free"),
    CONF_STRING(struct broker_conf, namesrv_addr, "namesrvAddr", "", CONF_AT_START,
                "name servers, \"host:port;host:port\""),
    /* topics and groups */
    CONF_BOOL(struct broker_conf, auto_create_topic_enable, "autoCreateTopicEnable", true,
              CONF_AT_RUN_TIME, "a send to an unknown topic creates it"),
    CONF_INT(struct broker_conf, default_topic_queue_nums, "defaultTopicQueueNums", 8, 1, 1024,
             CONF_AT_RUN_TIME, "most queues of a topic that a send creates"),
    CONF_BOOL(struct broker_conf, auto_create_subscription_group, "autoCreateSubscriptionGroup",
              true, CONF_AT_RUN_TIME, "an unknown consumer group is created when it shows up"),
    CONF_BOOL(struct broker_conf, cluster_topic_enable, "clusterTopicEnable", true, CONF_AT_START,
              "the topic named like the cluster can be read and written"),
    CONF_BOOL(struct broker_conf, broker_topic_enable, "brokerTopicEnable", true, CONF_AT_START,
              "the topic named like the broker can be read and written"),
    CONF_BOOL(struct broker_conf, trace_topic_enable, "traceTopicEnable", false, CONF_AT_START,
              "make the trace topic at start"),
    CONF_STRING(struct broker_conf, msg_trace_topic_name, "msgTraceTopicName",
                "RMQ_SYS_TRACE_TOPIC", CONF_AT_START, "the trace topic"),
    CONF_BOOL(struct broker_conf, trace_on, "traceOn", true, CONF_AT_RUN_TIME,
              "tell producers that traces are wanted"),
    CONF_STRING(struct broker_conf, region_id, "regionId", "DefaultRegion", CONF_AT_START,
                "region told to producers"),
    CONF_INT(struct broker_conf, broker_permission, "brokerPermission", 6, 0, 15, CONF_AT_RUN_TIME,
             "4: read, 2: write"),
    CONF_BOOL(struct broker_conf, reject_transaction_message, "rejectTransactionMessage", false,
              CONF_AT_RUN_TIME, "refuse transactional messages"),
    /* registration */
    CONF_INT(struct broker_conf, register_name_server_period_ms, "registerNameServerPeriod", 30000,
             10000, 60000, CONF_AT_RUN_TIME, "ms between registrations"),
    CONF_INT(struct broker_conf, register_broker_timeout_ms, "registerBrokerTimeoutMills", 24000,
             100, 60000, CONF_AT_RUN_TIME, "ms to wait for a name server"),
    CONF_BOOL(struct broker_conf, force_register, "forceRegister", true, CONF_AT_RUN_TIME,
              "register each period, also when nothing changed"),
    CONF_BOOL(struct broker_conf, compressed_register, "compressedRegister", false,
              CONF_AT_RUN_TIME, "register with a compressed body"),
    /* consuming */
    CONF_BOOL(struct broker_conf, long_polling_enable, "longPollingEnable", true, CONF_AT_RUN_TIME,
              "pulls wait for as long as they ask to"),
    CONF_I64(struct broker_conf, short_polling_time_ms, "shortPollingTimeMills", 1000, 0, 60000,
             CONF_AT_RUN_TIME, "ms a pull waits when longPollingEnable is off"),
    CONF_BOOL(struct broker_conf, notify_consumer_ids_changed_enable,
              "notifyConsumerIdsChangedEnable", true, CONF_AT_RUN_TIME,
              "tell consumers when their group's members change"),
    CONF_BOOL(struct broker_conf, reject_pull_consumer_enable, "rejectPullConsumerEnable", false,
              CONF_AT_RUN_TIME, "refuse consumers that pull by themselves"),
    CONF_BOOL(struct broker_conf, lite_pull_message_enable, "litePullMessageEnable", true,
              CONF_AT_RUN_TIME, "serve lite pulls"),
    CONF_INT(struct broker_conf, flush_consumer_offset_interval_ms, "flushConsumerOffsetInterval",
             5000, 100, 600000, CONF_AT_RUN_TIME, "ms from a changed consumer offset to its file"),
    CONF_I64(struct broker_conf, channel_expired_timeout_ms, "channelExpiredTimeout", 120000, 1000,
             86400000, CONF_AT_RUN_TIME, "ms without a heartbeat after which a client is dropped"),
    CONF_INT(struct broker_conf, max_transfer_count_in_memory, "maxTransferCountOnMessageInMemory",
             32, 1, 1024, CONF_AT_RUN_TIME, "messages in one answer, from memory"),
    CONF_I64(struct broker_conf, max_transfer_bytes_in_memory, "maxTransferBytesOnMessageInMemory",
             262144, 1, 8388608, CONF_AT_RUN_TIME, "bytes in one answer, from memory"),
    CONF_INT(struct broker_conf, max_transfer_count_on_disk, "maxTransferCountOnMessageInDisk", 8,
             1, 1024, CONF_AT_RUN_TIME, "messages in one answer, from disk"),
    CONF_I64(struct broker_conf, max_transfer_bytes_on_disk, "maxTransferBytesOnMessageInDisk",
             65536, 1, 8388608, CONF_AT_RUN_TIME, "bytes in one answer, from disk"),
    CONF_BOOL(struct broker_conf, disable_consume_if_read_slowly,
              "disableConsumeIfConsumerReadSlowly", false, CONF_AT_RUN_TIME,
              "take the right to consume from groups that are too far behind"),
    CONF_I64(struct broker_conf, consumer_fallbehind_threshold, "consumerFallbehindThreshold",
             17179869184, 0, INT64_MAX, CONF_AT_RUN_TIME, "how far that is, in bytes"),
    CONF_INT(struct broker_conf, default_query_max_num, "defaultQueryMaxNum", 32, 1, 1024,
             CONF_AT_RUN_TIME, "most messages found by a unique key"),
    CONF_I64(struct broker_conf, start_accept_send_request_timestamp,
             "startAcceptSendRequestTimeStamp", 0, 0, INT64_MAX, CONF_AT_RUN_TIME,
             "time in ms before which sends are refused"),
    /* connections */
    CONF_INT(struct broker_conf, server_channel_max_idle_seconds, "serverChannelMaxIdleTimeSeconds",
             120, 0, 86400, CONF_AT_START,
             "seconds of silence after which a connection is closed; 0: never"),
    /* store */
    CONF_STRING(struct broker_conf, store_path_root_dir, "storePathRootDir", "~/store",
                CONF_AT_START, "the store directory"),
    CONF_STRING(struct broker_conf, store_path_commit_log, "storePathCommitLog", "", CONF_AT_START,
                "the commit log; empty: below the store directory"),
    CONF_I64(struct broker_conf, commit_log_file_bytes, "mappedFileSizeCommitLog", 1073741824,
             65536, 2147483647, CONF_AT_START, "bytes of a commit log file"),
    CONF_I64(struct broker_conf, consume_queue_file_bytes, "mappedFileSizeConsumeQueue", 6000000,
             20, 2147483640, CONF_AT_START, "bytes of a consume queue file"),
    CONF_STRING(struct broker_conf, broker_role, "brokerRole", "ASYNC_MASTER", CONF_AT_START,
                "ASYNC_MASTER; SYNC_MASTER is the same without slaves, SLAVE is refused"),
    CONF_STRING(struct broker_conf, flush_disk_type, "flushDiskType", "ASYNC_FLUSH", CONF_AT_START,
                "SYNC_FLUSH: a send is answered when it is on disk"),
    CONF_I64(struct broker_conf, sync_flush_timeout_ms, "syncFlushTimeout", 5000, 1, 600000,
             CONF_AT_START, "ms a send waits for the disk"),
    CONF_I64(struct broker_conf, flush_interval_commit_log_ms, "flushIntervalCommitLog", 500, 1,
             600000, CONF_AT_START, "ms between flushes of the commit log"),
    CONF_I64(struct broker_conf, flush_interval_consume_queue_ms, "flushIntervalConsumeQueue", 1000,
             1, 600000, CONF_AT_START, "ms between flushes of consume queues"),
    CONF_I64(struct broker_conf, clean_resource_interval_ms, "cleanResourceInterval", 10000, 100,
             3600000, CONF_AT_START, "ms between looks for files to delete"),
    CONF_INT(struct broker_conf, file_reserved_hours, "fileReservedTime", 72, 1, 876000,
             CONF_AT_START, "hours a file is kept"),
    CONF_STRING(struct broker_conf, delete_when, "deleteWhen", "04", CONF_AT_START,
                "hours of the day, \"04;16\", when old files are deleted"),
    CONF_INT(struct broker_conf, disk_max_used_space_ratio, "diskMaxUsedSpaceRatio", 75, 10, 95,
             CONF_AT_START, "percent of the disk above which old files are deleted at any hour"),
    CONF_INT(struct broker_conf, disk_space_clean_forcibly_ratio, "diskSpaceCleanForciblyRatio", 85,
             30, 99, CONF_AT_START, "percent above which files go before their time"),
    CONF_INT(struct broker_conf, disk_space_warning_level_ratio, "diskSpaceWarningLevelRatio", 90,
             35, 99, CONF_AT_START, "percent above which sends are refused"),
    CONF_BOOL(struct broker_conf, clean_file_forcibly_enable, "cleanFileForciblyEnable", true,
              CONF_AT_START, "allow that"),
    CONF_INT(struct broker_conf, max_message_bytes, "maxMessageSize", 4194304, 1, 16000000,
             CONF_AT_START, "bytes of a message body"),
    CONF_BOOL(struct broker_conf, message_index_enable, "messageIndexEnable", true, CONF_AT_START,
              "make messages searchable by key"),
    CONF_INT(struct broker_conf, max_hash_slot_num, "maxHashSlotNum", 5000000, 1, 100000000,
             CONF_AT_START, "slots of an index file"),
    CONF_INT(struct broker_conf, max_index_num, "maxIndexNum", 20000000, 2, 100000000,
             CONF_AT_START, "entries of an index file"),
    CONF_INT(struct broker_conf, max_msgs_num_batch, "maxMsgsNumBatch", 64, 1, 1024,
             CONF_AT_RUN_TIME, "most messages found by a key"),
    CONF_STRING(struct broker_conf, message_delay_level, "messageDelayLevel",
                "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h", CONF_AT_START,
                "delays of the levels from 1 on"),
    CONF_I64(struct broker_conf, flush_delay_offset_interval_ms, "flushDelayOffsetInterval", 10000,
             100, 600000, CONF_AT_RUN_TIME, "ms from a delivered delayed message to its file"),

    /* keys of the reference that have no effect yet */
    /* identity, network */
    CONF_KNOWN("brokerIP2", ""),
    CONF_KNOWN("haListenPort", "10912"),
    CONF_KNOWN("fetchNameSrvAddrByDnsLookup", "false"),
    CONF_KNOWN("fetchNamesrvAddrByAddressServer", "false"),
    CONF_KNOWN("serverSelectorThreads", "3"),
    CONF_KNOWN("serverWorkerThreads", "8"),
    CONF_KNOWN("serverCallbackExecutorThreads", "0"),
    CONF_KNOWN("serverOnewaySemaphoreValue", "256"),
    CONF_KNOWN("serverAsyncSemaphoreValue", "64"),
    CONF_KNOWN("useEpollNativeSelector", "false"),
    CONF_KNOWN("rocketmqHome", ""),
    CONF_KNOWN("serverSocketSndBufSize", "0"),
    CONF_KNOWN("serverSocketRcvBufSize", "0"),
    CONF_KNOWN("serverPooledByteBufAllocatorEnable", "true"),
    /* topics and groups */
    CONF_KNOWN("enableCreateSysGroup", "true"),
    CONF_KNOWN("validateSystemTopicWhenUpdateTopic", "true"),
    CONF_KNOWN("enableMixedMessageType", "false"),
    /* registration */
    CONF_KNOWN("enableSingleTopicRegister", "false"),
    CONF_KNOWN("enableSplitRegistration", "false"),
    CONF_KNOWN("splitRegistrationSize", "800"),
    CONF_KNOWN("enableSplitMetadata", "true"),
    CONF_KNOWN("splitMetadataSize", "2000"),
    CONF_KNOWN("brokerHeartbeatInterval", "1000"),
    CONF_KNOWN("brokerNotActiveTimeoutMillis", "10000"),
    /* consuming */
    CONF_KNOWN("realTimeNotifyConsumerChange", "true"),
    CONF_KNOWN("slaveReadEnable", "false"),
    CONF_KNOWN("subscriptionExpiredTimeout", "600000"),
    CONF_KNOWN("transferMsgByHeap", "true"),
    CONF_KNOWN("useServerSideResetOffset", "true"),
    CONF_KNOWN("enablePropertyFilter", "false"),
    CONF_KNOWN("filterSupportRetry", "false"),
    CONF_KNOWN("enableCalcFilterBitMap", "false"),
    CONF_KNOWN("enableBroadcastOffsetStore", "true"),
    CONF_KNOWN("estimateAccumulation", "true"),
    /* pop and rebalance */
    CONF_KNOWN("serverLoadBalancerEnable", "true"),
    CONF_KNOWN("defaultMessageRequestMode", "PULL"),
    CONF_KNOWN("defaultPopShareQueueNum", "-1"),
    CONF_KNOWN("reviveQueueNum", "8"),
    CONF_KNOWN("reviveInterval", "1000"),
    CONF_KNOWN("popPollingSize", "1024"),
    CONF_KNOWN("popPollingMapSize", "100000"),
    CONF_KNOWN("maxPopPollingSize", "100000"),
    CONF_KNOWN("enablePopBufferMerge", "false"),
    CONF_KNOWN("enablePopBatchAck", "false"),
    CONF_KNOWN("popFromRetryProbability", "20"),
    CONF_KNOWN("enableRetryTopicV2", "false"),
    CONF_KNOWN("retrieveMessageFromPopRetryTopicV1", "true"),
    CONF_KNOWN("popConsumerFSServiceInit", "true"),
    CONF_KNOWN("popConsumerKVServiceEnable", "false"),
    CONF_KNOWN("popReviveMaxAttemptTimes", "16"),
    CONF_KNOWN("initPopOffsetByCheckMsgInMem", "true"),
    CONF_KNOWN("popInflightMessageThreshold", "10000"),
    CONF_KNOWN("popResponseReturnActualRetryTopic", "false"),
    /* transactions, recall, reply */
    CONF_KNOWN("transactionTimeOut", "6000"),
    CONF_KNOWN("transactionCheckMax", "15"),
    CONF_KNOWN("transactionCheckInterval", "30000"),
    CONF_KNOWN("transactionOpMsgMaxSize", "4096"),
    CONF_KNOWN("transactionOpBatchInterval", "3000"),
    CONF_KNOWN("recallMessageEnable", "false"),
    CONF_KNOWN("storeReplyMessageEnable", "true"),
    /* overload */
    CONF_KNOWN("brokerFastFailureEnable", "true"),
    CONF_KNOWN("waitTimeMillsInSendQueue", "200"),
    CONF_KNOWN("waitTimeMillsInPullQueue", "5000"),
    CONF_KNOWN("waitTimeMillsInHeartbeatQueue", "31000"),
    CONF_KNOWN("waitTimeMillsInTransactionQueue", "3000"),
    CONF_KNOWN("waitTimeMillsInAckQueue", "3000"),
    CONF_KNOWN("sendThreadPoolQueueCapacity", "10000"),
    CONF_KNOWN("pullThreadPoolQueueCapacity", "100000"),
    CONF_KNOWN("sendMessageThreadPoolNums", "1"),
    CONF_KNOWN("pullMessageThreadPoolNums", "16"),
    CONF_KNOWN("enableNetWorkFlowControl", "false"),
    CONF_KNOWN("asyncSendEnable", "true"),
    /* security and metrics */
    CONF_KNOWN("aclEnable", "false"),
    CONF_KNOWN("authenticationEnabled", "false"),
    CONF_KNOWN("authenticationProvider", ""),
    CONF_KNOWN("authenticationMetadataProvider", ""),
    CONF_KNOWN("initAuthenticationUser", ""),
    CONF_KNOWN("innerClientAuthenticationCredentials", ""),
    CONF_KNOWN("authorizationEnabled", "false"),
    CONF_KNOWN("authorizationProvider", ""),
    CONF_KNOWN("authorizationMetadataProvider", ""),
    CONF_KNOWN("migrateAuthFromV1Enabled", "false"),
    CONF_KNOWN("configBlackList", ""),
    CONF_KNOWN("metricsExporterType", "DISABLE"),
    CONF_KNOWN("metricsGrpcExporterTarget", ""),
    CONF_KNOWN("metricsPromExporterPort", "5557"),
    CONF_KNOWN("metricsPromExporterHost", ""),
    CONF_KNOWN("metricsLabel", ""),
    CONF_KNOWN("metricsInDelta", "false"),
    CONF_KNOWN("metricsOtelCardinalityLimit", "50000"),
    CONF_KNOWN("enableRemotingMetrics", "true"),
    CONF_KNOWN("enableMessageStoreMetrics", "true"),
    CONF_KNOWN("enablePopMetrics", "true"),
    CONF_KNOWN("enableConnectionMetrics", "true"),
    CONF_KNOWN("enableTransactionMetrics", "true"),
    CONF_KNOWN("enableStatsMetrics", "true"),
    CONF_KNOWN("enableRequestMetrics", "true"),
    CONF_KNOWN("enableLagAndDlqMetrics", "true"),
    /* store */
    CONF_KNOWN("flushCommitLogLeastPages", "4"),
    CONF_KNOWN("flushCommitLogThoroughInterval", "10000"),
    CONF_KNOWN("flushConsumeQueueThoroughInterval", "60000"),
    CONF_KNOWN("accessMessageInMemoryMaxRatio", "40"),
    CONF_KNOWN("pullBatchMaxMessageCount", "160"),
    CONF_KNOWN("osPageCacheBusyTimeOutMills", "1000"),
    CONF_KNOWN("transientStorePoolEnable", "false"),
    CONF_KNOWN("transientStorePoolSize", "5"),
    CONF_KNOWN("warmMapedFileEnable", "false"),
    CONF_KNOWN("useReentrantLockWhenPutMessage", "true"),
    CONF_KNOWN("storeType", "default"),
    CONF_KNOWN("enableConsumeQueueExt", "false"),
    CONF_KNOWN("checkCRCOnRecover", "true"),
    CONF_KNOWN("duplicationEnable", "false"),
    CONF_KNOWN("enableLmq", "false"),
    CONF_KNOWN("enableMultiDispatch", "false"),
    CONF_KNOWN("maxLmqConsumeQueueNum", "20000"),
    CONF_KNOWN("enableCompaction", "true"),
    CONF_KNOWN("messageStorePlugIn", ""),
    CONF_KNOWN("enableDLegerCommitLog", "false"),
    CONF_KNOWN("dLegerGroup", ""),
    CONF_KNOWN("dLegerPeers", ""),
    CONF_KNOWN("dLegerSelfId", ""),
    /* timer */
    CONF_KNOWN("timerWheelEnable", "true"),
    CONF_KNOWN("timerPrecisionMs", "1000"),
    CONF_KNOWN("timerMaxDelaySec", "259200"),
    CONF_KNOWN("timerRollWindowSlot", "172800"),
    CONF_KNOWN("timerGetMessageThreadNum", "3"),
    CONF_KNOWN("timerPutMessageThreadNum", "3"),
    CONF_KNOWN("timerInterceptDelayLevel", "false"),
    CONF_KNOWN("timerFlushIntervalMs", "1000"),
    CONF_KNOWN("timerCongestNumEachSlot", "2147483647"),
    /* replication, controller, cold data */
    CONF_KNOWN("haMasterAddress", ""),
    CONF_KNOWN("haSendHeartbeatInterval", "5000"),
    CONF_KNOWN("haHousekeepingInterval", "20000"),
    CONF_KNOWN("haTransferBatchSize", "32768"),
    CONF_KNOWN("haMaxGapNotInSync", "268435456"),
    CONF_KNOWN("slaveTimeout", "3000"),
    CONF_KNOWN("totalReplicas", "1"),
    CONF_KNOWN("inSyncReplicas", "1"),
    CONF_KNOWN("minInSyncReplicas", "1"),
    CONF_KNOWN("allAckInSyncStateSet", "false"),
    CONF_KNOWN("enableAutoInSyncReplicas", "false"),
    CONF_KNOWN("haFlowControlEnable", "false"),
    CONF_KNOWN("enableSlaveActingMaster", "false"),
    CONF_KNOWN("enableRemoteEscape", "false"),
    CONF_KNOWN("skipPreOnline", "false"),
    CONF_KNOWN("lockInStrictMode", "false"),
    CONF_KNOWN("enableControllerMode", "false"),
    CONF_KNOWN("controllerAddr", ""),
    CONF_KNOWN("brokerElectionPriority", "2147483647"),
    CONF_KNOWN("syncBrokerMetadataPeriod", "5000"),
    CONF_KNOWN("controllerHeartBeatTimeoutMills", "10000"),
    CONF_KNOWN("coldDataFlowControlEnable", "false"),
    CONF_KNOWN("cgColdReadThreshold", "3145728"),
    CONF_KNOWN("globalColdReadThreshold", "104857600"),
    CONF_KNOWN("coldDataScanEnable", "false"),
    CONF_KNOWN("dataReadAheadEnable", "true"),
};

const struct conf_table broker_conf_table = { rows, sizeof rows / sizeof rows[0] };

void broker_conf_copy(struct broker_conf *copy, const struct broker_conf *conf)
{
    *copy = *conf;
    for (size_t i = 0; i < broker_conf_table.count; i++) {
        const struct conf_row *row = &rows[i];
        if (row->type != CONF_STRING_T || row->when == CONF_KNOWN_ONLY)
            continue;
        char **text = (char **)((uint8_t *)copy + row->at);
        *text = strdup(*text);
        if (*text == NULL)
            abort();
    }
}

static bool flush_type_is_known(const char *type)
{
    return strcmp(type, "ASYNC_FLUSH") == 0 || strcmp(type, "SYNC_FLUSH") == 0;
}

int broker_conf_check(const struct broker_conf *conf)
{
    if (!flush_type_is_known(conf->flush_disk_type)) {
        log_error(
            "setting_refused key=flushDiskType value=\"%s\" allowed=\"ASYNC_FLUSH, SYNC_FLUSH\"",
            conf->flush_disk_type);
        return ERR_INVALID;
    }
    if (conf->disk_space_clean_forcibly_ratio > conf->disk_space_warning_level_ratio) {
        log_error("setting_refused key=diskSpaceCleanForciblyRatio value=%d "
                  "reason=\"above diskSpaceWarningLevelRatio=%d sends stop before files go\"",
                  conf->disk_space_clean_forcibly_ratio, conf->disk_space_warning_level_ratio);
        return ERR_INVALID;
    }
    if (conf->broker_id != 0 || strcmp(conf->broker_role, "SLAVE") == 0) {
        log_error(
            "setting_refused key=%s reason=\"a slave copies its master, which is not supported "
            "yet: it would start as a master of its own\"",
            conf->broker_id != 0 ? "brokerId" : "brokerRole");
        return ERR_UNSUPPORTED;
    }
    return 0;
}
