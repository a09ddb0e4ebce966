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
#include "base/log.h"
#include "broker/figures/stats.h"
#include "broker/groups/clients.h"
#include "broker/groups/progress.h"
#include "broker/guard/guard.h"
#include "broker/internal.h"
#include "broker/offload.h"
#include "broker/pull/hold.h"
#include "broker/requests.h"
#include "broker/topic_rules.h"
#include "broker/unreadable.h"
#include "wire/names.h"
#include "wire/req_pull.h"

/* A scratch buffer that grew above this is given back. */
enum { PULL_BODY_KEPT_BYTES = 1 << 20 };
/* Clients ask for 15 to 30 s. */
enum { SUSPEND_MAX_MS = 3600 * 1000 };

struct pull {
    struct offload offload; /* of a cold read; holds broker and req also before */
    struct held_request held;
    struct loop_deferred turn; /* of a read of old messages */
    struct pull_request fields;
    struct message_filter filter;
    struct store_get_result result;
    int err;
    int32_t topic_sys_flag;
    int32_t group_sys_flag;
    int64_t cold_start_ns; /* a worker had to read; 0: not */
    bool may_suspend;      /* first pass of a request that wants to wait */
};

static struct broker *broker_of(const struct pull *p)
{
    return p->offload.broker;
}

static struct request *request_of(const struct pull *p)
{
    return p->offload.req;
}

/* ---- checks, in the reference's order -------------------------------------------------------- */

static void forbid(struct pull *p, enum pull_forbidden type, struct slice remark)
{
    struct pull_forbidden_response fields = { .forbidden_type = type };
    reply_fields(request_of(p), RESP_NO_PERMISSION, remark, &pull_forbidden_response_fields,
                 &fields, slice_of(NULL, 0));
}

#define forbid_printf(p, type, ...)                                                                \
    forbid(p, type, arena_printf(&request_of(p)->arena, __VA_ARGS__))

static bool check_broker(struct pull *p)
{
    const struct broker_conf *conf = &broker_of(p)->conf;
    if ((conf->broker_permission & PERM_READ) == 0) {
        forbid_printf(p, PULL_FORBIDDEN_BROKER, "the broker[%s] pulling message is forbidden",
                      conf->broker_ip1);
        return false;
    }
    if (request_of(p)->header.code == REQ_LITE_PULL_MESSAGE && !conf->lite_pull_message_enable) {
        forbid_printf(p, PULL_FORBIDDEN_BROKER,
                      "the broker[%s] for lite pull consumer is forbidden", conf->broker_ip1);
        return false;
    }
    return true;
}

/* Takes the right to consume from a group that reads too far behind the end of the log. */
static bool is_too_slow(const struct pull *p)
{
    struct broker *broker = broker_of(p);
    struct store_queue_entry entry;
    if (!broker->conf.disable_consume_if_read_slowly ||
        store_queue_entry_at(broker->store, p->fields.topic, p->fields.queue_id,
                             p->fields.queue_offset, &entry) != 0)
        return false;
    return store_max_phy_offset(broker->store) - entry.phy_offset >
           broker->conf.consumer_fallbehind_threshold;
}

static void disable_group(struct broker *broker, const struct group_config *group)
{
    struct group_config changed = *group;
    changed.consume_enable = false;
    log_warn("group_disabled group=%.*s reason=\"reads too far behind\"", SLICE_FMT(group->name));
    groups_put(broker->groups, &changed, loop_now_ms(broker->loop));
    broker_groups_changed(broker);
}

static bool check_group(struct pull *p)
{
    struct broker *broker = broker_of(p);
    struct slice name = p->fields.consumer_group;
    const struct group_config *group = broker_group_ensure(broker, name);
    if (group == NULL) {
        reply_code(request_of(p), RESP_SUBSCRIPTION_GROUP_NOT_EXIST,
                   "subscription group [%.*s] does not exist", SLICE_FMT(name));
        return false;
    }
    if (group->consume_enable && is_too_slow(p)) {
        disable_group(broker, group);
        group = groups_get(broker->groups, name);
    }
    if (!group->consume_enable) {
        forbid_printf(p, PULL_FORBIDDEN_GROUP, "subscription group no permission, %.*s",
                      SLICE_FMT(name));
        return false;
    }
    p->group_sys_flag = group->group_sys_flag;
    return true;
}

static bool check_topic(struct pull *p)
{
    const struct topic_config *topic = topics_get(broker_of(p)->topics, p->fields.topic);
    if (topic == NULL) {
        reply_code(request_of(p), RESP_TOPIC_NOT_EXIST,
                   "topic[%.*s] not exist, apply first please!", SLICE_FMT(p->fields.topic));
        return false;
    }
    if ((topic->perm & PERM_READ) == 0) {
        forbid_printf(p, PULL_FORBIDDEN_TOPIC, "the topic[%.*s] pulling message is forbidden",
                      SLICE_FMT(p->fields.topic));
        return false;
    }
    if (p->fields.queue_id < 0 || p->fields.queue_id >= topic->read_queue_count) {
        reply_code(
            request_of(p), RESP_INVALID_PARAMETER,
            "queueId[%d] is illegal, topic:[%.*s] topicConfig.readQueueNums:[%d] consumer:[%s]",
            p->fields.queue_id, SLICE_FMT(p->fields.topic), topic->read_queue_count,
            peer_address(request_of(p)->peer)->text);
        return false;
    }
    p->topic_sys_flag = topic->sys_flag;
    return true;
}

