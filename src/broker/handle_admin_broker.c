/* handle_admin_broker.c - the broker's settings (25, 26) and figures (28), for tools. */
#include "base/log.h"
#include "broker/internal.h"
#include "broker/register.h"
#include "broker/saver.h"
#include "wire/body_lists.h"
#include "wire/req_admin.h"

/* Where settings come from cannot be a setting that a request changes. */
static const char *const black_list[] = { "brokerConfigPath", "rocketmqHome", "configBlackList" };

static int refuse_black_listed(void *ctx, int line, struct slice key, struct slice value)
{
    (void)ctx, (void)line, (void)value;
    for (size_t i = 0; i < sizeof black_list / sizeof black_list[0]; i++)
        if (slice_eq(key, slice_str(black_list[i])))
            return ERR_INVALID;
    return 0;
}

void handle_put_conf(struct broker *broker, struct request *req)
{
    if (conf_parse(req->body, refuse_black_listed, NULL) != 0) {
        reply_code(req, RESP_NO_PERMISSION, "Can not update config in black list.");
        return;
    }
    int permission = broker->conf.broker_permission;
    struct buf complaints = BUF_INIT;
    int err = conf_update(&broker_conf_table, &broker->conf, req->body, &complaints);
    if (err != 0) {
        reply_code(req, RESP_INVALID_PARAMETER, "nothing was changed: %.*s",
                   SLICE_FMT(buf_slice(&complaints)));
    } else {
        data_version_next(&broker->conf_version, loop_now_ms(broker->loop));
        if (broker->conf.broker_permission != permission) {
            topics_touch(broker->topics, loop_now_ms(broker->loop));
            saver_changed(broker->saver, TABLE_TOPICS);
            registrar_tell_all(broker->registrar);
        }
        log_info("settings_changed by=%s", peer_address(req->peer)->text);
        reply_code(req, RESP_SUCCESS, NULL);
    }
    buf_fini(&complaints);
}

void handle_get_conf(struct broker *broker, struct request *req)
{
    struct buf text = BUF_INIT;
    struct buf version = BUF_INIT;
    conf_print(&broker_conf_table, &broker->conf, &text);
    data_version_encode(&broker->conf_version, &version);
    struct get_config_response response = { .version = buf_slice(&version) };
    reply_fields(req, RESP_SUCCESS, slice_of(NULL, 0), &get_config_response_fields, &response,
                 buf_slice(&text));
    buf_fini(&text);
    buf_fini(&version);
}

/* The table of figures while it is made; its texts live in the request's arena. */
struct figures {
    struct arena *arena;
    struct pair pairs[64];
    int count;
};

static void add_text(struct figures *f, const char *key, const char *value)
{
    f->pairs[f->count++] = (struct pair){ slice_str(key), slice_str(value) };
}

static void add_i64(struct figures *f, const char *key, int64_t value)
{
    f->pairs[f->count++] =
        (struct pair){ slice_str(key), arena_printf(f->arena, "%lld", (long long)value) };
}

static void add_ratio(struct figures *f, const char *key, int percent)
{
    f->pairs[f->count++] =
        (struct pair){ slice_str(key), arena_printf(f->arena, "%.2f", percent / 100.0) };
}

static void add_run_time(struct figures *f, int64_t elapsed_ms)
{
    long long s = elapsed_ms / 1000;
    f->pairs[f->count++] = (struct pair){
        SLICE("runtime"),
        arena_printf(f->arena, "[ %lld days, %lld hours, %lld minutes, %lld seconds ]", s / 86400,
                     s / 3600 % 24, s / 60 % 60, s % 60),
    };
}

