/* handle_pop.c - POP_MESSAGE (200050): takes messages off queues for a while.
 *
 *   checks ── a scan of the queues (pop_scan.h) ── answer
 *     │             └── nothing anywhere: parked in pop_hold until something comes or the time is
 *     │                 over, then again
 *     └── a start after a crash: parked until the offsets are known
 */
#include <assert.h>

#include "broker/guard/guard.h"
#include "broker/pop/pop_checks.h"
#include "broker/pop/pop_hold.h"
#include "broker/pop/pop_scan.h"
#include "broker/pop/pops.h"
#include "broker/requests.h"
#include "broker/send/acks.h"
#include "broker/session.h"

enum { TOO_LATE_MS = 500 };
/* So long a pop waits at most for the offsets after a crash, also one that did not ask to wait. */
enum { RECOVERY_WAIT_MS = 1000 };

struct pop {
    struct pop_scan scan;
    struct held_pop held;
    int64_t deadline_ms;
    int64_t recovery_deadline_ms;
};

static struct broker *broker_of(const struct pop *p)
{
    return p->scan.offload.broker;
}

static struct request *request_of(const struct pop *p)
{
    return p->scan.offload.req;
}

static int64_t now_ms(const struct pop *p)
{
    return loop_now_ms(broker_of(p)->loop);
}

/* ---- the end --------------------------------------------------------------------------------- */

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
    assert((code == RESP_SUCCESS) == (p->scan.count > 0));
    struct pop_response fields = {
        .pop_time_ms = p->scan.pop_time_ms,
        .invisible_ms = p->scan.fields.invisible_ms,
        .revive_queue_id = p->scan.revive_queue_id,
        .rest_num = p->scan.rest_num,
        .start_offset_info = text_of(p, &p->scan.starts),
        .msg_offset_info = text_of(p, &p->scan.offsets),
    };
    if (p->scan.fields.order)
        fields.order_count_info = text_of(p, &p->scan.counts);
    bool waits =
        p->scan.end_phy_offset > 0 && strcmp(broker->conf.flush_disk_type, "SYNC_FLUSH") == 0;
    struct buf body = p->scan.body;
    struct reply reply = {
        .code = code,
        .remark = code == RESP_SUCCESS ? SLICE("FOUND") : SLICE("NO_MESSAGE_IN_QUEUE"),
        .has_ext = true,
        .body = waits ? arena_copy(&req->arena, buf_slice(&body)) : buf_slice(&body),
    };
    int64_t end_phy_offset = p->scan.end_phy_offset;
    p->scan.body = BUF_INIT;
    pop_scan_free(&p->scan);
    reply.ext = fields_encode(&pop_response_fields, FIELD_LONG_NAMES, &fields, &req->arena,
                              &reply.ext_count);
    if (waits)
        acks_reply(broker, req, &reply, end_phy_offset, true);
    else
        reply_send(req, &reply);
    buf_fini(&body);
}

static void wait_or_give_up(struct pop *p)
{
    struct broker *broker = broker_of(p);
    struct request *req = request_of(p);
    const struct pop_request *fields = &p->scan.fields;
    int64_t deadline_ms = fields->poll_ms > 0 ? p->deadline_ms : 0;
    if (pops_are_recovering(broker->pops) && p->recovery_deadline_ms > deadline_ms)
        deadline_ms = p->recovery_deadline_ms;
    int64_t wait_ms = deadline_ms - now_ms(p);
    if (!peer_is_open(req->peer)) {
        pop_scan_free(&p->scan);
        request_drop(req);
        return;
    }
    if (wait_ms <= 0 || broker->is_stopping) {
        answer(p, RESP_POLLING_TIMEOUT);
        return;
    }
    pop_scan_keep(&p->scan);
    pop_scan_free(&p->scan);
    p->held = (struct held_pop){
        .req = req,
        .kind = HELD_POP,
        .filter = message_filter_takes_all(&p->scan.filter) ? NULL : &p->scan.filter,
        .filter_id = p->held.filter_id,
    };
    if (pop_hold_park(broker->pop_hold, &p->held, fields->topic, fields->consumer_group,
                      fields->queue_id, wait_ms, &session_of(req->peer)->held_pops) != 0)
        answer(p, RESP_POLLING_FULL);
}

