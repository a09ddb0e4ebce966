#include "wire/body_subscription.h"

static const int32_t *codes_from_json(const json_t *array, struct arena *arena, int *count)
{
    int32_t *codes = json_alloc_elements(array, sizeof *codes, arena);
    size_t i;
    json_t *element;
    *count = 0;
    json_array_foreach(array, i, element)
        if (json_is_integer(element))
            codes[(*count)++] = (int32_t)json_integer_value(element);
    return codes;
}

int subscription_from_json(const json_t *json, struct arena *arena, struct subscription *sub)
{
    if (!json_is_object(json))
        return ERR_CORRUPT;
    *sub = (struct subscription){
        .topic = json_copy_str(json, "topic", arena),
        .sub_string = json_copy_str(json, "subString", arena),
        .sub_version = json_get_i64(json, "subVersion", 0),
        .expression_type = json_copy_str(json, "expressionType", arena),
        .class_filter_mode = json_get_bool(json, "classFilterMode", false),
    };
    if (sub->expression_type.data == NULL)
        sub->expression_type = SLICE("TAG");
    sub->tags = json_copy_strings(json_get(json, "tagsSet"), arena, &sub->tag_count);
    sub->codes = codes_from_json(json_get(json, "codeSet"), arena, &sub->code_count);
    return 0;
}

void subscription_to_json(const struct subscription *sub, struct json_out *j)
{
    json_object_begin(j);
    json_member_bool(j, "classFilterMode", sub->class_filter_mode);
    json_key(j, SLICE("codeSet"));
    json_array_begin(j);
    for (int i = 0; i < sub->code_count; i++)
        json_i64(j, sub->codes[i]);
    json_array_end(j);
    json_member_str(j, "expressionType", sub->expression_type);
    json_member_str(j, "subString", sub->sub_string);
    json_member_i64(j, "subVersion", sub->sub_version);
    json_key(j, SLICE("tagsSet"));
    json_array_begin(j);
    for (int i = 0; i < sub->tag_count; i++)
        json_str(j, sub->tags[i]);
    json_array_end(j);
    json_member_str(j, "topic", sub->topic);
    json_object_end(j);
}

int client_config_decode(struct slice body, struct arena *arena, struct client_config *config)
{
    json_t *json = json_read(body);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        *config = (struct client_config){
            .client_id = json_copy_str(json, "clientId", arena),
            .group = json_copy_str(json, "group", arena),
        };
        config->has_subscription = subscription_from_json(json_get(json, "subscriptionData"), arena,
                                                          &config->subscription) == 0;
    }
    json_decref(json);
    return err;
}
