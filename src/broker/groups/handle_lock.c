/* handle_lock.c - LOCK_BATCH_MQ (41) and UNLOCK_BATCH_MQ (42): queues consumed in order. */
#include "broker/groups/queue_locks.h"
#include "broker/internal.h"
#include "broker/requests.h"
#include "wire/body_lock.h"

static int read_body(struct request *req, struct lock_request *body)
{
    int err = lock_request_decode(req->body, &req->arena, body);
    if (err != 0)
        reply_code(req, RESP_SYSTEM_ERROR, "the body is not a list of queues, at most %d",
                   LOCK_QUEUES_MAX);
    return err;
}

void handle_lock(struct broker *broker, struct request *req)
{
    struct lock_request asked;
    if (read_body(req, &asked) != 0)
        return;
    struct message_queue *taken =
        arena_alloc(&req->arena, (size_t)(asked.queue_count + 1) * sizeof *taken);
    struct lock_response got = { .queues = taken };
    for (int i = 0; i < asked.queue_count; i++)
        if (queue_locks_take(broker->queue_locks, asked.consumer_group, &asked.queues[i],
                             asked.client_id, loop_now_ms(broker->loop)))
            taken[got.queue_count++] = asked.queues[i];
    struct buf body = BUF_INIT;
    lock_response_encode(&got, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_unlock(struct broker *broker, struct request *req)
{
    struct lock_request asked;
    if (read_body(req, &asked) != 0)
        return;
    for (int i = 0; i < asked.queue_count; i++)
        queue_locks_release(broker->queue_locks, asked.consumer_group, &asked.queues[i],
                            asked.client_id);
    reply_code(req, RESP_SUCCESS, NULL);
}
