#include "wire/req_send.h"

static const struct field send_request_rows[] = {
    FIELD_LETTER(struct send_request, producer_group, "producerGroup", "a", FIELD_STRING,
                 FIELD_MANDATORY, 0),
    FIELD_LETTER(struct send_request, topic, "topic", "b", FIELD_STRING, FIELD_MANDATORY, 0),
    FIELD_LETTER(struct send_request, default_topic, "defaultTopic", "c", FIELD_STRING,
                 FIELD_MANDATORY, 0),
    FIELD_LETTER(struct send_request, default_topic_queue_nums, "defaultTopicQueueNums", "d",
                 FIELD_I32, FIELD_MANDATORY, 0),
    FIELD_LETTER(struct send_request, queue_id, "queueId", "e", FIELD_I32, FIELD_MANDATORY, 0),
    FIELD_LETTER(struct send_request, sys_flag, "sysFlag", "f", FIELD_I32, FIELD_MANDATORY, 0),
    FIELD_LETTER(struct send_request, born_timestamp, "bornTimestamp", "g", FIELD_I64,
                 FIELD_MANDATORY, 0),
    FIELD_LETTER(struct send_request, flag, "flag", "h", FIELD_I32, FIELD_MANDATORY, 0),
    FIELD_LETTER(struct send_request, properties, "properties", "i", FIELD_STRING, FIELD_OPTIONAL,
                 0),
    FIELD_LETTER(struct send_request, reconsume_times, "reconsumeTimes", "j", FIELD_I32,
                 FIELD_OPTIONAL, 0),
    FIELD_LETTER(struct send_request, unit_mode, "unitMode", "k", FIELD_BOOL, FIELD_OPTIONAL, 0),
    FIELD_LETTER(struct send_request, max_reconsume_times, "maxReconsumeTimes", "l", FIELD_I32,
                 FIELD_OPTIONAL, -1),
    FIELD_LETTER(struct send_request, batch, "batch", "m", FIELD_BOOL, FIELD_OPTIONAL, 0),
    FIELD_LETTER(struct send_request, broker_name, "bname", "n", FIELD_STRING, FIELD_OPTIONAL, 0),
};
const struct fields send_request_fields = FIELDS(send_request_rows, struct send_request);

static const struct field send_response_rows[] = {
    FIELD(struct send_response, msg_id, "msgId", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct send_response, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct send_response, queue_offset, "queueOffset", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct send_response, transaction_id, "transactionId", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct send_response, batch_uniq_id, "batchUniqId", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct send_response, recall_handle, "recallHandle", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct send_response, msg_region, "MSG_REGION", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct send_response, trace_on, "TRACE_ON", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields send_response_fields = FIELDS(send_response_rows, struct send_response);

static const struct field send_refused_response_rows[] = {
    FIELD(struct send_refused_response, msg_region, "MSG_REGION", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct send_refused_response, trace_on, "TRACE_ON", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields send_refused_response_fields =
    FIELDS(send_refused_response_rows, struct send_refused_response);

static const struct field push_reply_request_rows[] = {
    FIELD(struct push_reply_request, producer_group, "producerGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct push_reply_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct push_reply_request, default_topic, "defaultTopic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct push_reply_request, default_topic_queue_nums, "defaultTopicQueueNums", FIELD_I32,
          FIELD_MANDATORY),
    FIELD(struct push_reply_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct push_reply_request, sys_flag, "sysFlag", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct push_reply_request, born_timestamp, "bornTimestamp", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct push_reply_request, flag, "flag", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct push_reply_request, properties, "properties", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct push_reply_request, reconsume_times, "reconsumeTimes", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct push_reply_request, unit_mode, "unitMode", FIELD_BOOL, FIELD_MANDATORY),
    FIELD(struct push_reply_request, born_host, "bornHost", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct push_reply_request, store_host, "storeHost", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct push_reply_request, store_timestamp, "storeTimestamp", FIELD_I64, FIELD_MANDATORY),
};
const struct fields push_reply_request_fields =
    FIELDS(push_reply_request_rows, struct push_reply_request);

static const struct field send_back_request_rows[] = {
    FIELD(struct send_back_request, phy_offset, "offset", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct send_back_request, group, "group", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct send_back_request, delay_level, "delayLevel", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct send_back_request, unit_mode, "unitMode", FIELD_BOOL, FIELD_OPTIONAL),
    FIELD_OR(struct send_back_request, max_reconsume_times, "maxReconsumeTimes", FIELD_I32, -1),
};
const struct fields send_back_request_fields =
    FIELDS(send_back_request_rows, struct send_back_request);

static const struct field recall_request_rows[] = {
    FIELD(struct recall_request, producer_group, "producerGroup", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct recall_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct recall_request, recall_handle, "recallHandle", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields recall_request_fields = FIELDS(recall_request_rows, struct recall_request);

static const struct field recall_response_rows[] = {
    FIELD(struct recall_response, msg_id, "msgId", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct recall_response, msg_region, "MSG_REGION", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields recall_response_fields = FIELDS(recall_response_rows, struct recall_response);
