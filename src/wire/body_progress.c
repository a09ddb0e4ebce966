#include "wire/body_progress.h"

static void member_time(struct json_out *j, const char *key, const char *text_key,
                        const struct told_time *time)
{
    json_member_i64(j, key, time->ms);
    json_member_str(j, text_key, time->text);
}

void time_spans_encode(const struct queue_time_span *spans, int count, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("consumeTimeSpanSet"));
    json_array_begin(&j);
    for (int i = 0; i < count; i++) {
        const struct queue_time_span *span = &spans[i];
        json_object_begin(&j);
        member_time(&j, "consumeTimeStamp", "consumeTimeStampStr", &span->consumed);
        json_member_i64(&j, "delayTime", span->delay_ms);
        member_time(&j, "maxTimeStamp", "maxTimeStampStr", &span->newest);
        json_key(&j, SLICE("messageQueue"));
        message_queue_to_json(&span->queue, &j);
        member_time(&j, "minTimeStamp", "minTimeStampStr", &span->oldest);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
}

void broker_progress_encode(const struct broker_progress *progress, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_member_str(&j, "brokerAddr", progress->broker_addr);
    json_key(&j, SLICE("consumeStatsList"));
    json_array_begin(&j);
    for (int i = 0; i < progress->group_count; i++) {
        const struct group_progress *group = &progress->groups[i];
        json_object_begin(&j);
        json_key(&j, group->group);
        json_array_begin(&j);
        for (int k = 0; k < group->topic_count; k++)
            consume_stats_to_json(&group->topics[k], &j);
        json_array_end(&j);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_member_i64(&j, "totalDiff", progress->total_diff);
    json_member_i64(&j, "totalInflightDiff", progress->total_inflight_diff);
    json_object_end(&j);
}

void correction_offsets_encode(const struct queue_offset *offsets, int count, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("correctionOffsets"));
    json_object_begin(&j);
    for (int i = 0; i < count; i++) {
        json_key_i64(&j, offsets[i].queue.queue_id);
        json_i64(&j, offsets[i].queue_offset);
    }
    json_object_end(&j);
    json_object_end(&j);
}

void queue_offsets_to_json(const struct queue_offset *offsets, int count, struct json_out *j)
{
    json_object_begin(j);
    for (int i = 0; i < count; i++) {
        message_queue_to_json_key(&offsets[i].queue, j);
        json_i64(j, offsets[i].queue_offset);
    }
    json_object_end(j);
}

void queue_offsets_encode(const struct queue_offset *offsets, int count, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("offsetTable"));
    queue_offsets_to_json(offsets, count, &j);
    json_object_end(&j);
}

void queue_offset_list_encode(const struct queue_offset *offsets, int count, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("offsetTable"));
    json_array_begin(&j);
    for (int i = 0; i < count; i++) {
        json_object_begin(&j);
        json_member_str(&j, "brokerName", offsets[i].queue.broker_name);
        json_member_i64(&j, "offset", offsets[i].queue_offset);
        json_member_i64(&j, "queueId", offsets[i].queue.queue_id);
        json_member_str(&j, "topic", offsets[i].queue.topic);
        json_object_end(&j);
    }
    json_array_end(&j);
    json_object_end(&j);
}
