#include "wire/req_pull.h"

static const struct field pull_request_rows[] = {
    FIELD(struct pull_request, consumer_group, "consumerGroup", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct pull_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct pull_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct pull_request, queue_offset, "queueOffset", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pull_request, max_msg_nums, "maxMsgNums", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct pull_request, sys_flag, "sysFlag", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct pull_request, commit_offset, "commitOffset", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pull_request, suspend_timeout_ms, "suspendTimeoutMillis", FIELD_I64,
          FIELD_MANDATORY),
    FIELD(struct pull_request, sub_version, "subVersion", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pull_request, subscription, "subscription", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct pull_request, expression_type, "expressionType", FIELD_STRING, FIELD_OPTIONAL),
};
const struct fields pull_request_fields = FIELDS(pull_request_rows, struct pull_request);

static const struct field pull_response_rows[] = {
    FIELD(struct pull_response, suggest_which_broker_id, "suggestWhichBrokerId", FIELD_I64,
          FIELD_MANDATORY),
    FIELD(struct pull_response, next_begin_offset, "nextBeginOffset", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pull_response, min_offset, "minOffset", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct pull_response, max_offset, "maxOffset", FIELD_I64, FIELD_MANDATORY),
    FIELD_OR(struct pull_response, topic_sys_flag, "topicSysFlag", FIELD_I32, -1),
    FIELD_OR(struct pull_response, group_sys_flag, "groupSysFlag", FIELD_I32, -1),
};
const struct fields pull_response_fields = FIELDS(pull_response_rows, struct pull_response);

static const struct field pull_forbidden_response_rows[] = {
    FIELD(struct pull_forbidden_response, forbidden_type, "forbiddenType", FIELD_I32,
          FIELD_MANDATORY),
};
const struct fields pull_forbidden_response_fields =
    FIELDS(pull_forbidden_response_rows, struct pull_forbidden_response);
