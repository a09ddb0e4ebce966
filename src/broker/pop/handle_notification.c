/* handle_notification.c - NOTIFICATION (200054): is there something to pop? POLLING_INFO (200055):
 * how many wait for that? PEEK_MESSAGE (200052): what would a pop give?
 */
#include "broker/pop/pop_checks.h"
#include "broker/pop/pop_hold.h"
#include "broker/pop/pops.h"
#include "broker/requests.h"
#include "broker/session.h"
#include "broker/unreadable.h"

struct notification {
    struct broker *broker;
    struct held_pop held; /* holds req also before */
    struct notification_request fields;
    int64_t deadline_ms;
    struct unreadable unreadable;
};

static void answer(struct notification *n, bool has_msg, bool is_full)
{
    struct notification_response fields = { .has_msg = has_msg, .polling_full = is_full };
    reply_fields(n->held.req, RESP_SUCCESS, slice_of(NULL, 0), &notification_response_fields,
                 &fields, slice_of(NULL, 0));
}

static bool queue_has_msg(struct notification *n, struct slice topic, int32_t queue_id)
{
    struct broker *broker = n->broker;
    struct slice group = n->fields.consumer_group;
    struct store_bounds bounds;
    int64_t offset;
    int err = store_queue_bounds(broker->store, topic, queue_id, &bounds);
    if (err == 0)
        err = pop_begin_offset(broker, topic, group, queue_id, POP_FROM_MIN, false, &offset);
    if (!unreadable_note(&n->unreadable, topic, queue_id, err))
        return false;
    if (n->fields.order && pop_is_blocked(pops_keeper(broker->pops), topic, group, queue_id, offset,
                                          n->fields.attempt_id, loop_now_ms(broker->loop)))
        return false;
    return bounds.max > offset;
}

static bool topic_has_msg(struct notification *n, struct slice topic)
{
    const struct topic_config *config = topics_get(n->broker->topics, topic);
    for (int32_t i = 0; config != NULL && i < config->read_queue_count; i++)
        if (queue_has_msg(n, topic, i))
            return true;
    return false;
}

static bool retry_has_msg(struct notification *n)
{
    const struct broker_conf *conf = &n->broker->conf;
    struct arena arena;
    arena_init(&arena);
    struct slice group = n->fields.consumer_group;
    bool has_msg = false;
    if (conf->enable_retry_topic_v2)
        has_msg = topic_has_msg(n, pop_topic_name(n->fields.topic, group, POP_OF_RETRY_V2, &arena));
    if (!has_msg &&
        (!conf->enable_retry_topic_v2 || conf->retrieve_message_from_pop_retry_topic_v1))
        has_msg = topic_has_msg(n, pop_topic_name(n->fields.topic, group, POP_OF_RETRY_V1, &arena));
    arena_fini(&arena);
    return has_msg;
}

static void look(struct notification *n)
{
    struct broker *broker = n->broker;
    struct request *req = n->held.req;
    n->unreadable.err = 0;
    bool has_msg = n->fields.queue_id < 0 ? topic_has_msg(n, n->fields.topic)
                                          : queue_has_msg(n, n->fields.topic, n->fields.queue_id);
    has_msg = has_msg || retry_has_msg(n);
    int64_t wait_ms = n->deadline_ms - loop_now_ms(broker->loop);
    if (!peer_is_open(req->peer)) {
        request_drop(req);
        return;
    }
    if (!has_msg && unreadable_answer(req, &n->unreadable))
        return;
    if (has_msg || n->fields.poll_ms <= 0 || wait_ms <= 0 || broker->is_stopping) {
        answer(n, has_msg, false);
        return;
    }
    if (!req->is_detached) {
        request_detach(req);
        n->fields.consumer_group = arena_copy(&req->arena, n->fields.consumer_group);
        n->fields.topic = arena_copy(&req->arena, n->fields.topic);
        if (n->fields.attempt_id.data != NULL)
            n->fields.attempt_id = arena_copy(&req->arena, n->fields.attempt_id);
    }
    n->held = (struct held_pop){ .req = req, .kind = HELD_NOTIFICATION };
    if (pop_hold_park(broker->pop_hold, &n->held, n->fields.topic, n->fields.consumer_group,
                      n->fields.queue_id, wait_ms, &session_of(req->peer)->held_pops) != 0)
        answer(n, false, true);
}

