/* body_subscription.h - one subscription of a consumer group, and the body of CHECK_CLIENT_CONFIG.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_SUBSCRIPTION_H
#define WIRE_BODY_SUBSCRIPTION_H

#include "wire/body_data_version.h"

struct subscription {
    struct slice topic;
    struct slice sub_string;
    const struct slice *tags;
    int tag_count;
    const int32_t *codes; /* java_hash() of each tag */
    int code_count;
    int64_t sub_version;
    struct slice expression_type; /* "TAG" when it was absent */
    bool class_filter_mode;
};

MUST_CHECK int subscription_from_json(const json_t *json, struct arena *arena,
                                      struct subscription *sub);
void subscription_to_json(const struct subscription *sub, struct json_out *j);

/* CHECK_CLIENT_CONFIG */
struct client_config {
    struct slice client_id;
    struct slice group;
    bool has_subscription;
    struct subscription subscription;
};
MUST_CHECK int client_config_decode(struct slice body, struct arena *arena,
                                    struct client_config *config);

#endif
