#include "wire/req_pop.h"

static const struct field pop_request_rows[] = {
    FIELD(struct pop_request, consumer_group, "consumerGroup", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct pop_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct pop_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct pop_request, max_msg_nums, "maxMsgNums", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct pop_request, invisible_ms, "invisibleTime", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pop_request, poll_ms, "pollTime", FIELD_I64, FIELD_MANDATORY),
    FIELD_OR(struct pop_request, born_ms, "bornTime", FIELD_I64, 0),
    FIELD(struct pop_request, init_mode, "initMode", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct pop_request, expression_type, "expType", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct pop_request, expression, "exp", FIELD_STRING, FIELD_OPTIONAL),
    FIELD_OR(struct pop_request, order, "order", FIELD_BOOL, false),
    FIELD(struct pop_request, attempt_id, "attemptId", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields pop_request_fields = FIELDS(pop_request_rows, struct pop_request);

static const struct field pop_response_rows[] = {
    FIELD(struct pop_response, pop_time_ms, "popTime", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pop_response, invisible_ms, "invisibleTime", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pop_response, revive_queue_id, "reviveQid", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct pop_response, rest_num, "restNum", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pop_response, start_offset_info, "startOffsetInfo", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct pop_response, msg_offset_info, "msgOffsetInfo", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct pop_response, order_count_info, "orderCountInfo", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields pop_response_fields = FIELDS(pop_response_rows, struct pop_response);

#define POP_ACK_ROWS                                                                               \
    FIELD(struct pop_ack_request, consumer_group, "consumerGroup", FIELD_STRING, FIELD_MANDATORY), \
        FIELD(struct pop_ack_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),              \
        FIELD(struct pop_ack_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),            \
        FIELD(struct pop_ack_request, extra_info, "extraInfo", FIELD_STRING, FIELD_MANDATORY),     \
        FIELD(struct pop_ack_request, queue_offset, "offset", FIELD_I64, FIELD_MANDATORY)

static const struct field pop_ack_request_rows[] = { POP_ACK_ROWS };
const struct fields pop_ack_request_fields = FIELDS(pop_ack_request_rows, struct pop_ack_request);

static const struct field pop_change_request_rows[] = {
    POP_ACK_ROWS,
    FIELD(struct pop_ack_request, invisible_ms, "invisibleTime", FIELD_I64, FIELD_MANDATORY),
};
const struct fields pop_change_request_fields =
    FIELDS(pop_change_request_rows, struct pop_ack_request);

static const struct field pop_change_response_rows[] = {
    FIELD(struct pop_change_response, pop_time_ms, "popTime", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pop_change_response, invisible_ms, "invisibleTime", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pop_change_response, revive_queue_id, "reviveQid", FIELD_I32, FIELD_MANDATORY),
};
const struct fields pop_change_response_fields =
    FIELDS(pop_change_response_rows, struct pop_change_response);

static const struct field notification_request_rows[] = {
    FIELD(struct notification_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct notification_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct notification_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct notification_request, poll_ms, "pollTime", FIELD_I64, FIELD_MANDATORY),
    FIELD_OR(struct notification_request, born_ms, "bornTime", FIELD_I64, 0),
    FIELD_OR(struct notification_request, order, "order", FIELD_BOOL, false),
    FIELD(struct notification_request, attempt_id, "attemptId", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields notification_request_fields =
    FIELDS(notification_request_rows, struct notification_request);

static const struct field notification_response_rows[] = {
    FIELD(struct notification_response, has_msg, "hasMsg", FIELD_BOOL, FIELD_MANDATORY),
    FIELD(struct notification_response, polling_full, "pollingFull", FIELD_BOOL, FIELD_MANDATORY),
};
const struct fields notification_response_fields =
    FIELDS(notification_response_rows, struct notification_response);

static const struct field polling_info_request_rows[] = {
    FIELD(struct polling_info_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct polling_info_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct polling_info_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
};
const struct fields polling_info_request_fields =
    FIELDS(polling_info_request_rows, struct polling_info_request);

static const struct field polling_info_response_rows[] = {
    FIELD(struct polling_info_response, polling_num, "pollingNum", FIELD_I32, FIELD_MANDATORY),
};
const struct fields polling_info_response_fields =
    FIELDS(polling_info_response_rows, struct polling_info_response);

static const struct field peek_request_rows[] = {
    FIELD(struct peek_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct peek_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct peek_request, max_msg_nums, "maxMsgNums", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct peek_request, consumer_group, "consumerGroup", FIELD_STRING, FIELD_MANDATORY),
};
const struct fields peek_request_fields = FIELDS(peek_request_rows, struct peek_request);