void notification_resume(struct held_pop *held)
{
    look((struct notification *)((char *)held - offsetof(struct notification, held)));
}

/* The permission of the broker, then topic, queue and group. True: the request was refused, with
 * these fields. */
static bool refused(struct broker *broker, struct request *req, struct slice topic,
                    struct slice group, int32_t queue_id, const struct fields *fields,
                    const void *none)
{
    int32_t code = RESP_NO_PERMISSION;
    struct slice fault = { NULL, 0 };
    if ((broker->conf.broker_permission & PERM_READ) == 0)
        fault = arena_printf(&req->arena, "the broker[%s] peeking message is forbidden",
                             broker->conf.broker_ip1);
    else
        fault = pop_place_fault(broker, req, topic, group, queue_id, &code);
    if (fault.data != NULL)
        reply_fields(req, code, fault, fields, none, slice_of(NULL, 0));
    return fault.data != NULL;
}

void handle_notification(struct broker *broker, struct request *req)
{
    static const struct notification_response none;
    struct notification *n = arena_zalloc(&req->arena, sizeof *n);
    n->broker = broker;
    n->held.req = req;
    if (request_fields(req, &notification_request_fields, &n->fields) != 0 ||
        refused(broker, req, n->fields.topic, n->fields.consumer_group, n->fields.queue_id,
                &notification_response_fields, &none))
        return;
    int64_t now_ms = loop_now_ms(broker->loop);
    n->deadline_ms = pop_deadline_ms(now_ms, &n->fields.born_ms, &n->fields.poll_ms);
    look(n);
}

void handle_polling_info(struct broker *broker, struct request *req)
{
    struct polling_info_request fields;
    struct polling_info_response response = { 0 };
    if (request_fields(req, &polling_info_request_fields, &fields) != 0 ||
        refused(broker, req, fields.topic, fields.consumer_group, fields.queue_id,
                &polling_info_response_fields, &response))
        return;
    response.polling_num =
        pop_hold_count_of(broker->pop_hold, fields.topic, fields.consumer_group, fields.queue_id);
    reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &polling_info_response_fields, &response,
                 slice_of(NULL, 0));
}

/* ---- peek ---------------------------------------------------------------------------------- */

struct peek {
    struct offload offload;
    struct peek_request fields;
    struct slice retry_topic;
    int32_t retry_queues, topic_queues; /* how many there are of each */
    int64_t *offsets;                   /* where each is read: of the retry topic, of the topic */
    struct unreadable unreadable;
    int64_t rest_num;
    int count;
    int err;
};

static void peek_queue(struct peek *p, struct slice topic, int32_t queue_id, int64_t offset,
                       struct buf *body)
{
    struct store *store = p->offload.broker->store;
    struct store_get_result got;
    struct store_bounds bounds;
    if (!unreadable_note(&p->unreadable, topic, queue_id,
                         store_queue_bounds(store, topic, queue_id, &bounds)))
        return;
    if (offset < bounds.min)
        offset = bounds.min;
    p->rest_num += bounds.max > offset ? bounds.max - offset : 0;
    if (p->count >= p->fields.max_msg_nums || offset >= bounds.max || p->err != 0)
        return;
    struct store_get_request request = {
        .topic = topic,
        .queue_id = queue_id,
        .queue_offset = offset,
        .max_count = p->fields.max_msg_nums - p->count,
        .max_bytes = p->offload.broker->conf.max_transfer_bytes_in_memory,
        .may_block = true,
    };
    p->err = store_get(store, &request, body, &got);
    if (p->err == 0 && got.status == GET_FOUND)
        p->count += got.count;
}

