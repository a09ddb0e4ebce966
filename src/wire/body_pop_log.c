#include "wire/body_pop_log.h"

#include <assert.h>

static int distances_from_json(const json_t *json, struct pop_checkpoint *checkpoint)
{
    const json_t *array = json_get(json, "d");
    size_t i;
    json_t *element;
    /* without distances the messages stand side by side: what 4.9 and early 5.x wrote */
    for (int at = 0; at < checkpoint->count; at++)
        checkpoint->distances[at] = at;
    if (!json_is_array(array) || json_array_size(array) == 0)
        return 0;
    if (json_array_size(array) != (size_t)checkpoint->count)
        return ERR_CORRUPT;
    json_array_foreach(array, i, element) {
        json_int_t distance = json_integer_value(element);
        if (!json_is_integer(element) || distance < 0 || distance > INT32_MAX)
            return ERR_CORRUPT;
        checkpoint->distances[i] = (int32_t)distance;
    }
    return 0;
}

static struct slice group_from_json(const json_t *json, struct arena *arena)
{
    struct slice group = json_copy_str(json, "c", arena);
    return group.data != NULL ? group : json_copy_str(json, "cId", arena);
}

static int checkpoint_from_json(const json_t *json, struct arena *arena,
                                struct pop_checkpoint *checkpoint)
{
    int32_t times = 0;
    checkpoint->topic = json_copy_str(json, "t", arena);
    checkpoint->group = group_from_json(json, arena);
    checkpoint->broker_name = json_copy_str(json, "bn", arena);
    checkpoint->queue_id = json_get_i32(json, "q", 0);
    checkpoint->start_offset = json_get_i64(json, "so", -1);
    checkpoint->pop_time_ms = json_get_i64(json, "pt", -1);
    checkpoint->invisible_ms = json_get_i64(json, "it", 0);
    checkpoint->acked_bits = (uint32_t)json_get_i64(json, "bm", 0);
    checkpoint->count = json_get_i32(json, "n", -1);
    (void)slice_to_i32(json_get_str(json, "rp"), &times); /* no number: none */
    checkpoint->put_again_times = times < 0 ? 0 : times;
    if (checkpoint->topic.len == 0 || checkpoint->group.len == 0 || checkpoint->count < 0 ||
        checkpoint->count > POP_CHECKPOINT_MESSAGES_MAX || checkpoint->start_offset < 0 ||
        checkpoint->start_offset > INT64_MAX - INT32_MAX || checkpoint->pop_time_ms < 0 ||
        checkpoint->queue_id < 0)
        return ERR_CORRUPT;
    return distances_from_json(json, checkpoint);
}

int pop_checkpoint_decode(struct slice body, struct arena *arena, struct pop_checkpoint *checkpoint)
{
    json_t *json = json_read(body);
    struct pop_checkpoint decoded = { 0 };
    int err = json_is_object(json) ? checkpoint_from_json(json, arena, &decoded) : ERR_CORRUPT;
    json_decref(json);
    if (err == 0)
        *checkpoint = decoded;
    return err;
}

void pop_checkpoint_encode(const struct pop_checkpoint *checkpoint, struct buf *out)
{
    assert(checkpoint->count >= 0 && checkpoint->count <= POP_CHECKPOINT_MESSAGES_MAX);
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_i64(&j, "bm", (int32_t)checkpoint->acked_bits);
    json_member_str(&j, "bn", checkpoint->broker_name);
    json_member_str(&j, "c", checkpoint->group);
    json_key(&j, SLICE("d"));
    json_array_begin(&j);
    for (int i = 0; i < checkpoint->count; i++)
        json_i64(&j, checkpoint->distances[i]);
    json_array_end(&j);
    json_member_i64(&j, "it", checkpoint->invisible_ms);
    json_member_i64(&j, "n", checkpoint->count);
    json_member_i64(&j, "pt", checkpoint->pop_time_ms);
    json_member_i64(&j, "q", checkpoint->queue_id);
    json_member_i64(&j, "ro", 0);
    if (checkpoint->put_again_times > 0) {
        char text[16];
        snprintf(text, sizeof text, "%d", checkpoint->put_again_times);
        json_member_str(&j, "rp", slice_str(text));
    }
    json_member_i64(&j, "so", checkpoint->start_offset);
    json_member_str(&j, "t", checkpoint->topic);
    json_object_end(&j);
}

/* ---- acks --------------------------------------------------------------------------------- */

/* A member by its short or its long name: 5.0 wrote the long ones. */
static int64_t member_i64(const json_t *json, const char *name, const char *long_name)
{
    return json_get_i64(json, name, json_get_i64(json, long_name, -1));
}

static struct slice member_str(const json_t *json, const char *name, const char *long_name,
                               struct arena *arena)
{
    struct slice found = json_copy_str(json, name, arena);
    return found.data != NULL ? found : json_copy_str(json, long_name, arena);
}

static void offsets_from_json(const json_t *json, bool is_batch, struct arena *arena,
                              struct pop_log_ack *ack)
{
    const json_t *array = json_get(json, "aol");
    if (array == NULL)
        array = json_get(json, "ackOffsetList");
    int64_t *offsets;
    if (!is_batch) {
        offsets = arena_alloc(arena, sizeof *offsets);
        offsets[0] = member_i64(json, "ao", "ackOffset");
        ack->count = 1;
    } else {
        offsets = json_alloc_elements(array, sizeof *offsets, arena);
        size_t i;
        json_t *element;
        ack->count = 0;
        json_array_foreach(array, i, element)
            if (json_is_integer(element))
                offsets[ack->count++] = json_integer_value(element);
    }
    ack->queue_offsets = offsets;
    ack->is_batch = is_batch;
}

int pop_log_ack_decode(struct slice body, bool is_batch, struct arena *arena,
                       struct pop_log_ack *ack)
{
    json_t *json = json_read(body);
    struct pop_log_ack decoded = { 0 };
    int err = ERR_CORRUPT;
    if (json_is_object(json)) {
        decoded.topic = member_str(json, "t", "topic", arena);
        decoded.group = member_str(json, "c", "consumerGroup", arena);
        decoded.broker_name = member_str(json, "bn", "brokerName", arena);
        decoded.queue_id = json_get_i32(json, "q", json_get_i32(json, "queueId", 0));
        decoded.start_offset = member_i64(json, "so", "startOffset");
        decoded.pop_time_ms = member_i64(json, "pt", "popTime");
        offsets_from_json(json, is_batch, arena, &decoded);
        if (decoded.topic.len > 0 && decoded.group.len > 0)
            err = 0;
    }
    json_decref(json);
    if (err == 0)
        *ack = decoded;
    return err;
}

void pop_log_ack_encode(const struct pop_log_ack *ack, struct buf *out)
{
    assert(ack->is_batch || ack->count == 1);
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_i64(&j, "ao", ack->is_batch ? -1 : ack->queue_offsets[0]);
    if (ack->is_batch) {
        json_key(&j, SLICE("aol"));
        json_array_begin(&j);
        for (int i = 0; i < ack->count; i++)
            json_i64(&j, ack->queue_offsets[i]);
        json_array_end(&j);
    }
    json_member_str(&j, "bn", ack->broker_name);
    json_member_str(&j, "c", ack->group);
    json_member_i64(&j, "pt", ack->pop_time_ms);
    json_member_i64(&j, "q", ack->queue_id);
    json_member_i64(&j, "so", ack->start_offset);
    json_member_str(&j, "t", ack->topic);
    json_object_end(&j);
}
