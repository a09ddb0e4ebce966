#include "wire/body_lists.h"

#include "wire/pairs.h"

int kv_table_decode(struct slice body, struct arena *arena, struct kv_table *table)
{
    json_t *json = json_read(body);
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
    json_t *json = json_read(body);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        list->broker_addr = json_copy_str(json, "brokerAddr", arena);
        list->topics = json_copy_strings(json_get(json, "topicList"), arena, &list->count);
    }
    json_decref(json);
    return err;
}

static void member_names(struct json_out *j, const char *key, const struct slice *names, int count)
{
    json_key(j, slice_str(key));
    json_array_begin(j);
    for (int i = 0; i < count; i++)
        json_str(j, names[i]);
    json_array_end(j);
}

void topic_list_encode(const struct topic_list *list, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_str(&j, "brokerAddr", list->broker_addr);
    member_names(&j, "topicList", list->topics, list->count);
    json_object_end(&j);
}

void group_list_encode(const struct group_list *list, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    member_names(&j, "groupList", list->groups, list->count);
    json_object_end(&j);
}
