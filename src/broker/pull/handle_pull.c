/* handle_pull.c - PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361).
 *
 *   checks ── read what was put last ── answer
 *                │          └── nothing there yet: parked in hold until arrival or deadline, then
 *                │              read again
 *                └── older: read when the answers of this pass are out, so that who sends or waits
 *                    for what is new does not wait for who catches up ── answer
 *                                └── the disk would have to be waited for: read by a worker,
 *                                    then answer or park
 *
 * The offset a pull commits is taken on its first pass only, whatever its answer.
 */
#include "base/fault.h"
#include "broker/figures/stats.h"
#include "broker/groups/progress.h"
#include "broker/guard/guard.h"
#include "broker/pull/pull_checks.h"
#include "broker/requests.h"
#include "broker/session.h"
#include "broker/unreadable.h"

/* A scratch buffer that grew above this is given back. */
enum { PULL_BODY_KEPT_BYTES = 1 << 20 };
/* Clients ask for 15 to 30 s. */
enum { SUSPEND_MAX_MS = 3600 * 1000 };

static int32_t code_of(enum store_get_status status, int64_t queue_offset)
{
    switch (status) {
    case GET_FOUND:
        return RESP_SUCCESS;
    case GET_NO_MATCHED_MESSAGE:
    case GET_MESSAGE_WAS_REMOVING:
        return RESP_PULL_RETRY_IMMEDIATELY;
    case GET_NO_MATCHED_LOGIC_QUEUE:
    case GET_NO_MESSAGE_IN_QUEUE:
        return queue_offset != 0 ? RESP_PULL_OFFSET_MOVED : RESP_PULL_NOT_FOUND;
    case GET_OFFSET_FOUND_NULL:
    case GET_OFFSET_OVERFLOW_ONE:
        return RESP_PULL_NOT_FOUND;
    case GET_OFFSET_OVERFLOW_BADLY:
    case GET_OFFSET_TOO_SMALL:
        return RESP_PULL_OFFSET_MOVED;
    }
    return RESP_SYSTEM_ERROR;
}

static void count_traffic(const struct pull *p, int64_t body_bytes)
{
    struct traffic *traffic = &pull_broker(p)->traffic;
    int64_t now_ns = loop_now_ns(pull_broker(p)->loop);
    bool is_found = p->result.status == GET_FOUND;
    traffic_count(traffic, is_found ? TRAFFIC_FOUND : TRAFFIC_MISSED, 1, now_ns);
    if (!is_found)
        return;
    traffic_count(traffic, TRAFFIC_TRANSFERRED, (uint32_t)p->result.count, now_ns);
    struct stats_got got = {
        .topic = p->fields.topic,
        .group = p->fields.consumer_group,
        .queue_id = p->fields.queue_id,
        .messages = p->result.count,
        .bytes = body_bytes,
        .took_ms = p->cold_start_ns == 0 ? 0 : (now_ns - p->cold_start_ns) / 1000000,
        .from_disk = p->cold_start_ns != 0,
    };
    if (got.took_ms > pull_broker(p)->get_took_max_ms)
        pull_broker(p)->get_took_max_ms = got.took_ms;
    stats_get(pull_broker(p)->stats, &got, now_ns);
    if (got.from_disk)
        guard_count_cold_read(pull_broker(p)->guard, got.group, body_bytes);
}

static void reply_result(struct pull *p, int32_t code, struct slice remark, struct slice body)
{
    struct pull_response fields = {
        .suggest_which_broker_id = 0, /* no slaves serve reads */
        .next_begin_offset = p->result.next_offset,
        .min_offset = p->result.min_offset,
        .max_offset = p->result.max_offset,
        .topic_sys_flag = p->topic_sys_flag,
        .group_sys_flag = p->group_sys_flag,
    };
    reply_fields(pull_req(p), code, remark, &pull_response_fields, &fields, body);
}

