#include "broker/pop/pop_scan.h"

#include <assert.h>

#include "base/fault.h"
#include "base/log.h"
#include "broker/guard/guard.h"
#include "broker/pop/pop_checks.h"
#include "broker/pop/pop_hold.h"
#include "broker/pop/pops.h"
#include "wire/properties.h"

static struct broker *broker_of(const struct pop_scan *s)
{
    return s->offload.broker;
}

static struct request *request_of(const struct pop_scan *s)
{
    return s->offload.req;
}

static struct slice topic_at(const struct pop_scan *s)
{
    return s->topics[s->stage];
}

static int64_t now_ms(const struct pop_scan *s)
{
    return loop_now_ms(broker_of(s)->loop);
}

void pop_scan_free(struct pop_scan *s)
{
    buf_fini(&s->body);
    buf_fini(&s->starts);
    buf_fini(&s->offsets);
    buf_fini(&s->counts);
}

void pop_scan_keep(struct pop_scan *s)
{
    struct request *req = request_of(s);
    if (req->is_detached)
        return;
    request_detach(req);
    s->fields.consumer_group = arena_copy(&req->arena, s->fields.consumer_group);
    s->fields.topic = arena_copy(&req->arena, s->fields.topic);
    s->fields.attempt_id = s->fields.attempt_id.data == NULL
                               ? s->fields.attempt_id
                               : arena_copy(&req->arena, s->fields.attempt_id);
    for (int i = 0; i < POP_SCAN_STAGES; i++)
        if (s->origins[i] == POP_OF_TOPIC)
            s->topics[i] = s->fields.topic;
    message_filter_keep(&s->filter, &req->arena);
}

/* ---- what was found -------------------------------------------------------------------------- */

/* Messages of a retry topic are shown as the topic's, and carry their handle: the client cannot
 * make it from what it asked for. */
