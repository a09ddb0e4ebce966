#include "wire/body_heartbeat.h"

static const char *const consume_types[] = {
    [CONSUME_ACTIVELY] = "CONSUME_ACTIVELY",
    [CONSUME_PASSIVELY] = "CONSUME_PASSIVELY",
    [CONSUME_POP] = "CONSUME_POP",
};
static const char *const message_models[] = {
    [MESSAGE_MODEL_BROADCASTING] = "BROADCASTING",
    [MESSAGE_MODEL_CLUSTERING] = "CLUSTERING",
};
static const char *const consume_froms[] = {
    [CONSUME_FROM_LAST_OFFSET] = "CONSUME_FROM_LAST_OFFSET",
    [CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST] =
        "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
    [CONSUME_FROM_MIN_OFFSET] = "CONSUME_FROM_MIN_OFFSET",
    [CONSUME_FROM_MAX_OFFSET] = "CONSUME_FROM_MAX_OFFSET",
    [CONSUME_FROM_FIRST_OFFSET] = "CONSUME_FROM_FIRST_OFFSET",
    [CONSUME_FROM_TIMESTAMP] = "CONSUME_FROM_TIMESTAMP",
};

#define COUNT_OF(array) (int)(sizeof(array) / sizeof((array)[0]))

/* The place of a name in its table; 0, which has no name, when it is in none. */
static int place_of(struct slice name, const char *const *names, int count)
{
    for (int i = 1; i < count; i++)
        if (slice_eq(name, slice_str(names[i])))
            return i;
    return 0;
}

struct slice consume_type_name(enum consume_type type)
{
    return slice_str(consume_types[type]);
}

struct slice message_model_name(enum message_model model)
{
    return slice_str(message_models[model]);
}

struct slice consume_from_name(enum consume_from from)
{
    return slice_str(consume_froms[from]);
}

/* The zero value for other names. */
static enum consume_type consume_type_of(struct slice name)
{
    return (enum consume_type)place_of(name, consume_types, COUNT_OF(consume_types));
}

enum message_model message_model_of(struct slice name)
{
    return (enum message_model)place_of(name, message_models, COUNT_OF(message_models));
}

static enum consume_from consume_from_of(struct slice name)
{
    return (enum consume_from)place_of(name, consume_froms, COUNT_OF(consume_froms));
}

/* ---- decoding: elements that are no objects are skipped -------------------------------------- */

static void producers_from_json(const json_t *array, struct arena *arena, struct heartbeat *hb)
{
    struct slice *groups = json_alloc_elements(array, sizeof *groups, arena);
    size_t i;
    json_t *element;
    json_array_foreach(array, i, element) {
        struct slice group = json_copy_str(element, "groupName", arena);
        if (group.data != NULL)
            groups[hb->producer_count++] = group;
    }
    hb->producer_groups = groups;
}

static void subscriptions_from_json(const json_t *array, struct arena *arena,
                                    struct heartbeat_consumer *consumer)
{
    struct subscription *subs = json_alloc_elements(array, sizeof *subs, arena);
    size_t i;
    json_t *element;
    json_array_foreach(array, i, element)
        if (subscription_from_json(element, arena, &subs[consumer->subscription_count]) == 0)
            consumer->subscription_count++;
    consumer->subscriptions = subs;
}

static void consumers_from_json(const json_t *array, struct arena *arena, struct heartbeat *hb)
{
    struct heartbeat_consumer *consumers = json_alloc_elements(array, sizeof *consumers, arena);
    size_t i;
    json_t *element;
    json_array_foreach(array, i, element) {
        struct heartbeat_consumer consumer = {
            .group = json_copy_str(element, "groupName", arena),
            .consume_type = consume_type_of(json_get_str(element, "consumeType")),
            .message_model = message_model_of(json_get_str(element, "messageModel")),
            .consume_from = consume_from_of(json_get_str(element, "consumeFromWhere")),
            .unit_mode = json_get_bool(element, "unitMode", false),
        };
        if (consumer.group.data == NULL)
            continue;
        subscriptions_from_json(json_get(element, "subscriptionDataSet"), arena, &consumer);
        consumers[hb->consumer_count++] = consumer;
    }
    hb->consumers = consumers;
}

int heartbeat_decode(struct slice body, struct arena *arena, struct heartbeat *heartbeat)
{
    json_t *json = json_read_most(body, HEARTBEAT_VALUES_MAX);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        *heartbeat = (struct heartbeat){
            .client_id = json_copy_str(json, "clientID", arena),
            .fingerprint = json_get_i32(json, "heartbeatFingerprint", 0),
            .without_sub = json_get_bool(json, "withoutSub", false),
        };
        producers_from_json(json_get(json, "producerDataSet"), arena, heartbeat);
        consumers_from_json(json_get(json, "consumerDataSet"), arena, heartbeat);
    }
    json_decref(json);
    return err;
}

/* ---- encoding ------------------------------------------------------------------------------- */

static void consumer_to_json(const struct heartbeat_consumer *consumer, struct json_out *j)
{
    json_object_begin(j);
    json_member_str(j, "consumeFromWhere", consume_from_name(consumer->consume_from));
    json_member_str(j, "consumeType", consume_type_name(consumer->consume_type));
    json_member_str(j, "groupName", consumer->group);
    json_member_str(j, "messageModel", message_model_name(consumer->message_model));
    json_key(j, SLICE("subscriptionDataSet"));
    json_array_begin(j);
    for (int i = 0; i < consumer->subscription_count; i++)
        subscription_to_json(&consumer->subscriptions[i], j);
    json_array_end(j);
    json_member_bool(j, "unitMode", consumer->unit_mode);
    json_object_end(j);
}

void heartbeat_encode(const struct heartbeat *heartbeat, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_str(&j, "clientID", heartbeat->client_id);
    json_key(&j, SLICE("consumerDataSet"));
    json_array_begin(&j);
    for (int i = 0; i < heartbeat->consumer_count; i++)
        consumer_to_json(&heartbeat->consumers[i], &j);
    json_array_end(&j);
    json_member_i64(&j, "heartbeatFingerprint", heartbeat->fingerprint);
    json_key(&j, SLICE("producerDataSet"));
    json_array_begin(&j);
    for (int i = 0; i < heartbeat->producer_count; i++) {
        json_object_begin(&j);
        json_member_str(&j, "groupName", heartbeat->producer_groups[i]);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_member_bool(&j, "withoutSub", heartbeat->without_sub);
    json_object_end(&j);
}
