/* handle_pop.c - POP_MESSAGE (200050): takes messages off queues for a while.
 *
 *   checks ── the retry topic and the topic's queues, one after the other ── answer
 *     │             └── not in memory: read by a worker, then on with the next queue
 *     │             └── each that had messages: checkpoint to the log, consumer offset moved
 *     └── nothing anywhere: parked in pop_hold until something comes or the time is over, then
 * again
 *
 * Queues begin with a random one. The retry topic comes first in popFromRetryProbability of 100
 * pops, else last and only when there is room. A pop in order takes nothing from retry topics, and
 * leaves no checkpoint: what is out blocks the queue (delivery/pop_order.h).
 */
#include "broker/guard/guard.h"
#include "broker/pop/pop_checks.h"
#include "broker/pop/pop_hold.h"
#include "broker/pop/pops.h"
#include "broker/requests.h"
#include "broker/send/acks.h"
#include <assert.h>

#include "base/fault.h"
#include "base/log.h"
#include "wire/properties.h"

enum { MESSAGES_MAX = POP_CHECKPOINT_MESSAGES_MAX };
enum { TOO_LATE_MS = 500 };
/* So long a pop waits at most for the offsets after a crash, also one that did not ask to wait. */
enum { RECOVERY_WAIT_MS = 1000 };
enum { STAGES = 2 };

static_assert((int)MESSAGES_MAX == (int)POP_ORDER_MESSAGES_MAX, "a set is what one pop takes");

struct pop {
    struct offload offload; /* of a cold read; holds broker and req also before */
    struct held_pop held;
    struct pop_request fields;
    struct message_filter filter;
    int64_t deadline_ms;
    int64_t recovery_deadline_ms;
    /* the answer */
    int64_t pop_time_ms;
    int32_t revive_queue_id;
    int64_t rest_num;
    int count;
    int err;                /* of a queue that could not be read */
    bool is_cut_short;      /* a queue was passed over, since reads from the disk are left off */
    int64_t end_phy_offset; /* of the latest checkpoint */
    struct buf body, starts, offsets, counts;
    /* where the scan stands */
    struct slice topics[STAGES]; /* empty: not read */
    enum pop_origin origins[STAGES];
    int stage;
    int32_t step;
    uint32_t random;
    struct pop_queue *claimed;
    struct pop_taking at; /* the queue at hand */
    int64_t max;          /* its end, when the scan came to it */
};

static struct broker *broker_of(const struct pop *p)
{
    return p->offload.broker;
}

static struct request *request_of(const struct pop *p)
{
    return p->offload.req;
}

static struct slice topic_at(const struct pop *p)
{
    return p->topics[p->stage];
}