static bool check_expression_type(struct pull *p, struct slice type)
{
    if (expression_is_by_tag(type) || broker_of(p)->conf.enable_property_filter)
        return true;
    reply_code(request_of(p), RESP_SYSTEM_ERROR,
               "The broker does not support consumer to filter message by %.*s", SLICE_FMT(type));
    return false;
}

/* The request brings its subscription along. */
static bool take_own_filter(struct pull *p)
{
    struct slice type = p->fields.expression_type;
    struct slice text = p->fields.subscription;
    struct sql_error error = { .text = "there is none" };
    int err = ERR_INVALID;
    if (expression_is_by_tag(type) || text.len > 0) {
        if (!check_expression_type(p, type))
            return false;
        err = message_filter_compile(type, text, &request_of(p)->arena, &p->filter, &error);
    }
    if (err != 0)
        reply_code(request_of(p), RESP_SUBSCRIPTION_PARSE_FAILED,
                   "parse the consumer's subscription failed: %s", error.text);
    return err == 0;
}

static bool take_known_expression(struct pull *p)
{
    const struct filter_entry *entry =
        filters_get(broker_of(p)->filters, p->fields.topic, p->fields.consumer_group);
    if (entry == NULL) {
        reply_code(request_of(p), RESP_FILTER_DATA_NOT_EXIST,
                   "The broker's consumer filter data is not exist!Your expression may be wrong!");
        return false;
    }
    if (entry->client_version < p->fields.sub_version) {
        reply_code(request_of(p), RESP_FILTER_DATA_NOT_LATEST,
                   "the consumer's consumer filter data not latest");
        return false;
    }
    p->filter = (struct message_filter){ .tags = { .all = true }, .sql = entry->sql };
    return true;
}

/* The subscription is known from heartbeats. */
static bool take_known_filter(struct pull *p, const struct client_group *online)
{
    struct broker *broker = broker_of(p);
    struct request *req = request_of(p);
    const struct client_subscription *sub =
        online == NULL ? NULL : client_group_subscription(online, p->fields.topic);
    if (online == NULL) {
        reply_code(req, RESP_SUBSCRIPTION_NOT_EXIST, "the consumer's group info not exist");
        return false;
    }
    const struct group_config *group = groups_get(broker->groups, p->fields.consumer_group);
    if (online->message_model == MESSAGE_MODEL_BROADCASTING && !group->consume_broadcast_enable) {
        forbid_printf(p, PULL_FORBIDDEN_BROADCASTING,
                      "the consumer group[%.*s] can not consume by broadcast way",
                      SLICE_FMT(p->fields.consumer_group));
        return false;
    }
    if ((groups_forbidden(broker->groups, p->fields.consumer_group, p->fields.topic) &
         GROUP_FORBIDDEN_READ) != 0) {
        forbid_printf(p, PULL_FORBIDDEN_SUBSCRIPTION,
                      "the consumer group[%.*s] is forbidden for topic[%.*s]",
                      SLICE_FMT(p->fields.consumer_group), SLICE_FMT(p->fields.topic));
        return false;
    }
    if (sub == NULL) {
        reply_code(req, RESP_SUBSCRIPTION_NOT_EXIST, "the consumer's subscription not exist");
        return false;
    }
    if (sub->data.sub_version < p->fields.sub_version) {
        reply_code(req, RESP_SUBSCRIPTION_NOT_LATEST, "the consumer's subscription not latest");
        return false;
    }
    p->filter = (struct message_filter){ .tags = sub->filter };
    return expression_is_by_tag(sub->data.expression_type) ||
           (take_known_expression(p) && check_expression_type(p, sub->data.expression_type));
}

/* "%RETRY%group", or "%RETRY%group+topic" of a pop consumer. */
static struct slice group_of_retry(struct slice topic)
{
    struct slice group = slice_from(topic, strlen(TOPIC_RETRY_PREFIX));
    const uint8_t *end = group.len == 0 ? NULL : memchr(group.data, '+', group.len);
    return end == NULL ? group : slice_of(group.data, (size_t)(end - group.data));
}

