/* req_query.h - header fields of QUERY_MESSAGE and VIEW_MESSAGE_BY_ID.
 *
 * Contract   that of fields.h.
 */
#ifndef WIRE_REQ_QUERY_H
#define WIRE_REQ_QUERY_H

#include "wire/fields.h"

struct query_message_request {
    struct slice topic;
    struct slice key;
    int32_t max_num;
    int64_t begin_timestamp;
    int64_t end_timestamp;
    bool unique_key_query; /* `key` is a UNIQ_KEY */
};
extern const struct fields query_message_request_fields;

struct query_message_response {
    int64_t index_last_update_timestamp;
    int64_t index_last_update_phy_offset;
};
extern const struct fields query_message_response_fields;

struct view_message_request {
    struct slice topic; /* not compared */
    int64_t phy_offset;
};
extern const struct fields view_message_request_fields;

#endif