/* The sum of two rates as three averages: over 10, 60 and 599 seconds. */
static void add_rate(struct figures *f, const struct broker *broker, const char *key,
                     enum traffic_kind kind, enum traffic_kind other)
{
    static const int seconds[3] = { 10, 60, TRAFFIC_SECONDS - 1 };
    int64_t now_ns = loop_now_ns(broker->loop);
    double rates[3];
    for (int i = 0; i < 3; i++) {
        rates[i] = traffic_rate(&broker->traffic, kind, seconds[i], now_ns);
        if (other != kind)
            rates[i] += traffic_rate(&broker->traffic, other, seconds[i], now_ns);
    }
    f->pairs[f->count++] =
        (struct pair){ slice_str(key),
                       arena_printf(f->arena, "%.2f %.2f %.2f", rates[0], rates[1], rates[2]) };
}

static void add_traffic(struct figures *f, const struct broker *broker)
{
    add_i64(f, "msgPutTotalTodayNow", broker->traffic.totals[TRAFFIC_PUT]);
    add_i64(f, "msgGetTotalTodayNow", broker->traffic.totals[TRAFFIC_TRANSFERRED]);
    add_rate(f, broker, "putTps", TRAFFIC_PUT, TRAFFIC_PUT);
    add_rate(f, broker, "getTotalTps", TRAFFIC_FOUND, TRAFFIC_MISSED);
    add_rate(f, broker, "getFoundTps", TRAFFIC_FOUND, TRAFFIC_FOUND);
    add_rate(f, broker, "getMissTps", TRAFFIC_MISSED, TRAFFIC_MISSED);
    add_rate(f, broker, "getTransferredTps", TRAFFIC_TRANSFERRED, TRAFFIC_TRANSFERRED);
    add_rate(f, broker, "getTransferedTps", TRAFFIC_TRANSFERRED,
             TRAFFIC_TRANSFERRED); /* tools before 5.0 spell it so */
}

static void add_store_figures(struct figures *f, struct broker *broker)
{
    struct store_state state;
    store_state(broker->store, &state);
    add_i64(f, "commitLogMinOffset", state.min_phy_offset);
    add_i64(f, "commitLogMaxOffset", state.max_phy_offset);
    add_i64(f, "earliestMessageTimeStamp", state.earliest_message_ms);
    add_ratio(f, "commitLogDiskRatio", state.commit_log_disk_percent);
    add_ratio(f, "consumeQueueDiskRatio", state.consume_queue_disk_percent);
    f->pairs[f->count++] = (struct pair){
        SLICE("remainHowManyDataToFlush"),
        arena_printf(f->arena, "%lld B",
                     (long long)(state.max_phy_offset - state.flushed_phy_offset)),
    };
}

/* What the reference keeps waiting in queues before thread pools is served here in the pass that
 * reads it: those queues are empty by construction. */
static void add_empty_queues(struct figures *f)
{
    static const char *const empty[] = {
        "sendThreadPoolQueueSize",     "sendThreadPoolQueueHeadWaitTimeMills",
        "pullThreadPoolQueueSize",     "pullThreadPoolQueueHeadWaitTimeMills",
        "litePullThreadPoolQueueSize", "litePullThreadPoolQueueHeadWaitTimeMills",
        "queryThreadPoolQueueSize",    "queryThreadPoolQueueHeadWaitTimeMills",
        "dispatchBehindBytes",         "pageCacheLockTimeMills",
    };
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        add_text(f, empty[i], "0");
}

void handle_runtime_info(struct broker *broker, struct request *req)
{
    struct figures f = { .arena = &req->arena };
    add_text(&f, "brokerVersionDesc", "V5_3_3");
    add_i64(&f, "brokerVersion", WIRE_VERSION);
    add_text(&f, "brokerActive", "true");
    add_i64(&f, "bootTimestamp", broker->started_ms);
    add_i64(&f, "startAcceptSendRequestTimeStamp",
            broker->conf.start_accept_send_request_timestamp);
    add_run_time(&f, loop_now_ms(broker->loop) - broker->started_ms);
    add_empty_queues(&f);
    add_store_figures(&f, broker);
    add_traffic(&f, broker);
    struct kv_table table = { .pairs = f.pairs, .count = f.count };
    struct buf body = BUF_INIT;
    kv_table_encode(&table, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
