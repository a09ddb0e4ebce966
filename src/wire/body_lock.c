#include "wire/body_lock.h"

static const struct message_queue *queues_from_json(const json_t *array, struct arena *arena,
                                                    int *count)
{
    struct message_queue *queues = json_alloc_elements(array, sizeof *queues, arena);
    size_t i;
    json_t *element;
    *count = 0;
    json_array_foreach(array, i, element)
        if (message_queue_from_json(element, arena, &queues[*count]) == 0)
            (*count)++;
    return queues;
}

/* Each queue is an object of three members; the rest of the body is small. */
enum { VALUES_PER_QUEUE = 7, VALUES_BESIDE = 64 };

int lock_request_decode(struct slice body, struct arena *arena, struct lock_request *request)
{
    json_t *json = json_read_most(body, LOCK_QUEUES_MAX * VALUES_PER_QUEUE + VALUES_BESIDE);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        *request = (struct lock_request){
            .consumer_group = json_copy_str(json, "consumerGroup", arena),
            .client_id = json_copy_str(json, "clientId", arena),
        };
        request->queues = queues_from_json(json_get(json, "mqSet"), arena, &request->queue_count);
    }
    json_decref(json);
    return err;
}

void lock_response_encode(const struct lock_response *response, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("lockOKMQSet"));
    json_array_begin(&j);
    for (int i = 0; i < response->queue_count; i++)
        message_queue_to_json(&response->queues[i], &j);
    json_array_end(&j);
    json_object_end(&j);
}
