#include "wire/body_queue.h"

int message_queue_from_json(const json_t *json, struct arena *arena, struct message_queue *mq)
{
    if (!json_is_object(json))
        return ERR_CORRUPT;
    mq->topic = json_copy_str(json, "topic", arena);
    mq->broker_name = json_copy_str(json, "brokerName", arena);
    mq->queue_id = json_get_i32(json, "queueId", 0);
    return 0;
}

void message_queue_to_json(const struct message_queue *mq, struct json_out *j)
{
    json_object_begin(j);
    json_member_str(j, "brokerName", mq->broker_name);
    json_member_i64(j, "queueId", mq->queue_id);
    json_member_str(j, "topic", mq->topic);
    json_object_end(j);
}

void message_queue_to_json_key(const struct message_queue *mq, struct json_out *j)
{
    json_key_object_begin(j);
    message_queue_to_json(mq, j);
    json_key_object_end(j);
}
