#include "wire/body_topic_config.h"

#include "wire/pairs.h"

enum { DEFAULT_QUEUE_COUNT = 16 };

static const char *const filter_types[] = {
    [TOPIC_FILTER_SINGLE_TAG] = "SINGLE_TAG",
    [TOPIC_FILTER_MULTI_TAG] = "MULTI_TAG",
};

struct slice topic_filter_type_name(enum topic_filter_type type)
{
    return slice_str(filter_types[type]);
}

bool topic_filter_type_of(struct slice name, enum topic_filter_type *type)
{
    if (slice_eq(name, slice_str(filter_types[TOPIC_FILTER_SINGLE_TAG])))
        *type = TOPIC_FILTER_SINGLE_TAG;
    else if (slice_eq(name, slice_str(filter_types[TOPIC_FILTER_MULTI_TAG])))
        *type = TOPIC_FILTER_MULTI_TAG;
    else
        return false;
    return true;
}

struct topic_config topic_config_default(struct slice name)
{
    return (struct topic_config){
        .name = name,
        .read_queue_count = DEFAULT_QUEUE_COUNT,
        .write_queue_count = DEFAULT_QUEUE_COUNT,
        .perm = PERM_READ | PERM_WRITE,
        .filter_type = TOPIC_FILTER_SINGLE_TAG,
    };
}

/* ---- one topic ------------------------------------------------------------------------------ */

static int config_from_json(const json_t *json, struct arena *arena, struct topic_config *config)
{
    if (!json_is_object(json))
        return ERR_CORRUPT;
    struct topic_config defaults = topic_config_default(json_copy_str(json, "topicName", arena));
    *config = defaults;
    config->read_queue_count = json_get_i32(json, "readQueueNums", defaults.read_queue_count);
    config->write_queue_count = json_get_i32(json, "writeQueueNums", defaults.write_queue_count);
    config->perm = json_get_i32(json, "perm", defaults.perm);
    config->sys_flag = json_get_i32(json, "topicSysFlag", 0);
    config->order = json_get_bool(json, "order", false);
    if (!topic_filter_type_of(json_get_str(json, "topicFilterType"), &config->filter_type))
        config->filter_type = defaults.filter_type;
    config->attributes =
        pairs_from_json(json_get(json, "attributes"), arena, &config->attribute_count);
    return 0;
}

void topic_config_to_json(const struct topic_config *config, struct json_out *j)
{
    json_object_begin(j);
    json_key(j, SLICE("attributes"));
    pairs_to_json(config->attributes, config->attribute_count, j);
    json_member_bool(j, "order", config->order);
    json_member_i64(j, "perm", config->perm);
    json_member_i64(j, "readQueueNums", config->read_queue_count);
    json_member_str(j, "topicFilterType", topic_filter_type_name(config->filter_type));
    json_member_str(j, "topicName", config->name);
    json_member_i64(j, "topicSysFlag", config->sys_flag);
    json_member_i64(j, "writeQueueNums", config->write_queue_count);
    json_object_end(j);
}

void topic_config_encode(const struct topic_config *config, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    topic_config_to_json(config, &j);
}

/* ---- many ----------------------------------------------------------------------------------- */

int topic_config_list_decode(struct slice body, struct arena *arena, struct topic_config_list *list)
{
    json_t *json = json_read(body);
    const json_t *array = json_get(json, "topicConfigList");
    int err = json_is_array(array) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        struct topic_config *topics = json_alloc_elements(array, sizeof *topics, arena);
        size_t i;
        json_t *element;
        *list = (struct topic_config_list){ .topics = topics };
        json_array_foreach(array, i, element)
            if (config_from_json(element, arena, &topics[list->count]) == 0)
                list->count++;
    }
    json_decref(json);
    return err;
}

int topic_table_from_json(const json_t *json, struct arena *arena, struct topic_table *table)
{
    if (!json_is_object(json))
        return ERR_CORRUPT;
    json_t *object = json_get(json, "topicConfigTable");
    struct topic_config *topics = json_alloc_elements(object, sizeof *topics, arena);
    int count = 0;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        struct topic_config *config = &topics[count];
        if (config_from_json(value, arena, config) != 0)
            continue;
        if (config->name.data == NULL)
            config->name = arena_copy(arena, slice_str(key));
        count++;
    }
    *table = (struct topic_table){
        .version = data_version_from_json(json_get(json, "dataVersion")),
        .topics = topics,
        .count = count,
    };
    return 0;
}

int topic_table_decode(struct slice text, struct arena *arena, struct topic_table *table)
{
    json_t *json = json_read(text);
    int err = topic_table_from_json(json, arena, table);
    json_decref(json);
    return err;
}

void topic_table_begin(const struct data_version *version, struct json_out *j)
{
    json_key(j, SLICE("dataVersion"));
    data_version_to_json(version, j);
    json_key(j, SLICE("topicConfigTable"));
    json_object_begin(j);
}

void topic_table_add(const struct topic_config *config, struct json_out *j)
{
    json_key(j, config->name);
    topic_config_to_json(config, j);
}

void topic_table_end(struct json_out *j)
{
    json_object_end(j);
}

void topic_table_encode(const struct topic_table *table, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    topic_table_begin(&table->version, &j);
    for (int i = 0; i < table->count; i++)
        topic_table_add(&table->topics[i], &j);
    topic_table_end(&j);
    json_object_end(&j);
}
