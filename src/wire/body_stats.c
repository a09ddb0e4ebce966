#include "wire/body_stats.h"

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