static void peek_all(struct offload *o)
{
    struct peek *p = (struct peek *)o;
    for (int32_t i = 0; i < p->topic_queues; i++) {
        int32_t queue_id = p->fields.queue_id < 0 ? i : p->fields.queue_id;
        peek_queue(p, p->fields.topic, queue_id, p->offsets[p->retry_queues + i], &o->body);
    }
    for (int32_t i = 0; i < p->retry_queues && p->count < p->fields.max_msg_nums; i++)
        peek_queue(p, p->retry_topic, i, p->offsets[i], &o->body);
}

static void peeked(struct offload *o)
{
    struct peek *p = (struct peek *)o;
    struct pop_response fields = { .rest_num = p->rest_num };
    if (p->count == 0 && unreadable_answer(o->req, &p->unreadable))
        return;
    if (p->err != 0)
        reply_code(o->req, RESP_SYSTEM_ERROR, "the store could not be read: %s", err_name(p->err));
    else if (p->count > 0)
        reply_fields(o->req, RESP_SUCCESS, SLICE("FOUND"), &pop_response_fields, &fields,
                     buf_slice(&o->body));
    else
        reply_fields(o->req, RESP_PULL_NOT_FOUND, SLICE("NO_MESSAGE_IN_QUEUE"),
                     &pop_response_fields, &fields, slice_of(NULL, 0));
}

/* What the worker needs of the broker's tables. */
static void look_up_queues(struct broker *broker, struct peek *p, struct arena *arena)
{
    const struct topic_config *topic = topics_get(broker->topics, p->fields.topic);
    enum pop_origin origin = broker->conf.enable_retry_topic_v2 ? POP_OF_RETRY_V2 : POP_OF_RETRY_V1;
    p->retry_topic = pop_topic_name(p->fields.topic, p->fields.consumer_group, origin, arena);
    const struct topic_config *retry = topics_get(broker->topics, p->retry_topic);
    p->retry_queues = retry == NULL ? 0 : retry->read_queue_count;
    p->topic_queues = p->fields.queue_id < 0 ? topic->read_queue_count : 1;
    p->offsets =
        arena_alloc(arena, (size_t)(p->retry_queues + p->topic_queues + 1) * sizeof *p->offsets);
    struct slice group = p->fields.consumer_group;
    for (int32_t i = 0; i < p->retry_queues; i++)
        unreadable_note(&p->unreadable, p->retry_topic, i,
                        pop_begin_offset(broker, p->retry_topic, group, i, POP_FROM_MIN, false,
                                         &p->offsets[i]));
    for (int32_t i = 0; i < p->topic_queues; i++) {
        int32_t queue_id = p->fields.queue_id < 0 ? i : p->fields.queue_id;
        unreadable_note(&p->unreadable, p->fields.topic, queue_id,
                        pop_begin_offset(broker, p->fields.topic, group, queue_id, POP_FROM_MIN,
                                         false, &p->offsets[p->retry_queues + i]));
    }
}

/* Nobody is in a hurry: always by a worker. */
void handle_peek(struct broker *broker, struct request *req)
{
    static const struct pop_response none;
    struct peek *p = arena_zalloc(&req->arena, sizeof *p);
    if (request_fields(req, &peek_request_fields, &p->fields) != 0 ||
        refused(broker, req, p->fields.topic, p->fields.consumer_group, p->fields.queue_id,
                &pop_response_fields, &none))
        return;
    if (p->fields.max_msg_nums > 32)
        p->fields.max_msg_nums = 32;
    request_detach(req);
    p->fields.topic = arena_copy(&req->arena, p->fields.topic);
    p->fields.consumer_group = arena_copy(&req->arena, p->fields.consumer_group);
    look_up_queues(broker, p, &req->arena);
    offload_start(&p->offload, broker, req, peek_all, peeked);
}