static void show_as_topic(struct pop_scan *s, size_t start)
{
    struct buf stored = BUF_INIT;
    struct buf handle_text = BUF_INIT;
    struct arena arena;
    arena_init(&arena);
    buf_append(&stored, s->body.data + start, s->body.len - start);
    s->body.len = start;
    struct slice rest = buf_slice(&stored);
    struct record record;
    while (rest.len > 0 && record_decode(rest, RECORD_CHECK_LENGTHS, &record) == 0) {
        struct receipt_handle handle = {
            .start_offset = s->at.queue_offset,
            .pop_time_ms = s->pop_time_ms,
            .invisible_ms = s->fields.invisible_ms,
            .revive_queue_id = s->revive_queue_id,
            .origin = s->origins[s->stage],
            .broker_name = slice_str(broker_of(s)->conf.broker_name),
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
        record.topic = s->fields.topic;
        size_t bytes = record_bytes(&record);
        record_encode(&record, buf_reserve(&s->body, bytes));
        s->body.len += bytes;
        arena_reset(&arena);
    }
    arena_fini(&arena);
    buf_fini(&stored);
    buf_fini(&handle_text);
}

/* Messages of the queue at hand were taken: they are the body's from `start` on. */
static void note_taken(struct pop_scan *s, size_t start)
{
    const struct pop_taking *at = &s->at;
    enum pop_origin origin = s->origins[s->stage];
    assert(at->count > 0);
    assert(s->count + at->count <= s->fields.max_msg_nums);
    pop_start_offset_item(&s->starts, origin, at->queue_id, at->queue_offset);
    pop_msg_offsets_item(&s->offsets, origin, at->queue_id, at->offsets, at->count);
    s->count += at->count;
    if (at->end_phy_offset > 0)
        s->end_phy_offset = at->end_phy_offset;
    if (origin != POP_OF_TOPIC && !broker_of(s)->conf.pop_response_return_actual_retry_topic)
        show_as_topic(s, start);
}

/* ---- the queues ------------------------------------------------------------------------------ */

static int get(struct pop_scan *s, bool may_block, struct buf *body)
{
    const struct broker_conf *conf = &broker_of(s)->conf;
    int err = may_block ? 0 : fault_check("pop.cold");
    if (err != 0)
        return err;
    struct store_get_request request = {
        .topic = topic_at(s),
        .queue_id = s->at.queue_id,
        .queue_offset = s->at.queue_offset,
        .max_count = s->fields.max_msg_nums - s->count,
        .max_bytes = conf->max_transfer_bytes_in_memory,
        .apart_max_bytes = conf->max_transfer_bytes_on_disk,
        .may_block = may_block,
    };
    message_filter_of_get(&s->filter, &request);
    return store_get(broker_of(s)->store, &request, body, &s->at.got);
}

static void release(struct pop_scan *s)
{
    assert(s->claimed != NULL);
    pop_release(pops_keeper(broker_of(s)->pops), s->claimed);
    s->claimed = NULL;
}

static void note_not_read(struct pop_scan *s, int err)
{
    s->err = err;
    log_warn("pop_read_failed topic=%.*s queue=%d offset=%lld reason=%s", SLICE_FMT(topic_at(s)),
             s->at.queue_id, (long long)s->at.queue_offset, err_name(err));
}

/* What a read of the queue at hand gave; true: the offset was corrected, read once more. */
static bool take_result(struct pop_scan *s, size_t start, bool is_again)
{
    struct broker *broker = broker_of(s);
    if (s->at.read_err != 0)
        note_not_read(s, s->at.read_err);
    if (pop_take(pops_keeper(broker->pops), &s->at, &s->body, start, is_again, now_ms(s)))
        return true;
    s->rest_num += s->at.left;
    if (s->at.count > 0)
        note_taken(s, start);
    return false;
}

static void read_cold(struct offload *o)
{
    struct pop_scan *s = (struct pop_scan *)o;
    s->at.read_err = get(s, true, &o->body);
    if (s->at.read_err == 0 && pop_read_was_off(s->at.got.status)) {
        s->at.queue_offset = s->at.got.next_offset;
        s->at.read_err = get(s, true, &o->body);
    }
}

/* While the worker read, other pops passed the queue over: they may look again. */
static void finish_cold(struct offload *o)
{
    struct pop_scan *s = (struct pop_scan *)o;
    size_t start = s->body.len;
    buf_append_slice(&s->body, buf_slice(&o->body));
    guard_count_cold_read(o->broker->guard, s->fields.consumer_group, (int64_t)o->body.len);
    release(s);
    take_result(s, start, true);
    pop_hold_wake(o->broker->pop_hold, s->fields.topic, s->fields.consumer_group,
                  s->origins[s->stage] == POP_OF_TOPIC ? s->at.queue_id : -1);
    pop_scan_run(s);
}

static int64_t left_in_queue(const struct pop_scan *s)
{
    return s->max > s->at.queue_offset ? s->max - s->at.queue_offset : 0;
}

static void hand_to_worker(struct pop_scan *s)
{
    pop_scan_keep(s);
    s->at.topic = topic_at(s); /* these were copied */
    s->at.group = s->fields.consumer_group;
    s->at.attempt_id = s->fields.attempt_id;
    struct broker *broker = broker_of(s);
    struct pop_queue *claimed = s->claimed;
    struct pop_scan buffers = *s;
    if (!offload_start(&s->offload, broker, request_of(s), read_cold, finish_cold)) {
        /* the request was answered, and what it took comes back after its time */
        pop_release(pops_keeper(broker->pops), claimed);
        pop_scan_free(&buffers);
    }
}

/* False: a worker reads, and goes on from there. */
static bool read_claimed(struct pop_scan *s)
{
    size_t start = s->body.len;
    bool is_again = false;
    do {
        s->at.read_err = get(s, false, &s->body);
        if (s->at.read_err == ERR_WOULD_BLOCK)
            break;
    } while (take_result(s, start, is_again) && (is_again = true));
    if (s->at.read_err != ERR_WOULD_BLOCK) {
        release(s);
        return true;
    }
    if (guard_stops_cold_read(broker_of(s)->guard, s->fields.consumer_group)) {
        release(s);
        s->is_cut_short = true;
        s->rest_num += left_in_queue(s);
        return true;
    }
    hand_to_worker(s);
    return false;
}

static bool has_too_many_out(const struct pop_scan *s)
{
    const struct broker *broker = broker_of(s);
    return broker->conf.enable_pop_message_threshold &&
           pop_unacked(pops_keeper(broker->pops), topic_at(s), s->fields.consumer_group,
                       s->at.queue_id) > broker->conf.pop_inflight_message_threshold;
}

/* An error: the queue cannot be read. */
static int aim(struct pop_scan *s)
{
    struct store_bounds bounds;
    int64_t queue_offset = 0;
    int err = store_queue_bounds(broker_of(s)->store, topic_at(s), s->at.queue_id, &bounds);
    if (err == 0)
        err = pop_begin_offset(broker_of(s), topic_at(s), s->fields.consumer_group, s->at.queue_id,
                               s->fields.init_mode, true, &queue_offset);
    s->max = bounds.max;
    s->at = (struct pop_taking){
        .topic = topic_at(s),
        .group = s->fields.consumer_group,
        .queue_id = s->at.queue_id,
        .pop_time_ms = s->pop_time_ms,
        .invisible_ms = s->fields.invisible_ms,
        .revive_queue_id = s->revive_queue_id,
        .is_in_order = s->fields.order,
        .attempt_id = s->fields.attempt_id,
        .counts = &s->counts,
        .queue_offset = queue_offset,
    };
    return err;
}

/* Pops from the queue at hand; false: a worker goes on. */
static bool read_queue(struct pop_scan *s)
{
    struct pop_keeper *keeper = pops_keeper(broker_of(s)->pops);
    assert(s->claimed == NULL); /* one queue at a time */
    int err = aim(s);
    if (err != 0) {
        note_not_read(s, err);
        return true;
    }
    if (s->fields.order &&
        pop_is_blocked(keeper, topic_at(s), s->fields.consumer_group, s->at.queue_id,
                       s->at.queue_offset, s->fields.attempt_id, now_ms(s)))
        return true; /* what waits in it can be had by nobody: it does not count */
    bool is_full = s->count >= s->fields.max_msg_nums;
    if (is_full || has_too_many_out(s) ||
        !pop_claim(keeper, topic_at(s), s->fields.consumer_group, s->at.queue_id, &s->claimed)) {
        s->rest_num += left_in_queue(s);
        return true;
    }
    if (s->at.queue_offset == s->max) {
        release(s); /* nothing new: the usual case of a queue that is looked at and empty */
        return true;
    }
    return read_claimed(s);
}

/* The next queue of the scan; false: that was all. */
static bool next_queue(struct pop_scan *s)
{
    for (; s->stage < POP_SCAN_STAGES; s->stage++, s->step = 0) {
        const struct topic_config *topic =
            topic_at(s).len == 0 ? NULL : topics_get(broker_of(s)->topics, topic_at(s));
        bool is_retry_last = s->stage > 0 && s->origins[s->stage] != POP_OF_TOPIC;
        if (topic == NULL || (is_retry_last && s->count >= s->fields.max_msg_nums))
            continue;
        bool is_one = s->origins[s->stage] == POP_OF_TOPIC && s->fields.queue_id >= 0;
        if (s->step >= (is_one ? 1 : topic->read_queue_count))
            continue;
        s->at.queue_id =
            is_one ? s->fields.queue_id
                   : (int32_t)((s->random + (uint32_t)s->step) % (uint32_t)topic->read_queue_count);
        s->step++;
        assert(s->at.queue_id >= 0);
        return true;
    }
    return false;
}

void pop_scan_run(struct pop_scan *s)
{
    while (next_queue(s))
        if (!read_queue(s))
            return;
    s->on_end(s);
}

void pop_scan_plan(struct pop_scan *s)
{
    struct broker *broker = broker_of(s);
    const struct broker_conf *conf = &broker->conf;
    assert(s->claimed == NULL);
    assert(s->body.len == 0 && s->starts.len == 0 && s->offsets.len == 0 && s->counts.len == 0);
    s->random = broker->next_pop++ * 2654435761u >> 8;
    uint32_t percent = s->random % 100;
    bool is_retry_first = percent < (uint32_t)conf->pop_from_retry_probability;
    enum pop_origin retry = conf->enable_retry_topic_v2 ? POP_OF_RETRY_V2 : POP_OF_RETRY_V1;
    if (conf->enable_retry_topic_v2 && conf->retrieve_message_from_pop_retry_topic_v1 &&
        percent % 2 == 0)
        retry = POP_OF_RETRY_V1; /* what was put there before the switch */
    int at = is_retry_first ? 0 : 1;
    s->topics[1 - at] = s->fields.topic;
    s->origins[1 - at] = POP_OF_TOPIC;
    s->origins[at] = retry;
    s->topics[at] = s->fields.order ? slice_of(NULL, 0)
                                    : pop_topic_name(s->fields.topic, s->fields.consumer_group,
                                                     retry, &request_of(s)->arena);
    s->stage = 0;
    s->step = 0;
    s->count = 0;
    s->err = 0;
    s->is_cut_short = false;
    s->rest_num = 0;
    s->end_phy_offset = 0;
    s->pop_time_ms = now_ms(s);
    s->revive_queue_id = s->fields.order ? POP_ORDER_QUEUE_ID
                                         : pop_keeper_next_revive_queue(pops_keeper(broker->pops));
}
