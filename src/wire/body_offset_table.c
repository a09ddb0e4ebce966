#include "wire/body_offset_table.h"

/* The key "topic@group" in parts. False: it has no '@'. */
static bool split_key(struct slice key, struct slice *topic, struct slice *group)
{
    const uint8_t *at = key.len == 0 ? NULL : memchr(key.data, '@', key.len);
    if (at == NULL)
        return false;
    *topic = slice_of(key.data, (size_t)(at - key.data));
    *group = slice_from(key, topic->len + 1);
    return true;
}

static void queues_from_json(json_t *queues, struct slice topic, struct slice group,
                             struct consumer_offset *offsets, int *count)
{
    const char *queue;
    json_t *value;
    json_object_foreach(queues, queue, value) {
        int32_t queue_id;
        if (slice_to_i32(slice_str(queue), &queue_id) && json_is_integer(value))
            offsets[(*count)++] =
                (struct consumer_offset){ topic, group, queue_id, json_integer_value(value) };
    }
}

static void offsets_from_json(json_t *object, json_t *light, struct arena *arena,
                              struct offset_table *table)
{
    const char *key;
    json_t *queues;
    size_t total = 0;
    json_object_foreach(object, key, queues)
        total += json_object_size(queues);
    total += json_object_size(light);
    struct consumer_offset *offsets = arena_alloc(arena, total * sizeof *offsets);
    json_object_foreach(object, key, queues) {
        struct slice topic;
        struct slice group;
        if (split_key(arena_copy(arena, slice_str(key)), &topic, &group))
            queues_from_json(queues, topic, group, offsets, &table->count);
    }
    json_object_foreach(light, key, queues) {
        struct consumer_offset *offset = &offsets[table->count];
        *offset = (struct consumer_offset){ .queue_offset = json_integer_value(queues) };
        if (split_key(arena_copy(arena, slice_str(key)), &offset->topic, &offset->group))
            table->count += json_is_integer(queues);
    }
    table->offsets = offsets;
}

int offset_table_decode(struct slice text, struct arena *arena, struct offset_table *table)
{
    json_t *json = json_read(text);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        *table = (struct offset_table){ .version =
                                            data_version_from_json(json_get(json, "dataVersion")) };
        offsets_from_json(json_get(json, "offsetTable"), json_get(json, "lmqOffsetTable"), arena,
                          table);
    }
    json_decref(json);
    return err;
}

void offset_table_begin(const struct data_version *version, struct json_out *j)
{
    json_key(j, SLICE("dataVersion"));
    data_version_to_json(version, j);
    json_key(j, SLICE("offsetTable"));
    json_object_begin(j);
}

static void add_key(const struct consumer_offset *offset, struct json_out *j)
{
    struct buf key = BUF_INIT;
    buf_append_slice(&key, offset->topic);
    buf_append_u8(&key, '@');
    buf_append_slice(&key, offset->group);
    json_key(j, buf_slice(&key));
    buf_fini(&key);
}

void offset_table_add(const struct consumer_offset *offsets, int count, struct json_out *j)
{
    add_key(offsets, j);
    json_object_begin(j);
    for (int i = 0; i < count; i++) {
        json_key_i64(j, offsets[i].queue_id);
        json_i64(j, offsets[i].queue_offset);
    }
    json_object_end(j);
}

void offset_table_light_begin(struct json_out *j)
{
    json_object_end(j);
    json_key(j, SLICE("lmqOffsetTable"));
    json_object_begin(j);
}

void offset_table_light_add(const struct consumer_offset *offset, struct json_out *j)
{
    add_key(offset, j);
    json_i64(j, offset->queue_offset);
}

void offset_table_end(struct json_out *j)
{
    json_object_end(j);
}
