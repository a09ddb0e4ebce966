#include "wire/body_slow_requests.h"

/* ---- out ------------------------------------------------------------------------------------- */

static void numbers_to_json(struct json_out *j, const char *key, const struct named_number *numbers,
                            int count)
{
    json_key(j, slice_str(key));
    json_object_begin(j);
    for (int i = 0; i < count; i++) {
        json_key(j, numbers[i].name);
        json_i64(j, numbers[i].value);
    }
    json_object_end(j);
}

static void stage_to_json(struct json_out *j, const struct stage_summary *stage)
{
    json_object_begin(j);
    json_member_str(j, "name", stage->name);
    json_member_i64(j, "count", stage->count);
    json_member_i64(j, "p50Nanos", stage->p50_ns);
    json_member_i64(j, "p99Nanos", stage->p99_ns);
    json_member_i64(j, "p999Nanos", stage->p99_9_ns);
    json_member_i64(j, "maxNanos", stage->max_ns);
    json_object_end(j);
}

static void entry_to_json(struct json_out *j, const struct slow_request_entry *entry)
{
    json_object_begin(j);
    json_member_i64(j, "timestamp", entry->at_ms);
    json_member_i64(j, "code", entry->code);
    json_member_i64(j, "requests", entry->requests);
    json_member_str(j, "peer", entry->peer);
    json_member_i64(j, "totalMicros", entry->total_us);
    numbers_to_json(j, "stageMicros", entry->stages, entry->stage_count);
    if (entry->kernel_count > 0)
        numbers_to_json(j, "kernel", entry->kernel, entry->kernel_count);
    json_object_end(j);
}

void slow_requests_encode(const struct slow_requests *body, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_i64(&j, "thresholdMicros", body->threshold_us);
    json_key(&j, SLICE("stages"));
    json_array_begin(&j);
    for (int i = 0; i < body->stage_count; i++)
        stage_to_json(&j, &body->stages[i]);
    json_array_end(&j);
    json_key(&j, SLICE("slow"));
    json_array_begin(&j);
    for (int i = 0; i < body->slow_count; i++)
        entry_to_json(&j, &body->slow[i]);
    json_array_end(&j);
    json_object_end(&j);
}

/* ---- in -------------------------------------------------------------------------------------- */

static const struct named_number *numbers_from_json(json_t *object, struct arena *arena, int *count)
{
    struct named_number *numbers = json_alloc_elements(object, sizeof *numbers, arena);
    const char *key;
    json_t *value;
    *count = 0;
    if (json_is_object(object)) {
        json_object_foreach(object, key, value)
            numbers[(*count)++] = (struct named_number){ arena_copy(arena, slice_str(key)),
                                                         json_integer_value(value) };
    }
    return numbers;
}

static struct stage_summary stage_from_json(const json_t *json, struct arena *arena)
{
    return (struct stage_summary){
        .name = json_copy_str(json, "name", arena),
        .count = json_get_i64(json, "count", 0),
        .p50_ns = json_get_i64(json, "p50Nanos", 0),
        .p99_ns = json_get_i64(json, "p99Nanos", 0),
        .p99_9_ns = json_get_i64(json, "p999Nanos", 0),
        .max_ns = json_get_i64(json, "maxNanos", 0),
    };
}

static struct slow_request_entry entry_from_json(const json_t *json, struct arena *arena)
{
    struct slow_request_entry entry = {
        .at_ms = json_get_i64(json, "timestamp", 0),
        .code = json_get_i32(json, "code", 0),
        .requests = json_get_i32(json, "requests", 0),
        .peer = json_copy_str(json, "peer", arena),
        .total_us = json_get_i64(json, "totalMicros", 0),
    };
    entry.stages = numbers_from_json(json_get(json, "stageMicros"), arena, &entry.stage_count);
    entry.kernel = numbers_from_json(json_get(json, "kernel"), arena, &entry.kernel_count);
    return entry;
}

int slow_requests_decode(struct slice text, struct arena *arena, struct slow_requests *body)
{
    json_t *json = json_read(text);
    json_t *stages = json_get(json, "stages"), *slow = json_get(json, "slow");
    int err = json_is_array(stages) && json_is_array(slow) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        struct stage_summary *summaries = json_alloc_elements(stages, sizeof *summaries, arena);
        struct slow_request_entry *entries = json_alloc_elements(slow, sizeof *entries, arena);
        *body = (struct slow_requests){ .threshold_us = json_get_i64(json, "thresholdMicros", 0),
                                        .stages = summaries,
                                        .stage_count = (int)json_array_size(stages),
                                        .slow = entries,
                                        .slow_count = (int)json_array_size(slow) };
        for (int i = 0; i < body->stage_count; i++)
            summaries[i] = stage_from_json(json_array_get(stages, (size_t)i), arena);
        for (int i = 0; i < body->slow_count; i++)
            entries[i] = entry_from_json(json_array_get(slow, (size_t)i), arena);
    }
    json_decref(json);
    return err;
}