static void answer(struct pull *p, struct slice body)
{
    count_traffic(p, (int64_t)body.len);
    progress_note_pull(pull_broker(p)->progress, p->fields.topic, p->fields.consumer_group,
                       p->fields.queue_id, p->result.next_offset);
    reply_result(p, code_of(p->result.status, p->fields.queue_offset),
                 slice_str(store_get_status_name(p->result.status)), body);
}

static bool wants_to_wait(const struct pull *p)
{
    return p->may_suspend && !pull_broker(p)->is_stopping &&
           code_of(p->result.status, p->fields.queue_offset) == RESP_PULL_NOT_FOUND;
}

/* How far a read goes for its messages. */
enum reach { REACH_NEAR, REACH_MEMORY, REACH_DISK };

static int get(struct pull *p, enum reach reach, struct buf *body)
{
    const struct broker_conf *conf = &pull_broker(p)->conf;
    int32_t most = conf->max_transfer_count_in_memory;
    struct store_get_request request = {
        .topic = p->fields.topic,
        .queue_id = p->fields.queue_id,
        .queue_offset = p->fields.queue_offset,
        .max_count = p->fields.max_msg_nums < most ? p->fields.max_msg_nums : most,
        .max_bytes = conf->max_transfer_bytes_in_memory,
        .apart_max_count = conf->max_transfer_count_on_disk,
        .apart_max_bytes = conf->max_transfer_bytes_on_disk,
        .may_block = reach == REACH_DISK,
        .must_be_near = reach == REACH_NEAR,
    };
    message_filter_of_get(&p->filter, &request);
    return store_get(pull_broker(p)->store, &request, body, &p->result);
}

/* Copies what the request's bytes and the registry lent, so that it may outlive this pass. */
static void keep(struct pull *p)
{
    struct request *req = pull_req(p);
    if (req->is_detached)
        return;
    request_detach(req);
    p->fields.consumer_group = arena_copy(&req->arena, p->fields.consumer_group);
    p->fields.topic = arena_copy(&req->arena, p->fields.topic);
    message_filter_keep(&p->filter, &req->arena);
}

static void park(struct pull *p)
{
    struct broker *broker = pull_broker(p);
    struct request *req = pull_req(p);
    int64_t wait_ms = broker->conf.long_polling_enable ? p->fields.suspend_timeout_ms
                                                       : broker->conf.short_polling_time_ms;
    if (wait_ms > SUSPEND_MAX_MS)
        wait_ms = SUSPEND_MAX_MS;
    if (!peer_is_open(req->peer)) {
        request_drop(req);
        return;
    }
    keep(p);
    p->may_suspend = false;
    p->held = (struct held_request){
        .req = req,
        .queue_offset = p->fields.queue_offset,
        .filter = message_filter_takes_all(&p->filter) ? NULL : &p->filter,
    };
    int err = fault_check("pull.park");
    if (err == 0)
        err = hold_park(broker->hold, &p->held, p->fields.topic, p->fields.queue_id, wait_ms,
                        &session_of(req->peer)->held);
    if (err != 0)
        reply_code(req, RESP_SYSTEM_BUSY, "[OVERLOAD]too many pulls wait for messages: %d",
                   hold_count(broker->hold));
}

static void read_now(struct pull *p);

static void read_cold(struct offload *o)
{
    struct pull *p = (struct pull *)o;
    p->err = get(p, REACH_DISK, &o->body);
}

/* What arrived while the worker read woke nobody: so look again before waiting. */
static void finish_cold(struct offload *o)
{
    struct pull *p = (struct pull *)o;
    if (p->err != 0) {
        reply_code(o->req, RESP_SYSTEM_ERROR, "the store could not be read: %s", err_name(p->err));
    } else if (!wants_to_wait(p)) {
        answer(p, buf_slice(&o->body));
    } else if (store_queue_max(o->broker->store, p->fields.topic, p->fields.queue_id) >
               p->fields.queue_offset) {
        read_now(p);
    } else {
        park(p);
    }
}