static int64_t now_ms(const struct pop *p)
{
    return loop_now_ms(broker_of(p)->loop);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void free_buffers(struct pop *p)
{
    buf_fini(&p->body);
    buf_fini(&p->starts);
    buf_fini(&p->offsets);
    buf_fini(&p->counts);
}

static struct slice text_of(struct pop *p, const struct buf *buf)
{
    return arena_copy(&request_of(p)->arena, buf_slice(buf));
}

/* What is acknowledged by the answer is that the messages are out: with synchronous flush their
 * checkpoints are on disk by then. */
static void answer(struct pop *p, int32_t code)
{
    struct broker *broker = broker_of(p);
    struct request *req = request_of(p);
    struct pop_response fields = {
        .pop_time_ms = p->pop_time_ms,
        .invisible_ms = p->fields.invisible_ms,
        .revive_queue_id = p->revive_queue_id,
        .rest_num = p->rest_num,
        .start_offset_info = text_of(p, &p->starts),
        .msg_offset_info = text_of(p, &p->offsets),
    };
    if (p->fields.order)
        fields.order_count_info = text_of(p, &p->counts);
    bool waits = p->end_phy_offset > 0 && strcmp(broker->conf.flush_disk_type, "SYNC_FLUSH") == 0;
    struct buf body = p->body;
    struct reply reply = {
        .code = code,
        .remark = code == RESP_SUCCESS ? SLICE("FOUND") : SLICE("NO_MESSAGE_IN_QUEUE"),
        .has_ext = true,
        .body = waits ? arena_copy(&req->arena, buf_slice(&body)) : buf_slice(&body),
    };
    int64_t end_phy_offset = p->end_phy_offset;
    p->body = BUF_INIT;
    free_buffers(p);
    reply.ext = fields_encode(&pop_response_fields, FIELD_LONG_NAMES, &fields, &req->arena,
                              &reply.ext_count);
    if (waits)
        acks_reply(broker, req, &reply, end_phy_offset, true);
    else
        reply_send(req, &reply);
    buf_fini(&body);
}

/* Copies what the request's bytes lent, so that it may outlive this pass. */
static void keep(struct pop *p)
{
    struct request *req = request_of(p);
    if (req->is_detached)
        return;
    request_detach(req);
    p->fields.consumer_group = arena_copy(&req->arena, p->fields.consumer_group);
    p->fields.topic = arena_copy(&req->arena, p->fields.topic);
    p->fields.attempt_id = p->fields.attempt_id.data == NULL
                               ? p->fields.attempt_id
                               : arena_copy(&req->arena, p->fields.attempt_id);
    for (int i = 0; i < STAGES; i++)
        if (p->origins[i] == POP_OF_TOPIC)
            p->topics[i] = p->fields.topic;
    message_filter_keep(&p->filter, &req->arena);
}

static void wait_or_give_up(struct pop *p)
{
    struct broker *broker = broker_of(p);
    struct request *req = request_of(p);
    int64_t deadline_ms = p->fields.poll_ms > 0 ? p->deadline_ms : 0;
    if (pops_are_recovering(broker->pops) && p->recovery_deadline_ms > deadline_ms)
        deadline_ms = p->recovery_deadline_ms;
    int64_t wait_ms = deadline_ms - now_ms(p);
    if (!peer_is_open(req->peer)) {
        free_buffers(p);
        request_drop(req);
        return;
    }
    if (wait_ms <= 0 || broker->is_stopping) {
        answer(p, RESP_POLLING_TIMEOUT);
        return;
    }
    keep(p);
    free_buffers(p);
    p->held = (struct held_pop){
        .req = req,
        .kind = HELD_POP,
        .filter = message_filter_takes_all(&p->filter) ? NULL : &p->filter,
        .filter_id = p->held.filter_id,
    };
    if (pop_hold_park(broker->pop_hold, &p->held, p->fields.topic, p->fields.consumer_group,
                      p->fields.queue_id, wait_ms, &session_of(req->peer)->held_pops) != 0)
        answer(p, RESP_POLLING_FULL);
}

/* One answer takes 32 messages at most: what is left is for whoever waits next. */
static void wake_next(const struct pop *p)
{
    if (p->rest_num > 0)
        pop_hold_wake(broker_of(p)->pop_hold, p->fields.topic, p->fields.consumer_group,
                      p->fields.queue_id);
}

static void end_scan(struct pop *p)
{
    if (p->count == 0 && p->is_cut_short) {
        free_buffers(p);
        guard_refuse_cold_read(broker_of(p)->guard, request_of(p), p->fields.consumer_group);
        return;
    }
    if (p->count == 0 && p->err != 0) { /* what it has would wait unseen */
        free_buffers(p);
        reply_code(request_of(p), RESP_SYSTEM_ERROR, "the store could not be read: %s",
                   err_name(p->err));
        return;
    }
    if (p->count == 0) {
        wait_or_give_up(p);
        return;
    }
    traffic_count(&broker_of(p)->traffic, TRAFFIC_TRANSFERRED, (uint32_t)p->count,
                  loop_now_ns(broker_of(p)->loop));
    wake_next(p);
    answer(p, RESP_SUCCESS);
}

/* ---- what was found -------------------------------------------------------------------------- */

/* Messages of a retry topic are shown as the topic's, and carry their handle: the client cannot
 * make it from what it asked for. */
static void show_as_topic(struct pop *p, size_t start)
{
    struct buf stored = BUF_INIT;
    struct buf handle_text = BUF_INIT;
    struct arena arena;
    arena_init(&arena);
    buf_append(&stored, p->body.data + start, p->body.len - start);
    p->body.len = start;
    struct slice rest = buf_slice(&stored);
    struct record record;
    while (rest.len > 0 && record_decode(rest, RECORD_CHECK_LENGTHS, &record) == 0) {
        struct receipt_handle handle = {
            .start_offset = p->at.queue_offset,
            .pop_time_ms = p->pop_time_ms,
            .invisible_ms = p->fields.invisible_ms,
            .revive_queue_id = p->revive_queue_id,
            .origin = p->origins[p->stage],
            .broker_name = slice_str(broker_of(p)->conf.broker_name),
            .queue_id = record.queue_id,
            .queue_offset = record.queue_offset,
        };
        buf_clear(&handle_text);
        receipt_handle_text(&handle, &handle_text);
        struct property_change change = { SLICE(PROPERTY_POP_CK), buf_slice(&handle_text) };
        rest = slice_from(rest, (size_t)record.total_bytes);
        struct slice properties = properties_edit(record.properties, &change, 1, &arena);
        if (properties.len <= RECORD_PROPERTIES_MAX)
            record.properties = properties;
        record.topic = p->fields.topic;
        size_t bytes = record_bytes(&record);
        record_encode(&record, buf_reserve(&p->body, bytes));
        p->body.len += bytes;
        arena_reset(&arena);
    }
    arena_fini(&arena);
    buf_fini(&stored);
    buf_fini(&handle_text);
}

/* Messages of the queue at hand were taken: they are the body's from `start` on. */
static void note_taken(struct pop *p, size_t start)
{
    const struct pop_taking *at = &p->at;
    enum pop_origin origin = p->origins[p->stage];
    pop_start_offset_item(&p->starts, origin, at->queue_id, at->queue_offset);
    pop_msg_offsets_item(&p->offsets, origin, at->queue_id, at->offsets, at->count);
    p->count += at->count;
    if (at->end_phy_offset > 0)
        p->end_phy_offset = at->end_phy_offset;
    if (origin != POP_OF_TOPIC && !broker_of(p)->conf.pop_response_return_actual_retry_topic)
        show_as_topic(p, start);
}

/* ---- the queues ------------------------------------------------------------------------------ */

static int get(struct pop *p, bool may_block, struct buf *body)
{
    const struct broker_conf *conf = &broker_of(p)->conf;
    int err = may_block ? 0 : fault_check("pop.cold");
    if (err != 0)
        return err;
    struct store_get_request request = {
        .topic = topic_at(p),
        .queue_id = p->at.queue_id,
        .queue_offset = p->at.queue_offset,
        .max_count = p->fields.max_msg_nums - p->count,
        .max_bytes = conf->max_transfer_bytes_in_memory,
        .apart_max_bytes = conf->max_transfer_bytes_on_disk,
        .may_block = may_block,
    };
    message_filter_of_get(&p->filter, &request);
    return store_get(broker_of(p)->store, &request, body, &p->at.got);
}

static void release(struct pop *p)
{
    pop_queue_release(pops_table(broker_of(p)->pops), p->claimed);
    p->claimed = NULL;
}

static void note_not_read(struct pop *p, int err)
{
    p->err = err;
    log_warn("pop_read_failed topic=%.*s queue=%d offset=%lld reason=%s", SLICE_FMT(topic_at(p)),
             p->at.queue_id, (long long)p->at.queue_offset, err_name(err));
}

/* What a read of the queue at hand gave; true: the offset was corrected, read once more. */
static bool take_result(struct pop *p, size_t start, bool is_again)
{
    struct broker *broker = broker_of(p);
    if (p->at.read_err != 0)
        note_not_read(p, p->at.read_err);
    if (pop_take(pops_keeper(broker->pops), &p->at, &p->body, start, is_again, now_ms(p)))
        return true;
    p->rest_num += p->at.left;
    if (p->at.count > 0)
        note_taken(p, start);
    return false;
}

static void scan(struct pop *p);

static void read_cold(struct offload *o)
{
    struct pop *p = (struct pop *)o;
    p->at.read_err = get(p, true, &o->body);
    if (p->at.read_err == 0 && pop_read_was_off(p->at.got.status)) {
        p->at.queue_offset = p->at.got.next_offset;
        p->at.read_err = get(p, true, &o->body);
    }
}

/* While the worker read, other pops passed the queue over: they may look again. */
static void finish_cold(struct offload *o)
{
    struct pop *p = (struct pop *)o;
    size_t start = p->body.len;
    buf_append_slice(&p->body, buf_slice(&o->body));
    guard_count_cold_read(o->broker->guard, p->fields.consumer_group, (int64_t)o->body.len);
    release(p);
    take_result(p, start, true);
    pop_hold_wake(o->broker->pop_hold, p->fields.topic, p->fields.consumer_group,
                  p->origins[p->stage] == POP_OF_TOPIC ? p->at.queue_id : -1);
    scan(p);
}

static int64_t left_in_queue(const struct pop *p)
{
    return p->max > p->at.queue_offset ? p->max - p->at.queue_offset : 0;
}

static void hand_to_worker(struct pop *p)
{
    keep(p);
    p->at.topic = topic_at(p); /* these were copied */
    p->at.group = p->fields.consumer_group;
    p->at.attempt_id = p->fields.attempt_id;
    struct broker *broker = broker_of(p);
    struct pop_queue *claimed = p->claimed;
    struct buf buffers[] = { p->body, p->starts, p->offsets, p->counts };
    if (!offload_start(&p->offload, broker, request_of(p), read_cold, finish_cold)) {
        /* the request was answered, and what it took comes back after its time */
        pop_queue_release(pops_table(broker->pops), claimed);
        for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
            buf_fini(&buffers[i]);
    }
}

/* False: a worker reads, and goes on from there. */
static bool read_claimed(struct pop *p)
{
    size_t start = p->body.len;
    bool is_again = false;
    do {
        p->at.read_err = get(p, false, &p->body);
        if (p->at.read_err == ERR_WOULD_BLOCK)
            break;
    } while (take_result(p, start, is_again) && (is_again = true));
    if (p->at.read_err != ERR_WOULD_BLOCK) {
        release(p);
        return true;
    }
    if (guard_stops_cold_read(broker_of(p)->guard, p->fields.consumer_group)) {
        release(p);
        p->is_cut_short = true;
        p->rest_num += left_in_queue(p);
        return true;
    }
    hand_to_worker(p);
    return false;
}

static bool has_too_many_out(const struct pop *p)
{
    const struct broker_conf *conf = &broker_of(p)->conf;
    const struct pop_queue *queue = pop_queue_find(pops_table(broker_of(p)->pops), topic_at(p),
                                                   p->fields.consumer_group, p->at.queue_id);
    return conf->enable_pop_message_threshold && queue != NULL &&
           queue->unacked > conf->pop_inflight_message_threshold;
}

/* An error: the queue cannot be read. */
static int aim(struct pop *p)
{
    struct store_bounds bounds;
    int64_t queue_offset = 0;
    int err = store_queue_bounds(broker_of(p)->store, topic_at(p), p->at.queue_id, &bounds);
    if (err == 0)
        err = pop_begin_offset(broker_of(p), topic_at(p), p->fields.consumer_group, p->at.queue_id,
                               p->fields.init_mode, true, &queue_offset);
    p->max = bounds.max;
    p->at = (struct pop_taking){
        .topic = topic_at(p),
        .group = p->fields.consumer_group,
        .queue_id = p->at.queue_id,
        .pop_time_ms = p->pop_time_ms,
        .invisible_ms = p->fields.invisible_ms,
        .revive_queue_id = p->revive_queue_id,
        .is_in_order = p->fields.order,
        .attempt_id = p->fields.attempt_id,
        .counts = &p->counts,
        .queue_offset = queue_offset,
    };
    return err;
}

/* Pops from the queue at hand; false: a worker goes on. */
static bool read_queue(struct pop *p)
{
    struct broker *broker = broker_of(p);
    struct pop_table *table = pops_table(broker->pops);
    int err = aim(p);
    if (err != 0) {
        note_not_read(p, err);
        return true;
    }
    if (p->fields.order) {
        struct pop_order_queue queue = { topic_at(p), p->fields.consumer_group, p->at.queue_id };
        if (pop_order_is_blocked(pops_order(broker->pops), &queue, p->at.queue_offset,
                                 p->fields.attempt_id, now_ms(p)))
            return true; /* what waits in it can be had by nobody: it does not count */
    }
    bool is_full = p->count >= p->fields.max_msg_nums;
    if (is_full || has_too_many_out(p) ||
        !pop_queue_claim(table, topic_at(p), p->fields.consumer_group, p->at.queue_id,
                         &p->claimed)) {
        p->rest_num += left_in_queue(p);
        return true;
    }
    if (p->at.queue_offset == p->max) {
        release(p); /* nothing new: the usual case of a queue that is looked at and empty */
        return true;
    }
    return read_claimed(p);
}

/* The next queue of the scan; false: that was all. */
static bool next_queue(struct pop *p)
{
    for (; p->stage < STAGES; p->stage++, p->step = 0) {
        const struct topic_config *topic =
            topic_at(p).len == 0 ? NULL : topics_get(broker_of(p)->topics, topic_at(p));
        bool is_retry_last = p->stage > 0 && p->origins[p->stage] != POP_OF_TOPIC;
        if (topic == NULL || (is_retry_last && p->count >= p->fields.max_msg_nums))
            continue;
        bool is_one = p->origins[p->stage] == POP_OF_TOPIC && p->fields.queue_id >= 0;
        if (p->step >= (is_one ? 1 : topic->read_queue_count))
            continue;
        p->at.queue_id =
            is_one ? p->fields.queue_id
                   : (int32_t)((p->random + (uint32_t)p->step) % (uint32_t)topic->read_queue_count);
        p->step++;
        return true;
    }
    return false;
}

static void scan(struct pop *p)
{
    while (next_queue(p))
        if (!read_queue(p))
            return;
    end_scan(p);
}

/* Which topics are read, in which order. */
static void plan(struct pop *p)
{
    struct broker *broker = broker_of(p);
    const struct broker_conf *conf = &broker->conf;
    p->random = broker->next_pop++ * 2654435761u >> 8;
    uint32_t percent = p->random % 100;
    bool is_retry_first = percent < (uint32_t)conf->pop_from_retry_probability;
    enum pop_origin retry = conf->enable_retry_topic_v2 ? POP_OF_RETRY_V2 : POP_OF_RETRY_V1;
    if (conf->enable_retry_topic_v2 && conf->retrieve_message_from_pop_retry_topic_v1 &&
        percent % 2 == 0)
        retry = POP_OF_RETRY_V1; /* what was put there before the switch */
    int at = is_retry_first ? 0 : 1;
    p->topics[1 - at] = p->fields.topic;
    p->origins[1 - at] = POP_OF_TOPIC;
    p->origins[at] = retry;
    p->topics[at] = p->fields.order ? slice_of(NULL, 0)
                                    : pop_topic_name(p->fields.topic, p->fields.consumer_group,
                                                     retry, &request_of(p)->arena);
    p->stage = 0;
    p->step = 0;
    p->count = 0;
    p->err = 0;
    p->is_cut_short = false;
    p->rest_num = 0;
    p->end_phy_offset = 0;
    p->pop_time_ms = now_ms(p);
    p->revive_queue_id = p->fields.order ? POP_ORDER_QUEUE_ID
                                         : pop_keeper_next_revive_queue(pops_keeper(broker->pops));
}

/* After a crash consumer offsets may be behind what was popped: it would be popped again. */
static void begin(struct pop *p)
{
    plan(p);
    if (pops_are_recovering(broker_of(p)->pops))
        wait_or_give_up(p);
    else
        scan(p);
}

void pop_resume(struct held_pop *held)
{
    begin((struct pop *)((char *)held - offsetof(struct pop, held)));
}

/* ---- checks, in the reference's order -------------------------------------------------------- */

static void refuse(struct request *req, int32_t code, struct slice remark)
{
    struct pop_response none = { 0 };
    reply_fields(req, code, remark, &pop_response_fields, &none, slice_of(NULL, 0));
}

/* The refusal of a request's own numbers; data NULL: there is none. */
static struct slice number_fault(const struct pop *p, int32_t *code)
{
    const struct broker_conf *conf = &broker_of(p)->conf;
    struct arena *arena = &request_of(p)->arena;
    *code = RESP_POLLING_TIMEOUT;
    if (now_ms(p) - p->fields.born_ms - p->fields.poll_ms > TOO_LATE_MS)
        return arena_printf(arena, "the broker[%s] pop message is timeout too much",
                            conf->broker_ip1);
    *code = RESP_NO_PERMISSION;
    if ((conf->broker_permission & PERM_READ) == 0)
        return arena_printf(arena, "the broker[%s] pop message is forbidden", conf->broker_ip1);
    *code = RESP_INVALID_PARAMETER;
    if (p->fields.max_msg_nums > MESSAGES_MAX)
        return arena_printf(arena, "the broker[%s] pop message's num is greater than %d",
                            conf->broker_ip1, MESSAGES_MAX);
    *code = RESP_SYSTEM_ERROR;
    if (!conf->timer_wheel_enable)
        return arena_printf(
            arena, "the broker[%s] pop message is forbidden because timerWheelEnable is false",
            conf->broker_ip1);
    return slice_of(NULL, 0);
}

/* What the reference would lose: a checkpoint that its timer does not take. */
static struct slice invisible_fault(const struct pop *p)
{
    return pop_invisible_fault(broker_of(p), p->fields.invisible_ms, &request_of(p)->arena);
}

static bool check_filter(struct pop *p)
{
    struct request *req = request_of(p);
    struct sql_error error = { .text = "" };
    if (message_filter_compile(p->fields.expression_type, p->fields.expression, &req->arena,
                               &p->filter, &error) == 0)
        return true;
    refuse(req, RESP_SUBSCRIPTION_PARSE_FAILED,
           arena_printf(&req->arena, "parse the consumer's subscription failed: %s", error.text));
    return false;
}

/* Pops that wait with the same filter are told by this. */
static uint64_t filter_id_of(const struct pop_request *fields)
{
    uint64_t id = 14695981039346656037u;
    const struct slice parts[] = { fields->expression_type, fields->expression };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (size_t at = 0; at < parts[i].len; at++)
            id = (id ^ parts[i].data[at]) * 1099511628211u;
        id = (id ^ 0x100) * 1099511628211u;
    }
    return id;
}

