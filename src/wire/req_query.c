#include "wire/req_query.h"

static const struct field query_message_request_rows[] = {
    FIELD(struct query_message_request, topic, "topic", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct query_message_request, key, "key", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct query_message_request, max_num, "maxNum", FIELD_I32, FIELD_MANDATORY),
    FIELD(struct query_message_request, begin_timestamp, "beginTimestamp", FIELD_I64,
          FIELD_MANDATORY),
    FIELD(struct query_message_request, end_timestamp, "endTimestamp", FIELD_I64, FIELD_MANDATORY),
    FIELD(struct query_message_request, unique_key_query, "_UNIQUE_KEY_QUERY", FIELD_BOOL,
          FIELD_OPTIONAL),
};
const struct fields query_message_request_fields =
    FIELDS(query_message_request_rows, struct query_message_request);

static const struct field query_message_response_rows[] = {
    FIELD(struct query_message_response, index_last_update_timestamp, "indexLastUpdateTimestamp",
          FIELD_I64, FIELD_MANDATORY),
    FIELD(struct query_message_response, index_last_update_phy_offset, "indexLastUpdatePhyoffset",
          FIELD_I64, FIELD_MANDATORY),
};
const struct fields query_message_response_fields =
    FIELDS(query_message_response_rows, struct query_message_response);

static const struct field view_message_request_rows[] = {
    FIELD(struct view_message_request, topic, "topic", FIELD_STRING, FIELD_OPTIONAL),
    FIELD(struct view_message_request, phy_offset, "offset", FIELD_I64, FIELD_MANDATORY),
};
const struct fields view_message_request_fields =
    FIELDS(view_message_request_rows, struct view_message_request);
