#include "wire/body_lists.h"

#include "wire/pairs.h"

int kv_table_decode(struct slice body, struct arena *arena, struct kv_table *table)
{
    json_t *json = json_read(body, NULL);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0)
        table->pairs = pairs_from_json(json_get(json, "table"), arena, &table->count);
    json_decref(json);
    return err;
}

void kv_table_encode(const struct kv_table *table, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("table"));
    pairs_to_json(table->pairs, table->count, &j);
    json_object_end(&j);
}

int topic_list_decode(struct slice body, struct arena *arena, struct topic_list *list)
{
    json_t *json = json_read(body, NULL);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        list->broker_addr = json_copy_str(json, "brokerAddr", arena);
        list->topics = json_copy_strings(json_get(json, "topicList"), arena, &list->count);
    }
    json_decref(json);
    return err;
}

void topic_list_encode(const struct topic_list *list, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_str(&j, "brokerAddr", list->broker_addr);
    json_key(&j, SLICE("topicList"));
    json_array_begin(&j);
    for (int i = 0; i < list->count; i++)
        json_str(&j, list->topics[i]);
    json_array_end(&j);
    json_object_end(&j);
}
