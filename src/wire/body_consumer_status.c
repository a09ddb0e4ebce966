#include "wire/body_consumer_status.h"

int consumer_status_decode(struct slice body, struct arena *arena, struct consumer_status *status)
{
    json_t *json = json_read(body);
    json_t *table = json_get(json, "messageQueueTable");
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        struct queue_offset *queues = json_alloc_elements(table, sizeof *queues, arena);
        const char *key;
        json_t *value;
        status->queues = queues;
        status->queue_count = 0;
        json_object_foreach(table, key, value) {
            struct queue_offset *entry = &queues[status->queue_count];
            json_t *queue = json_read(slice_str(key)); /* the key is an object's text */
            if (json_is_integer(value) && message_queue_from_json(queue, arena, &entry->queue) == 0)
                queues[status->queue_count++].queue_offset = json_integer_value(value);
            json_decref(queue);
        }
    }
    json_decref(json);
    return err;
}

void consumer_status_table_encode(const struct consumer_status *clients, int count, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("consumerTable"));
    json_object_begin(&j);
    for (int i = 0; i < count; i++) {
        json_key(&j, clients[i].client_id);
        queue_offsets_to_json(clients[i].queues, clients[i].queue_count, &j);
    }
    json_object_end(&j);
    json_key(&j, SLICE("messageQueueTable"));
    json_object_begin(&j);
    json_object_end(&j);
    json_object_end(&j);
}
