#include "wire/body_data_version.h"

bool data_version_eq(const struct data_version *a, const struct data_version *b)
{
    return a->state_version == b->state_version && a->timestamp == b->timestamp &&
           a->counter == b->counter;
}

void data_version_next(struct data_version *v, int64_t now_ms)
{
    v->timestamp = now_ms;
    v->counter++;
}

struct data_version data_version_from_json(const json_t *json)
{
    return (struct data_version){
        .state_version = json_get_i64(json, "stateVersion", 0),
        .timestamp = json_get_i64(json, "timestamp", 0),
        .counter = json_get_i64(json, "counter", 0),
    };
}

void data_version_to_json(const struct data_version *v, struct json_out *j)
{
    json_object_begin(j);
    json_member_i64(j, "counter", v->counter);
    json_member_i64(j, "stateVersion", v->state_version);
    json_member_i64(j, "timestamp", v->timestamp);
    json_object_end(j);
}

int data_version_decode(struct slice body, struct data_version *v)
{
    json_t *json = json_read(body);
    bool is_object = json_is_object(json);
    if (is_object)
        *v = data_version_from_json(json);
    json_decref(json);
    return is_object ? 0 : ERR_CORRUPT;
}

void data_version_encode(const struct data_version *v, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    data_version_to_json(v, &j);
}
