#include "meta/meta.h"

static bool take_text(void *ctx, struct slice text)
{
    struct delay_offsets *offsets = ctx;
    json_t *json = json_read(text);
    json_t *table = json_get(json, "offsetTable");
    const char *key;
    json_t *value;
    json_object_foreach(table, key, value) {
        int32_t level;
        if (slice_to_i32(slice_str(key), &level) && level > 0 && level <= DELAY_LEVELS_MAX)
            offsets->next[level] = json_get_i64(table, key, -1);
    }
    bool is_table = json_is_object(json);
    json_decref(json);
    return is_table;
}

int delay_offsets_read(const char *path, struct delay_offsets *offsets)
{
    struct delay_offsets found;
    for (int level = 0; level <= DELAY_LEVELS_MAX; level++)
        found.next[level] = -1;
    int err = table_file_read(path, take_text, &found);
    if (err == 0)
        *offsets = found;
    return err;
}

void delay_offsets_text(const struct delay_offsets *offsets, int64_t now_ms, bool pretty,
                        struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    struct data_version version = { .timestamp = now_ms };
    j.pretty = pretty;
    json_object_begin(&j);
    json_key(&j, SLICE("dataVersion"));
    data_version_to_json(&version, &j);
    json_key(&j, SLICE("offsetTable"));
    json_object_begin(&j);
    for (int level = 1; level <= DELAY_LEVELS_MAX; level++) {
        if (offsets->next[level] < 0)
            continue;
        json_key_i64(&j, level);
        json_i64(&j, offsets->next[level]);
    }
    json_object_end(&j);
    json_object_end(&j);
}