static bool check(struct pop *p)
{
    struct broker *broker = broker_of(p);
    struct request *req = request_of(p);
    int32_t code;
    struct slice fault = number_fault(p, &code);
    if (fault.data == NULL)
        fault = pop_place_fault(broker, req, p->fields.topic, p->fields.consumer_group,
                                p->fields.queue_id, &code);
    if (fault.data == NULL && (fault = invisible_fault(p)).data != NULL)
        code = RESP_INVALID_PARAMETER;
    if (fault.data != NULL) {
        refuse(req, code, fault);
        return false;
    }
    return check_filter(p);
}

void handle_pop(struct broker *broker, struct request *req)
{
    struct pop *p = arena_zalloc(&req->arena, sizeof *p);
    p->offload.broker = broker;
    p->offload.req = req;
    if (request_fields(req, &pop_request_fields, &p->fields) != 0)
        return;
    if (guard_stops_pull(broker->guard, req, p->fields.consumer_group))
        return;
    p->deadline_ms = pop_deadline_ms(now_ms(p), &p->fields.born_ms, &p->fields.poll_ms);
    if (!check(p))
        return;
    if (p->fields.max_msg_nums < 1)
        p->fields.max_msg_nums = 0;
    p->recovery_deadline_ms = now_ms(p) + RECOVERY_WAIT_MS;
    p->held.filter_id = filter_id_of(&p->fields);
    begin(p);
}
