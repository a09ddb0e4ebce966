/* body_heartbeat.h - HEART_BEAT: what a client produces to and consumes.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_HEARTBEAT_H
#define WIRE_BODY_HEARTBEAT_H

#include "wire/body_subscription.h"

/* Zero in each: absent, or a name we do not know. */
enum consume_type { CONSUME_TYPE_NONE, CONSUME_ACTIVELY, CONSUME_PASSIVELY, CONSUME_POP };
enum message_model { MESSAGE_MODEL_NONE, MESSAGE_MODEL_BROADCASTING, MESSAGE_MODEL_CLUSTERING };
enum consume_from {
    CONSUME_FROM_NONE,
    CONSUME_FROM_LAST_OFFSET,
    CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST, /* this and the next two: deprecated */
    CONSUME_FROM_MIN_OFFSET,
    CONSUME_FROM_MAX_OFFSET,
    CONSUME_FROM_FIRST_OFFSET,
    CONSUME_FROM_TIMESTAMP,
};

/* The names on the wire; data NULL for the zero values. Static text. */
struct slice consume_type_name(enum consume_type type);
struct slice message_model_name(enum message_model model);
struct slice consume_from_name(enum consume_from from);
/* The zero value for other names. */
enum message_model message_model_of(struct slice name);

struct heartbeat_consumer {
    struct slice group;
    enum consume_type consume_type;
    enum message_model message_model;
    enum consume_from consume_from;
    const struct subscription *subscriptions;
    int subscription_count;
    bool unit_mode;
};

struct heartbeat {
    struct slice client_id;
    const struct slice *producer_groups;
    int producer_count;
    const struct heartbeat_consumer *consumers;
    int consumer_count;
    int32_t fingerprint; /* 0: the client does not take part in V2 */
    bool without_sub;    /* subscriptions are left out: those known stay */
};

/* Values and keys of a body, above which it is none: what a client may have of groups and
 * subscriptions (the broker's limit), with a hundred tags each, is less. */
enum { HEARTBEAT_VALUES_MAX = 1 << 19 };

MUST_CHECK int heartbeat_decode(struct slice body, struct arena *arena,
                                struct heartbeat *heartbeat);
void heartbeat_encode(const struct heartbeat *heartbeat, struct buf *out);

#endif
