#include "wire/body_group_config.h"

#include <stdlib.h>

#include "wire/pairs.h"

#define RETRY_POLICY_KEY "groupRetryPolicy"
#define RETRY_POLICY_DEFAULT "{\"type\":\"CUSTOMIZED\"}"

/* The members we interpret; every other one is kept as text. */
static const char *const known_members[] = {
    "attributes",
    "brokerId",
    "consumeBroadcastEnable",
    "consumeEnable",
    "consumeFromMinEnable",
    "consumeMessageOrderly",
    "consumeTimeoutMinute",
    "groupName",
    "groupSysFlag",
    "notifyConsumerIdsChangedEnable",
    "retryMaxTimes",
    "retryQueueNums",
    "whichBrokerWhenConsumeSlowly",
};

static const struct pair default_others[] = {
    { { (const uint8_t *)RETRY_POLICY_KEY, sizeof(RETRY_POLICY_KEY) - 1 },
      { (const uint8_t *)RETRY_POLICY_DEFAULT, sizeof(RETRY_POLICY_DEFAULT) - 1 } },
};

struct group_config group_config_default(struct slice name)
{
    return (struct group_config){
        .name = name,
        .consume_enable = true,
        .consume_from_min_enable = true,
        .consume_broadcast_enable = true,
        .notify_consumer_ids_changed_enable = true,
        .retry_queue_nums = 1,
        .retry_max_times = 16,
        .which_broker_when_consume_slowly = 1,
        .consume_timeout_minutes = 15,
        .others = default_others,
        .other_count = 1,
    };
}

/* ---- members kept as text ------------------------------------------------------------------- */

static bool is_known(const char *key)
{
    for (size_t i = 0; i < sizeof(known_members) / sizeof(known_members[0]); i++)
        if (strcmp(key, known_members[i]) == 0)
            return true;
    return false;
}

/* Names in order of the alphabet, as everything the reference writes. */
static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a;
    const struct pair *right = b;
    return slice_order(left->key, right->key);
}

static void others_from_json(json_t *json, struct arena *arena, struct group_config *config)
{
    /* One more for the default retry policy. */
    struct pair *others = arena_alloc(arena, (json_object_size(json) + 1) * sizeof *others);
    const char *key;
    json_t *value;
    config->other_count = 0;
    config->others = others;
    json_object_foreach(json, key, value) {
        if (is_known(key) || json_is_null(value))
            continue;
        others[config->other_count++] =
            (struct pair){ arena_copy(arena, slice_str(key)), json_dump_in(value, arena) };
    }
    if (json_get(json, RETRY_POLICY_KEY) == NULL)
        others[config->other_count++] = default_others[0];
    qsort(others, (size_t)config->other_count, sizeof *others, compare_pairs);
}

/* ---- one group ------------------------------------------------------------------------------ */

static int config_from_json(const json_t *json, struct arena *arena, struct group_config *config)
{
    if (!json_is_object(json))
        return ERR_CORRUPT;
    struct group_config d = group_config_default(json_copy_str(json, "groupName", arena));
    *config = (struct group_config){
        .name = d.name,
        .consume_enable = json_get_bool(json, "consumeEnable", d.consume_enable),
        .consume_from_min_enable =
            json_get_bool(json, "consumeFromMinEnable", d.consume_from_min_enable),
        .consume_broadcast_enable =
            json_get_bool(json, "consumeBroadcastEnable", d.consume_broadcast_enable),
        .consume_message_orderly =
            json_get_bool(json, "consumeMessageOrderly", d.consume_message_orderly),
        .notify_consumer_ids_changed_enable = json_get_bool(json, "notifyConsumerIdsChangedEnable",
                                                            d.notify_consumer_ids_changed_enable),
        .retry_queue_nums = json_get_i32(json, "retryQueueNums", d.retry_queue_nums),
        .retry_max_times = json_get_i32(json, "retryMaxTimes", d.retry_max_times),
        .broker_id = json_get_i64(json, "brokerId", d.broker_id),
        .which_broker_when_consume_slowly =
            json_get_i64(json, "whichBrokerWhenConsumeSlowly", d.which_broker_when_consume_slowly),
        .group_sys_flag = json_get_i32(json, "groupSysFlag", d.group_sys_flag),
        .consume_timeout_minutes =
            json_get_i32(json, "consumeTimeoutMinute", d.consume_timeout_minutes),
    };
    config->attributes =
        pairs_from_json(json_get(json, "attributes"), arena, &config->attribute_count);
    others_from_json((json_t *)(uintptr_t)json, arena, config);
    return 0;
}

