#include "wire/req_client.h"

static const struct field heartbeat_response_rows[] = {
    FIELD(struct heartbeat_response, is_support_heartbeat_v2, "IS_SUPPORT_HEART_BEAT_V2",
          FIELD_BOOL, FIELD_MANDATORY),
    FIELD(struct heartbeat_response, is_sub_change, "IS_SUB_CHANGE", FIELD_BOOL, FIELD_MANDATORY),
};
const struct fields heartbeat_response_fields =
    FIELDS(heartbeat_response_rows, struct heartbeat_response);

static const struct field unregister_client_request_rows[] = {
    FIELD(struct unregister_client_request, client_id, "clientID", FIELD_STRING, FIELD_MANDATORY),
    FIELD(struct unregister_client_request, producer_group, "producerGroup", FIELD_STRING,
          FIELD_OPTIONAL),
    FIELD(struct unregister_client_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_OPTIONAL),
};
const struct fields unregister_client_request_fields =
    FIELDS(unregister_client_request_rows, struct unregister_client_request);

static const struct field consumer_list_request_rows[] = {
    FIELD(struct consumer_list_request, consumer_group, "consumerGroup", FIELD_STRING,
          FIELD_MANDATORY),
};
const struct fields consumer_list_request_fields =
    FIELDS(consumer_list_request_rows, struct consumer_list_request);
