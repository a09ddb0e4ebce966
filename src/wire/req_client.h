/* req_client.h - header fields of heartbeats, groups and queue locks: 34, 35, 38, 40.
 * 41, 42 and 46 have no header fields; their bodies are in body_lock.h and body_subscription.h.
 *
 * Contract   that of fields.h.
 */
#ifndef WIRE_REQ_CLIENT_H
#define WIRE_REQ_CLIENT_H

#include "wire/fields.h"

struct heartbeat_response {
    bool is_support_heartbeat_v2;
    bool is_sub_change;
};
extern const struct fields heartbeat_response_fields;

struct unregister_client_request {
    struct slice client_id;
    struct slice producer_group;
    struct slice consumer_group;
};
extern const struct fields unregister_client_request_fields;

/* GET_CONSUMER_LIST_BY_GROUP */
struct consumer_list_request {
    struct slice consumer_group;
};
extern const struct fields consumer_list_request_fields;

#endif
