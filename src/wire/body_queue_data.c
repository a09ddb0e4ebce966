#include "wire/body_queue_data.h"

static void entry_to_json(const struct queue_data_entry *entry, struct json_out *j)
{
    json_object_begin(j);
    json_member_bool(j, "eval", false); /* true only for entries with an extension, which we lack */
    json_member_i64(j, "physicOffset", entry->phy_offset);
    json_member_i64(j, "physicSize", entry->bytes);
    json_member_i64(j, "tagsCode", entry->tags_code);
    json_object_end(j);
}

void queue_data_encode(const struct queue_data *data, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_str(&j, "filterData", data->filter_data);
    json_member_i64(&j, "maxQueueIndex", data->max_index);
    json_member_i64(&j, "minQueueIndex", data->min_index);
    json_key(&j, SLICE("queueData"));
    json_array_begin(&j);
    for (int i = 0; i < data->count; i++)
        entry_to_json(&data->entries[i], &j);
    json_array_end(&j);
    if (data->subscription != NULL) {
        json_key(&j, SLICE("subscriptionData"));
        subscription_to_json(data->subscription, &j);
    }
    json_object_end(&j);
}
