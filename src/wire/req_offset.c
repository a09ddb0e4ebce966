#include "wire/req_offset.h"

static const struct field query_consumer_offset_request_rows[] = {
    FIELD(struct query_consumer_offset_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct query_consumer_offset_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct query_consumer_offset_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
    FIELD_OR(struct query_consumer_offset_request, set_zero_if_not_found, "setZeroIfNotFound",
             FIELD_BOOL, 1),
};
const struct fields query_consumer_offset_request_fields =
    FIELDS(query_consumer_offset_request_rows, struct query_consumer_offset_request);

static const struct field update_consumer_offset_request_rows[] = {
    FIELD(struct update_consumer_offset_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_MANDATORY),
    FIELD(struct update_consumer_offset_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD_OR(struct update_consumer_offset_request, queue_id, "queueId", FIELD_I32,
             QUEUE_ID_ABSENT),
    FIELD_OR(struct update_consumer_offset_request, commit_offset, "commitOffset", FIELD_I64,
             OFFSET_ABSENT),
};
const struct fields update_consumer_offset_request_fields =
    FIELDS(update_consumer_offset_request_rows, struct update_consumer_offset_request);

static const struct field search_offset_request_rows[] = {
    FIELD(struct search_offset_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct search_offset_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct search_offset_request, timestamp, "timestamp", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct search_offset_request, boundary_type, "boundaryType", FIELD_STRING,
          FIELD_OPTIONAL),
};
const struct fields search_offset_request_fields =
    FIELDS(search_offset_request_rows, struct search_offset_request);

static const struct field queue_request_rows[] = {
    FIELD(struct queue_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct queue_request, queue_id, "queueId", FIELD_I32, FIELD_MANDATORY),
};
const struct fields queue_request_fields = FIELDS(queue_request_rows, struct queue_request);

static const struct field offset_response_rows[] = {
    FIELD(struct offset_response, offset, "offset", FIELD_I64, FIELD_MANDATORY),
};
const struct fields offset_response_fields = FIELDS(offset_response_rows, struct offset_response);

static const struct field earliest_store_time_response_rows[] = {
    FIELD(struct earliest_store_time_response, timestamp, "timestamp", FIELD_I64, FIELD_MANDATORY),
};
const struct fields earliest_store_time_response_fields =
    FIELDS(earliest_store_time_response_rows, struct earliest_store_time_response);