static bool check_subscription(struct pull *p)
{
    struct broker *broker = broker_of(p);
    struct client_group *online = clients_consumer_group(broker->clients, p->fields.consumer_group);
    bool is_ok = (p->fields.sys_flag & PULL_SUBSCRIPTION) != 0 ? take_own_filter(p)
                                                               : take_known_filter(p, online);
    if (!is_ok)
        return false;
    if (broker->conf.filter_support_retry && p->filter.sql != NULL &&
        slice_starts_with(p->fields.topic, SLICE(TOPIC_RETRY_PREFIX)))
        message_filter_for_retry(&p->filter, broker->filters, group_of_retry(p->fields.topic),
                                 &request_of(p)->arena);
    if (broker->conf.reject_pull_consumer_enable &&
        (online == NULL || online->consume_type == CONSUME_ACTIVELY)) {
        reply_code(request_of(p), RESP_SUBSCRIPTION_NOT_EXIST,
                   "the consumer's group info not exist: consumers that pull are refused");
        return false;
    }
    return true;
}

/* ---- reading and answering ------------------------------------------------------------------- */

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
    struct traffic *traffic = &broker_of(p)->traffic;
    int64_t now_ns = loop_now_ns(broker_of(p)->loop);
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
    if (got.took_ms > broker_of(p)->get_took_max_ms)
        broker_of(p)->get_took_max_ms = got.took_ms;
    stats_get(broker_of(p)->stats, &got, now_ns);
    if (got.from_disk)
        guard_count_cold_read(broker_of(p)->guard, got.group, body_bytes);
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
    reply_fields(request_of(p), code, remark, &pull_response_fields, &fields, body);
}

static void answer(struct pull *p, struct slice body)
{
    count_traffic(p, (int64_t)body.len);
    progress_note_pull(broker_of(p)->progress, p->fields.topic, p->fields.consumer_group,
                       p->fields.queue_id, p->result.next_offset);
    reply_result(p, code_of(p->result.status, p->fields.queue_offset),
                 slice_str(store_get_status_name(p->result.status)), body);
}

static bool wants_to_wait(const struct pull *p)
{
    return p->may_suspend && !broker_of(p)->is_stopping &&
           code_of(p->result.status, p->fields.queue_offset) == RESP_PULL_NOT_FOUND;
}

/* How far a read goes for its messages. */
enum reach { REACH_NEAR, REACH_MEMORY, REACH_DISK };

static int get(struct pull *p, enum reach reach, struct buf *body)
{
    const struct broker_conf *conf = &broker_of(p)->conf;
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
    return store_get(broker_of(p)->store, &request, body, &p->result);
}

/* Copies what the request's bytes and the registry lent, so that it may outlive this pass. */
static void keep(struct pull *p)
{
    struct request *req = request_of(p);
    if (req->is_detached)
        return;
    request_detach(req);
    p->fields.consumer_group = arena_copy(&req->arena, p->fields.consumer_group);
    p->fields.topic = arena_copy(&req->arena, p->fields.topic);
    message_filter_keep(&p->filter, &req->arena);
}

static void park(struct pull *p)
{
    struct broker *broker = broker_of(p);
    struct request *req = request_of(p);
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
    struct broker *broker = broker_of(p);
    if (guard_stops_cold_read(broker->guard, p->fields.consumer_group)) {
        guard_refuse_cold_read(broker->guard, request_of(p), p->fields.consumer_group);
        return;
    }
    keep(p);
    p->cold_start_ns = loop_now_ns(broker->loop);
    offload_start(&p->offload, broker, request_of(p), read_cold, finish_cold);
}

/* Answers, or parks, or goes on where it takes longer. */
static void read_on_loop(struct pull *p, enum reach reach, void (*go_on)(struct pull *p))
{
    struct broker *broker = broker_of(p);
    struct buf *body = &broker->pull_body;
    buf_clear(body);
    p->err = get(p, reach, body);
    if (p->err == ERR_WOULD_BLOCK) {
        go_on(p);
        return;
    }
    if (p->err != 0)
        reply_code(request_of(p), RESP_SYSTEM_ERROR, "the store could not be read: %s",
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
    broker_of(p)->offloads_out--;
    read_on_loop(p, REACH_MEMORY, read_by_worker);
}

static void wait_for_turn(struct pull *p)
{
    keep(p);
    loop_deferred_init(&p->turn, take_turn);
    broker_of(p)->offloads_out++; /* the broker does not end before it */
    loop_go_last(broker_of(p)->loop, &p->turn);
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
    struct broker *broker = broker_of(p);
    int64_t target = progress_take_reset(broker->progress, p->fields.topic,
                                         p->fields.consumer_group, p->fields.queue_id);
    if (target < 0)
        return false;
    struct store_bounds bounds;
    if (!bounds_or_answer(broker, request_of(p), p->fields.topic, p->fields.queue_id, &bounds)) {
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
    if (!check_broker(p) || !check_group(p) || !check_topic(p) || !check_subscription(p))
        return;
    if (answer_reset(p)) /* and what it would commit is of before the reset */
        return;
    if ((p->fields.sys_flag & PULL_COMMIT_OFFSET) != 0)
        progress_commit(broker->progress, p->fields.topic, p->fields.consumer_group,
                        p->fields.queue_id, p->fields.commit_offset);
    p->may_suspend = (p->fields.sys_flag & PULL_SUSPEND) != 0;
    read_now(p);
}
