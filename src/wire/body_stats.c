#include "wire/body_stats.h"

/* The reader turns an object that is a key into its text. */
static bool queue_from_key(const char *key, struct arena *arena, struct message_queue *queue)
{
    json_t *json = json_read(slice_str(key), NULL);
    bool ok = message_queue_from_json(json, arena, queue) == 0;
    json_decref(json);
    return ok;
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_get(object, key));
}

int topic_stats_decode(struct slice body, struct arena *arena, struct topic_stats *stats)
{
    json_t *json = json_read(body, NULL);
    json_t *table = json_get(json, "offsetTable");
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        struct topic_queue_stats *queues = json_alloc_elements(table, sizeof *queues, arena);
        const char *key;
        json_t *value;
        *stats = (struct topic_stats){ .queues = queues,
                                       .topic_put_tps = number_of(json, "topicPutTps") };
        json_object_foreach(table, key, value) {
            struct topic_queue_stats *entry = &queues[stats->queue_count];
            if (!queue_from_key(key, arena, &entry->queue))
                continue;
            entry->min_offset = json_get_i64(value, "minOffset", 0);
            entry->max_offset = json_get_i64(value, "maxOffset", 0);
            entry->last_update_timestamp = json_get_i64(value, "lastUpdateTimestamp", 0);
            stats->queue_count++;
        }
    }
    json_decref(json);
    return err;
}

void topic_stats_encode(const struct topic_stats *stats, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("offsetTable"));
    json_object_begin(&j);
    for (int i = 0; i < stats->queue_count; i++) {
        const struct topic_queue_stats *entry = &stats->queues[i];
        message_queue_to_json_key(&entry->queue, &j);
        json_object_begin(&j);
        json_member_i64(&j, "lastUpdateTimestamp", entry->last_update_timestamp);
        json_member_i64(&j, "maxOffset", entry->max_offset);
        json_member_i64(&j, "minOffset", entry->min_offset);
        json_object_end(&j);
    }
    json_object_end(&j);
    json_key(&j, SLICE("topicPutTps"));
    json_double(&j, stats->topic_put_tps);
    json_object_end(&j);
}

int consume_stats_decode(struct slice body, struct arena *arena, struct consume_stats *stats)
{
    json_t *json = json_read(body, NULL);
    json_t *table = json_get(json, "offsetTable");
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        struct consume_queue_stats *queues = json_alloc_elements(table, sizeof *queues, arena);
        const char *key;
        json_t *value;
        *stats = (struct consume_stats){ .queues = queues,
                                         .consume_tps = number_of(json, "consumeTps") };
        json_object_foreach(table, key, value) {
            struct consume_queue_stats *entry = &queues[stats->queue_count];
            if (!queue_from_key(key, arena, &entry->queue))
                continue;
            entry->broker_offset = json_get_i64(value, "brokerOffset", 0);
            entry->consumer_offset = json_get_i64(value, "consumerOffset", 0);
            entry->pull_offset = json_get_i64(value, "pullOffset", 0);
            entry->last_timestamp = json_get_i64(value, "lastTimestamp", 0);
            stats->queue_count++;
        }
    }
    json_decref(json);
    return err;
}

void consume_stats_to_json(const struct consume_stats *stats, struct json_out *j)
{
    json_object_begin(j);
    json_key(j, SLICE("consumeTps"));
    json_double(j, stats->consume_tps);
    json_key(j, SLICE("offsetTable"));
    json_object_begin(j);
    for (int i = 0; i < stats->queue_count; i++) {
        const struct consume_queue_stats *entry = &stats->queues[i];
        message_queue_to_json_key(&entry->queue, j);
        json_object_begin(j);
        json_member_i64(j, "brokerOffset", entry->broker_offset);
        json_member_i64(j, "consumerOffset", entry->consumer_offset);
        json_member_i64(j, "lastTimestamp", entry->last_timestamp);
        json_member_i64(j, "pullOffset", entry->pull_offset);
        json_object_end(j);
    }
    json_object_end(j);
    json_object_end(j);
}

void consume_stats_encode(const struct consume_stats *stats, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    consume_stats_to_json(stats, &j);
}

static void member_window(struct json_out *j, const char *key, const struct window_stats *window)
{
    json_key(j, slice_str(key));
    json_object_begin(j);
    json_key(j, SLICE("avgpt"));
    json_double(j, window->avg_pt);
    json_member_i64(j, "sum", window->sum);
    json_key(j, SLICE("tps"));
    json_double(j, window->tps);
    json_object_end(j);
}

void broker_stats_encode(const struct broker_stats *stats, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    member_window(&j, "statsDay", &stats->day);
    member_window(&j, "statsHour", &stats->hour);
    member_window(&j, "statsMinute", &stats->minute);
    json_object_end(&j);
}
