/* handle_recall.c - RECALL_MESSAGE (370), GET_TIMER_CHECK_POINT (60), GET_TIMER_METRICS (61).
 *
 * A recall is a message of its own: a timer of the same tick that cancels the other one
 * (TIMER_DEL_UNIQKEY). It takes effect when it is stored, and is answered then.
 */
#include "broker/address.h"
#include "broker/internal.h"
#include "broker/later/timers.h"
#include "broker/requests.h"
#include "broker/send/acks.h"
#include "broker/send/put.h"
#include "wire/names.h"
#include "wire/properties.h"
#include "wire/recall_handle.h"
#include "wire/req_send.h"

#define RECALL_TAG "_RECALL_TAG_"
#define RECALL_BODY "0"

static struct slice region(const struct broker *broker)
{
    return slice_str(broker->conf.region_id);
}

static void refuse(struct broker *broker, struct request *req, int32_t code, struct slice remark)
{
    struct recall_response fields = { .msg_region = region(broker) };
    reply_fields(req, code, remark, &recall_response_fields, &fields, slice_of(NULL, 0));
}

/* False: the request was answered. */
static bool check_broker(struct broker *broker, struct request *req)
{
    const struct broker_conf *conf = &broker->conf;
    if (!conf->recall_message_enable) {
        refuse(broker, req, RESP_NO_PERMISSION,
               SLICE("recall failed, operation is forbidden: recallMessageEnable is false"));
        return false;
    }
    if (loop_now_ms(broker->loop) < conf->start_accept_send_request_timestamp) {
        refuse(broker, req, RESP_SERVICE_NOT_AVAILABLE,
               arena_printf(&req->arena, "recall failed, broker service not available until %lld",
                            (long long)conf->start_accept_send_request_timestamp));
        return false;
    }
    if ((conf->broker_permission & PERM_WRITE) == 0 &&
        !conf->allow_recall_when_broker_not_writeable) {
        refuse(broker, req, RESP_SERVICE_NOT_AVAILABLE,
               SLICE("recall failed, broker service not available: it is not writeable"));
        return false;
    }
    return true;
}

/* What becomes a property's value must not end it. */
static bool is_property_value(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20)
            return false;
    return true;
}

/* What is wrong with the handle, or NULL. */
static const char *handle_fault(struct broker *broker, struct request *req,
                                const struct recall_request *fields, struct recall_handle *handle,
                                int64_t *deliver_ms)
{
    if (recall_handle_decode(fields->recall_handle, &req->arena, handle) != 0 ||
        !is_property_value(handle->uniq_key))
        return "recall handle is invalid";
    if (!slice_eq(handle->topic, fields->topic))
        return "recall failed, topic not match";
    if (!slice_eq(handle->broker_name, slice_str(broker->conf.broker_name)))
        return "recall failed, broker service not available: the handle names another broker";
    int64_t now_ms = loop_now_ms(broker->loop);
    if (!slice_to_i64(handle->deliver_ms, deliver_ms) || *deliver_ms <= now_ms ||
        *deliver_ms - now_ms >= broker->conf.timer_max_delay_sec * 1000LL)
        return "recall failed, timestamp invalid";
    return NULL;
}

static struct slice recall_properties(const struct recall_request *fields,
                                      const struct recall_handle *handle, int64_t deliver_ms,
                                      int64_t now_ms, struct arena *arena)
{
    const struct property_change changes[] = {
        { SLICE(PROPERTY_TAGS), SLICE(RECALL_TAG) },
        { SLICE(PROPERTY_TIMER_DEL_UNIQ_KEY),
          arena_printf(arena, "%.*s+%.*s", SLICE_FMT(handle->topic), SLICE_FMT(handle->uniq_key)) },
        { SLICE(PROPERTY_UNIQ_KEY), handle->uniq_key },
        { SLICE(PROPERTY_TIMER_DELIVER_MS), arena_printf(arena, "%lld", (long long)deliver_ms) },
        { SLICE(PROPERTY_BORN_TIMESTAMP), arena_printf(arena, "%lld", (long long)now_ms) },
        { SLICE(PROPERTY_PRODUCER_GROUP),
          is_property_value(fields->producer_group) ? fields->producer_group : slice_of(NULL, 0) },
    };
    return properties_edit(slice_of(NULL, 0), changes, sizeof changes / sizeof changes[0], arena);
}

static void store_recall(struct broker *broker, struct request *req,
                         const struct recall_request *fields, const struct recall_handle *handle,
                         int64_t deliver_ms)
{
    struct arena *arena = &req->arena;
    int64_t now_ms = loop_now_ms(broker->loop);
    struct record record = {
        .topic = handle->topic,
        .born_timestamp = now_ms,
        .store_host = broker->self,
        .body = SLICE(RECALL_BODY),
        .properties = recall_properties(fields, handle, deliver_ms, now_ms, arena),
    };
    address_host(peer_address(req->peer), &record.born_host);
    struct store_put_result put;
    int err = broker_put(broker, &record, 1, arena, &put, NULL);
    if (err != 0) {
        struct slice why;
        put_refusal(broker, err, arena, &why);
        refuse(broker, req, RESP_SYSTEM_ERROR,
               arena_printf(arena, "recall failed, execute error: %.*s", SLICE_FMT(why)));
        return;
    }
    struct recall_response answer = { .msg_id = handle->uniq_key, .msg_region = region(broker) };
    struct reply reply = { .code = RESP_SUCCESS, .has_ext = true };
    reply.ext =
        fields_encode(&recall_response_fields, FIELD_LONG_NAMES, &answer, arena, &reply.ext_count);
    acks_reply(broker, req, &reply, put.end_phy_offset, true);
}

void handle_recall(struct broker *broker, struct request *req)
{
    struct recall_request fields;
    struct recall_handle handle;
    int64_t deliver_ms;
    if (request_fields(req, &recall_request_fields, &fields) != 0 || !check_broker(broker, req))
        return;
    if (topics_get(broker->topics, fields.topic) == NULL) {
        refuse(broker, req, RESP_TOPIC_NOT_EXIST,
               arena_printf(&req->arena, "recall failed, the topic[%.*s] not exist",
                            SLICE_FMT(fields.topic)));
        return;
    }
    const char *fault = handle_fault(broker, req, &fields, &handle, &deliver_ms);
    if (fault != NULL)
        refuse(broker, req, RESP_ILLEGAL_OPERATION, slice_str(fault));
    else
        store_recall(broker, req, &fields, &handle, deliver_ms);
}

/* ---- for slaves ------------------------------------------------------------------------------ */

void handle_timer_check_point(struct broker *broker, struct request *req)
{
    if (broker->timers == NULL) {
        reply_code(req, RESP_SYSTEM_ERROR, "The checkpoint is null: timerWheelEnable is false");
        return;
    }
    struct buf body = BUF_INIT;
    timer_check_text(timers_timer(broker->timers), &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void handle_timer_metrics(struct broker *broker, struct request *req)
{
    if (broker->timers == NULL) {
        reply_code(req, RESP_SYSTEM_ERROR,
                   "The timer message store is null: timerWheelEnable is false");
        return;
    }
    struct buf body = BUF_INIT;
    timer_metrics_body(timers_timer(broker->timers), &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
