#include "wire/body_consumer_list.h"

int consumer_list_decode(struct slice body, struct arena *arena, struct consumer_list *list)
{
    json_t *json = json_read(body);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0)
        list->client_ids = json_copy_strings(json_get(json, "consumerIdList"), arena, &list->count);
    json_decref(json);
    return err;
}

void consumer_list_encode(const struct consumer_list *list, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("consumerIdList"));
    json_array_begin(&j);
    for (int i = 0; i < list->count; i++)
        json_str(&j, list->client_ids[i]);
    json_array_end(&j);
    json_object_end(&j);
}