static void config_to_json(const struct group_config *config, struct json_out *j)
{
    json_object_begin(j);
    json_key(j, SLICE("attributes"));
    pairs_to_json(config->attributes, config->attribute_count, j);
    json_member_i64(j, "brokerId", config->broker_id);
    json_member_bool(j, "consumeBroadcastEnable", config->consume_broadcast_enable);
    json_member_bool(j, "consumeEnable", config->consume_enable);
    json_member_bool(j, "consumeFromMinEnable", config->consume_from_min_enable);
    json_member_bool(j, "consumeMessageOrderly", config->consume_message_orderly);
    json_member_i64(j, "consumeTimeoutMinute", config->consume_timeout_minutes);
    json_member_str(j, "groupName", config->name);
    for (int i = 0; i < config->other_count; i++) {
        json_key(j, config->others[i].key);
        json_raw(j, config->others[i].value);
    }
    json_member_i64(j, "groupSysFlag", config->group_sys_flag);
    json_member_bool(j, "notifyConsumerIdsChangedEnable",
                     config->notify_consumer_ids_changed_enable);
    json_member_i64(j, "retryMaxTimes", config->retry_max_times);
    json_member_i64(j, "retryQueueNums", config->retry_queue_nums);
    json_member_i64(j, "whichBrokerWhenConsumeSlowly", config->which_broker_when_consume_slowly);
    json_object_end(j);
}

static bool is_number_or_absent(const json_t *object, const char *key)
{
    const json_t *value = json_get(object, key);
    return value == NULL || json_is_null(value) || json_is_integer(value);
}

/* Kept as text, the policy still has to be one: another broker reads the file, and refuses all of
 * it for what it cannot decode. */
static bool retry_policy_is_sound(const json_t *policy)
{
    if (policy == NULL || json_is_null(policy))
        return true;
    const json_t *type = json_get(policy, "type");
    const json_t *customized = json_get(policy, "customizedRetryPolicy");
    const json_t *exponential = json_get(policy, "exponentialRetryPolicy");
    if (!json_is_object(policy) || !(type == NULL || json_is_null(type) || json_is_string(type)) ||
        !(exponential == NULL || json_is_null(exponential) || json_is_object(exponential)) ||
        !(customized == NULL || json_is_null(customized) || json_is_object(customized)))
        return false;
    const json_t *delays = json_get(customized, "next");
    size_t i;
    json_t *delay;
    json_array_foreach((json_t *)(uintptr_t)delays, i, delay)
        if (!json_is_integer(delay))
            return false;
    return (delays == NULL || json_is_null(delays) || json_is_array(delays)) &&
           is_number_or_absent(exponential, "initial") && is_number_or_absent(exponential, "max") &&
           is_number_or_absent(exponential, "multiplier");
}

int group_config_decode(struct slice body, struct arena *arena, struct group_config *config)
{
    json_t *json = json_read(body);
    int err = config_from_json(json, arena, config);
    if (err == 0 && !retry_policy_is_sound(json_get(json, RETRY_POLICY_KEY)))
        err = ERR_CORRUPT;
    json_decref(json);
    return err;
}

void group_config_encode(const struct group_config *config, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    config_to_json(config, &j);
}

