#include "broker/unreadable.h"

enum { LISTED_MAX = 65536 };

int32_t queues_listed(int32_t queue_count)
{
    if (queue_count < 0)
        return 0;
    return queue_count < LISTED_MAX ? queue_count : LISTED_MAX;
}

bool unreadable_note(struct unreadable *unreadable, struct slice topic, int32_t queue_id, int err)
{
    unreadable->count += err != 0;
    if (err != 0 && unreadable->err == 0 && topic.len <= sizeof unreadable->topic) {
        unreadable->err = err;
        unreadable->queue_id = queue_id;
        unreadable->topic_len = (uint8_t)topic.len;
        memcpy(unreadable->topic, topic.data, topic.len);
    }
    return err == 0;
}

bool unreadable_answer(struct request *req, const struct unreadable *unreadable)
{
    if (unreadable->err != 0)
        reply_code(req, RESP_SYSTEM_ERROR, "queue %d of topic %.*s cannot be read: %s",
                   unreadable->queue_id, (int)unreadable->topic_len,
                   (const char *)unreadable->topic, err_name(unreadable->err));
    return unreadable->err != 0;
}

void unreadable_answer_table(struct broker *broker, struct request *req,
                             const struct unreadable *unreadable, int rows, struct slice body)
{
    broker->unreadable_queues += unreadable->count;
    if (rows == 0 && unreadable_answer(req, unreadable))
        return;
    struct reply reply = { .code = RESP_SUCCESS, .body = body };
    if (unreadable->count > 0)
        reply.remark = arena_printf(
            &req->arena,
            "%d queues left out that cannot be read, the first is %d of topic %.*s: %s",
            unreadable->count, unreadable->queue_id, (int)unreadable->topic_len,
            (const char *)unreadable->topic, err_name(unreadable->err));
    reply_send(req, &reply);
}

bool bounds_or_answer(struct broker *broker, struct request *req, struct slice topic,
                      int32_t queue_id, struct store_bounds *bounds)
{
    struct unreadable unreadable = { .err = 0 };
    unreadable_note(&unreadable, topic, queue_id,
                    store_queue_bounds(broker->store, topic, queue_id, bounds));
    return !unreadable_answer(req, &unreadable);
}
