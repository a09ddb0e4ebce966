#include "wire/body_assignment.h"

/* "PULL" and "POP"; data NULL for the zero value. */
static struct slice mode_name(enum request_mode mode)
{
    switch (mode) {
    case REQUEST_MODE_PULL:
        return SLICE("PULL");
    case REQUEST_MODE_POP:
        return SLICE("POP");
    case REQUEST_MODE_NONE:
        break;
    }
    return slice_of(NULL, 0);
}

/* The zero value for other names. */
static enum request_mode mode_of(struct slice name)
{
    if (slice_eq(name, SLICE("PULL")))
        return REQUEST_MODE_PULL;
    return slice_eq(name, SLICE("POP")) ? REQUEST_MODE_POP : REQUEST_MODE_NONE;
}

int assignment_request_decode(struct slice body, struct arena *arena,
                              struct assignment_request *request)
{
    json_t *json = json_read(body);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0)
        *request = (struct assignment_request){
            .topic = json_copy_str(json, "topic", arena),
            .consumer_group = json_copy_str(json, "consumerGroup", arena),
            .client_id = json_copy_str(json, "clientId", arena),
            .strategy_name = json_copy_str(json, "strategyName", arena),
            .message_model = message_model_of(json_get_str(json, "messageModel")),
        };
    json_decref(json);
    return err;
}

void assignment_response_encode(const struct message_queue *queues, int count, bool is_null,
                                enum request_mode mode, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    if (!is_null) {
        json_key(&j, SLICE("messageQueueAssignments"));
        json_array_begin(&j);
        for (int i = 0; i < count; i++) {
            json_object_begin(&j);
            json_key(&j, SLICE("messageQueue"));
            message_queue_to_json(&queues[i], &j);
            json_member_str(&j, "mode", mode_name(mode));
            json_object_end(&j);
        }
        json_array_end(&j);
    }
    json_object_end(&j);
}

static struct request_mode_setting setting_from_json(const json_t *json, struct arena *arena)
{
    return (struct request_mode_setting){
        .topic = json_copy_str(json, "topic", arena),
        .consumer_group = json_copy_str(json, "consumerGroup", arena),
        .mode = json_get(json, "mode") == NULL ? REQUEST_MODE_PULL
                                               : mode_of(json_get_str(json, "mode")),
        .pop_share_queue_num = json_get_i32(json, "popShareQueueNum", 0),
    };
}

int request_mode_setting_decode(struct slice body, struct arena *arena,
                                struct request_mode_setting *setting)
{
    json_t *json = json_read(body);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0)
        *setting = setting_from_json(json, arena);
    json_decref(json);
    return err;
}

/* ---- the table ---------------------------------------------------------------------------- */

static int settings_in(json_t *topics)
{
    int count = 0;
    const char *topic;
    json_t *groups;
    json_object_foreach(topics, topic, groups)
        count += (int)json_object_size(groups);
    return count;
}

int request_mode_table_decode(struct slice text, struct arena *arena,
                              struct request_mode_table *table)
{
    json_t *json = json_read(text);
    json_t *topics = json_get(json, "messageRequestModeMap");
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        struct request_mode_setting *settings =
            arena_alloc(arena, (size_t)settings_in(topics) * sizeof *settings + 1);
        const char *topic;
        const char *group;
        json_t *groups;
        json_t *value;
        *table = (struct request_mode_table){ .settings = settings };
        json_object_foreach(topics, topic, groups) {
            json_object_foreach(groups, group, value) {
                struct request_mode_setting setting = setting_from_json(value, arena);
                setting.topic = arena_copy(arena, slice_str(topic));
                setting.consumer_group = arena_copy(arena, slice_str(group));
                if (setting.mode != REQUEST_MODE_NONE)
                    settings[table->count++] = setting;
            }
        }
    }
    json_decref(json);
    return err;
}

static void setting_to_json(const struct request_mode_setting *setting, struct json_out *j)
{
    json_key(j, setting->consumer_group);
    json_object_begin(j);
    json_member_str(j, "consumerGroup", setting->consumer_group);
    json_member_str(j, "mode", mode_name(setting->mode));
    json_member_i64(j, "popShareQueueNum", setting->pop_share_queue_num);
    json_member_str(j, "topic", setting->topic);
    json_object_end(j);
}

void request_mode_table_encode(const struct request_mode_table *table, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("messageRequestModeMap"));
    json_object_begin(&j);
    for (int i = 0; i < table->count; i++) {
        const struct request_mode_setting *s = &table->settings[i];
        if (i == 0 || !slice_eq(s->topic, s[-1].topic)) {
            json_key(&j, s->topic);
            json_object_begin(&j);
        }
        setting_to_json(s, &j);
        if (i + 1 == table->count || !slice_eq(s->topic, s[1].topic))
            json_object_end(&j);
    }
    json_object_end(&j);
    json_object_end(&j);
}