int group_config_list_decode(struct slice body, struct arena *arena, struct group_config_list *list)
{
    json_t *json = json_read(body);
    json_t *array = json_get(json, "groupConfigList");
    int err = json_is_array(array) ? 0 : ERR_CORRUPT;
    struct group_config *groups = json_alloc_elements(array, sizeof *groups, arena);
    *list = (struct group_config_list){ .groups = groups };
    size_t i;
    json_t *element;
    json_array_foreach(array, i, element) {
        if (err == 0)
            err = config_from_json(element, arena, &groups[list->count]);
        if (err == 0 && !retry_policy_is_sound(json_get(element, RETRY_POLICY_KEY)))
            err = ERR_CORRUPT;
        if (err == 0 && groups[list->count++].name.len == 0)
            err = ERR_CORRUPT;
    }
    json_decref(json);
    return err;
}

void group_readable_encode(const struct group_readable *answer, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_str(&j, "group", answer->group);
    json_member_bool(&j, "readable", answer->readable);
    json_member_str(&j, "topic", answer->topic);
    json_object_end(&j);
}

/* ---- the table ------------------------------------------------------------------------------ */

static void groups_from_json(json_t *object, struct arena *arena, struct group_table *table)
{
    struct group_config *groups = json_alloc_elements(object, sizeof *groups, arena);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        struct group_config *config = &groups[table->count];
        if (config_from_json(value, arena, config) != 0)
            continue;
        if (config->name.data == NULL)
            config->name = arena_copy(arena, slice_str(key));
        table->count++;
    }
    table->groups = groups;
}

static void forbidden_from_json(json_t *object, struct arena *arena, struct group_table *table)
{
    const char *group;
    const char *topic;
    json_t *topics;
    json_t *bits;
    size_t total = 0;
    json_object_foreach(object, group, topics)
        total += json_object_size(topics);
    struct group_forbidden *forbidden = arena_alloc(arena, total * sizeof *forbidden);
    json_object_foreach(object, group, topics) {
        struct slice group_name = arena_copy(arena, slice_str(group));
        json_object_foreach(topics, topic, bits)
            forbidden[table->forbidden_count++] =
                (struct group_forbidden){ group_name, arena_copy(arena, slice_str(topic)),
                                          (int32_t)json_integer_value(bits) };
    }
    table->forbidden = forbidden;
}

int group_table_decode(struct slice text, struct arena *arena, struct group_table *table)
{
    json_t *json = json_read(text);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        *table = (struct group_table){ .version =
                                           data_version_from_json(json_get(json, "dataVersion")) };
        groups_from_json(json_get(json, "subscriptionGroupTable"), arena, table);
        forbidden_from_json(json_get(json, "forbiddenTable"), arena, table);
    }
    json_decref(json);
    return err;
}

static void forbidden_to_json(const struct group_table *table, struct json_out *j)
{
    json_object_begin(j);
    for (int i = 0; i < table->forbidden_count; i++) {
        const struct group_forbidden *entry = &table->forbidden[i];
        bool is_first = i == 0 || !slice_eq(entry[-1].group, entry->group);
        bool is_last = i + 1 == table->forbidden_count || !slice_eq(entry[1].group, entry->group);
        if (is_first) {
            json_key(j, entry->group);
            json_object_begin(j);
        }
        json_key(j, entry->topic);
        json_i64(j, entry->bits);
        if (is_last)
            json_object_end(j);
    }
    json_object_end(j);
}

void group_table_begin(const struct group_table *table, struct json_out *j)
{
    json_key(j, SLICE("dataVersion"));
    data_version_to_json(&table->version, j);
    json_key(j, SLICE("forbiddenTable"));
    forbidden_to_json(table, j);
    json_key(j, SLICE("subscriptionGroupTable"));
    json_object_begin(j);
}

void group_table_add(const struct group_config *config, struct json_out *j)
{
    json_key(j, config->name);
    config_to_json(config, j);
}

void group_table_end(struct json_out *j)
{
    json_object_end(j);
}