static void read_by_worker(struct pull *p)
{
    struct broker *broker = pull_broker(p);
    if (guard_stops_cold_read(broker->guard, p->fields.consumer_group)) {
        guard_refuse_cold_read(broker->guard, pull_req(p), p->fields.consumer_group);
        return;
    }
    keep(p);
    p->cold_start_ns = loop_now_ns(broker->loop);
    offload_start(&p->offload, broker, pull_req(p), read_cold, finish_cold);
}

/* Answers, or parks, or goes on where it takes longer. */
static void read_on_loop(struct pull *p, enum reach reach, void (*go_on)(struct pull *p))
{
    struct broker *broker = pull_broker(p);
    struct buf *body = &broker->pull_body;
    buf_clear(body);
    p->err = get(p, reach, body);
    if (p->err == ERR_WOULD_BLOCK) {
        go_on(p);
        return;
    }
    if (p->err != 0)
        reply_code(pull_req(p), RESP_SYSTEM_ERROR, "the store could not be read: %s",
                   err_name(p->err));
    else if (wants_to_wait(p))
        park(p);
    else
        answer(p, buf_slice(body));
    if (body->cap > PULL_BODY_KEPT_BYTES)
        buf_fini(body);
}

static void take_turn(struct loop_deferred *turn)
{
    struct pull *p = (struct pull *)((char *)turn - offsetof(struct pull, turn));
    pull_broker(p)->offloads_out--;
    read_on_loop(p, REACH_MEMORY, read_by_worker);
}

static void wait_for_turn(struct pull *p)
{
    keep(p);
    loop_deferred_init(&p->turn, take_turn);
    pull_broker(p)->offloads_out++; /* the broker does not end before it */
    loop_go_last(pull_broker(p)->loop, &p->turn);
}

static void read_now(struct pull *p)
{
    p->cold_start_ns = 0;
    if (fault_check("pull.cold") != 0)
        read_by_worker(p);
    else
        read_on_loop(p, REACH_NEAR, wait_for_turn);
}

/* The group's offset was set by a request: it is told to go there, wherever it asked to read. */
static bool answer_reset(struct pull *p)
{
    struct broker *broker = pull_broker(p);
    int64_t target = progress_take_reset(broker->progress, p->fields.topic,
                                         p->fields.consumer_group, p->fields.queue_id);
    if (target < 0)
        return false;
    struct store_bounds bounds;
    if (!bounds_or_answer(broker, pull_req(p), p->fields.topic, p->fields.queue_id, &bounds)) {
        progress_reset(broker->progress, p->fields.topic, p->fields.consumer_group,
                       p->fields.queue_id, target); /* the next pull is told */
        return true;
    }
    p->result = (struct store_get_result){ .next_offset = target,
                                           .min_offset = bounds.min,
                                           .max_offset = bounds.max };
    reply_result(p, RESP_PULL_OFFSET_MOVED, SLICE("OFFSET_RESET"), slice_of(NULL, 0));
    return true;
}

void pull_resume(struct held_request *held)
{
    struct pull *p = (struct pull *)((char *)held - offsetof(struct pull, held));
    if (!answer_reset(p))
        read_now(p);
}

void handle_pull(struct broker *broker, struct request *req)
{
    struct pull *p = arena_zalloc(&req->arena, sizeof *p);
    p->offload.broker = broker;
    p->offload.req = req;
    if (request_fields(req, &pull_request_fields, &p->fields) != 0)
        return;
    if (guard_stops_pull(broker->guard, req, p->fields.consumer_group))
        return;
    if (!pull_check_broker(p) || !pull_check_group(p) || !pull_check_topic(p) ||
        !pull_check_subscription(p))
        return;
    if (answer_reset(p)) /* and what it would commit is of before the reset */
        return;
    if ((p->fields.sys_flag & PULL_COMMIT_OFFSET) != 0)
        progress_commit(broker->progress, p->fields.topic, p->fields.consumer_group,
                        p->fields.queue_id, p->fields.commit_offset);
    p->may_suspend = (p->fields.sys_flag & PULL_SUSPEND) != 0;
    read_now(p);
}