/* One answer takes 32 messages at most: what is left is for whoever waits next. */
static void wake_next(const struct pop *p)
{
    const struct pop_request *fields = &p->scan.fields;
    if (p->scan.rest_num > 0)
        pop_hold_wake(broker_of(p)->pop_hold, fields->topic, fields->consumer_group,
                      fields->queue_id);
}

static void end_scan(struct pop_scan *scan)
{
    struct pop *p = (struct pop *)scan;
    if (p->scan.count == 0 && p->scan.is_cut_short) {
        pop_scan_free(&p->scan);
        guard_refuse_cold_read(broker_of(p)->guard, request_of(p), p->scan.fields.consumer_group);
        return;
    }
    if (p->scan.count == 0 && p->scan.err != 0) { /* what it has would wait unseen */
        pop_scan_free(&p->scan);
        reply_code(request_of(p), RESP_SYSTEM_ERROR, "the store could not be read: %s",
                   err_name(p->scan.err));
        return;
    }
    if (p->scan.count == 0) {
        wait_or_give_up(p);
        return;
    }
    traffic_count(&broker_of(p)->traffic, TRAFFIC_TRANSFERRED, (uint32_t)p->scan.count,
                  loop_now_ns(broker_of(p)->loop));
    wake_next(p);
    answer(p, RESP_SUCCESS);
}

/* After a crash consumer offsets may be behind what was popped: it would be popped again. */
static void begin(struct pop *p)
{
    pop_scan_plan(&p->scan);
    if (pops_are_recovering(broker_of(p)->pops))
        wait_or_give_up(p);
    else
        pop_scan_run(&p->scan);
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
    const struct pop_request *fields = &p->scan.fields;
    const struct broker_conf *conf = &broker_of(p)->conf;
    struct arena *arena = &request_of(p)->arena;
    *code = RESP_POLLING_TIMEOUT;
    if (now_ms(p) - fields->born_ms - fields->poll_ms > TOO_LATE_MS)
        return arena_printf(arena, "the broker[%s] pop message is timeout too much",
                            conf->broker_ip1);
    *code = RESP_NO_PERMISSION;
    if ((conf->broker_permission & PERM_READ) == 0)
        return arena_printf(arena, "the broker[%s] pop message is forbidden", conf->broker_ip1);
    *code = RESP_INVALID_PARAMETER;
    if (fields->max_msg_nums > POP_MESSAGES_MAX)
        return arena_printf(arena, "the broker[%s] pop message's num is greater than %d",
                            conf->broker_ip1, POP_MESSAGES_MAX);
    *code = RESP_SYSTEM_ERROR;
    if (!conf->timer_wheel_enable)
        return arena_printf(
            arena, "the broker[%s] pop message is forbidden because timerWheelEnable is false",
            conf->broker_ip1);
    return slice_of(NULL, 0);
}

static bool check_filter(struct pop *p)
{
    struct request *req = request_of(p);
    struct sql_error error = { .text = "" };
    if (message_filter_compile(p->scan.fields.expression_type, p->scan.fields.expression,
                               &req->arena, &p->scan.filter, &error) == 0)
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
    const struct pop_request *fields = &p->scan.fields;
    int32_t code;
    struct slice fault = number_fault(p, &code);
    if (fault.data == NULL)
        fault = pop_place_fault(broker, req, fields->topic, fields->consumer_group,
                                fields->queue_id, &code);
    if (fault.data == NULL) { /* the reference would lose a checkpoint its timer does not take */
        fault = pop_invisible_fault(broker, fields->invisible_ms, &req->arena);
        code = RESP_INVALID_PARAMETER;
    }
    if (fault.data != NULL) {
        refuse(req, code, fault);
        return false;
    }
    return check_filter(p);
}

void handle_pop(struct broker *broker, struct request *req)
{
    struct pop *p = arena_zalloc(&req->arena, sizeof *p);
    struct pop_request *fields = &p->scan.fields;
    p->scan.offload.broker = broker;
    p->scan.offload.req = req;
    p->scan.on_end = end_scan;
    if (request_fields(req, &pop_request_fields, fields) != 0)
        return;
    if (guard_stops_pull(broker->guard, req, fields->consumer_group))
        return;
    p->deadline_ms = pop_deadline_ms(now_ms(p), &fields->born_ms, &fields->poll_ms);
    if (!check(p))
        return;
    if (fields->max_msg_nums < 1)
        fields->max_msg_nums = 0;
    p->recovery_deadline_ms = now_ms(p) + RECOVERY_WAIT_MS;
    p->held.filter_id = filter_id_of(fields);
    begin(p);
}
