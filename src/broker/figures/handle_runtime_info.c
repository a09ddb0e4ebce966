/* handle_runtime_info.c - the broker's figures, for tools: all at a glance (28), and what was
 * counted of a topic or a group (315). */
#include <assert.h>
#include <sys/statvfs.h>

#include "broker/figures/put_times.h"
#include "broker/figures/stats.h"
#include "broker/guard/guard.h"
#include "broker/internal.h"
#include "broker/later/delays.h"
#include "broker/later/timers.h"
#include "broker/requests.h"
#include "wire/body_lists.h"
#include "wire/body_stats.h"
#include "wire/names.h"
#include "wire/req_admin.h"

/* The table of figures while it is made; its texts live in the request's arena. */
enum { FIGURES_MAX = 96 + DELAY_LEVELS_MAX };
struct figures {
    struct arena *arena;
    struct pair pairs[FIGURES_MAX];
    int count;
};

static void add(struct figures *f, struct slice key, struct slice value)
{
    assert(f->count < FIGURES_MAX);
    f->pairs[f->count++] = (struct pair){ key, value };
}

static void add_text(struct figures *f, const char *key, const char *value)
{
    add(f, slice_str(key), slice_str(value));
}

static void add_i64(struct figures *f, const char *key, int64_t value)
{
    add(f, slice_str(key), arena_printf(f->arena, "%lld", (long long)value));
}

static void add_ratio(struct figures *f, const char *key, int percent)
{
    add(f, slice_str(key), arena_printf(f->arena, "%.2f", percent / 100.0));
}

/* "236.7 GiB" */
static struct slice readable_bytes(uint64_t bytes, struct arena *arena)
{
    static const char units[] = "KMGTPE";
    if (bytes < 1024)
        return arena_printf(arena, "%llu B", (unsigned long long)bytes);
    double value = (double)bytes / 1024;
    int unit = 0;
    for (; value >= 1024 && units[unit + 1] != 0; unit++)
        value /= 1024;
    return arena_printf(arena, "%.1f %ciB", value, units[unit]);
}

static void add_run_time(struct figures *f, int64_t elapsed_ms)
{
    long long s = elapsed_ms / 1000;
    add(f, SLICE("runtime"),
        arena_printf(f->arena, "[ %lld days, %lld hours, %lld minutes, %lld seconds ]", s / 86400,
                     s / 3600 % 24, s / 60 % 60, s % 60));
}

/* ---- messages -------------------------------------------------------------------------------- */

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
    add(f, slice_str(key), arena_printf(f->arena, "%.2f %.2f %.2f", rates[0], rates[1], rates[2]));
}

static void add_traffic(struct figures *f, struct broker *broker)
{
    struct traffic *t = &broker->traffic;
    traffic_advance(t, loop_now_ns(broker->loop));
    add_i64(f, "msgPutTotalTodayNow", t->totals[TRAFFIC_PUT]);
    add_i64(f, "msgPutTotalTodayMorning", t->today[TRAFFIC_PUT]);
    add_i64(f, "msgPutTotalYesterdayMorning", t->yesterday[TRAFFIC_PUT]);
    add_i64(f, "msgGetTotalTodayNow", t->totals[TRAFFIC_TRANSFERRED]);
    add_i64(f, "msgGetTotalTodayMorning", t->today[TRAFFIC_TRANSFERRED]);
    add_i64(f, "msgGetTotalYesterdayMorning", t->yesterday[TRAFFIC_TRANSFERRED]);
    add_i64(f, "getMessageEntireTimeMax", broker->get_took_max_ms);
    add_rate(f, broker, "putTps", TRAFFIC_PUT, TRAFFIC_PUT);
    add_rate(f, broker, "getTotalTps", TRAFFIC_FOUND, TRAFFIC_MISSED);
    add_rate(f, broker, "getFoundTps", TRAFFIC_FOUND, TRAFFIC_FOUND);
    add_rate(f, broker, "getMissTps", TRAFFIC_MISSED, TRAFFIC_MISSED);
    add_rate(f, broker, "getTransferredTps", TRAFFIC_TRANSFERRED, TRAFFIC_TRANSFERRED);
    add_rate(f, broker, "getTransferedTps", TRAFFIC_TRANSFERRED,
             TRAFFIC_TRANSFERRED); /* tools before 5.0 spell it so */
}

static void add_put_times(struct figures *f, struct broker *broker)
{
    int64_t now_ns = loop_now_ns(broker->loop);
    const struct put_totals *totals = put_times_totals(broker->put_times);
    struct buf text = BUF_INIT;
    add_i64(f, "putMessageEntireTimeMax", totals->max_ns / 1000000);
    add_i64(f, "putMessageTimesTotal", totals->messages);
    add_i64(f, "putMessageFailedTimes", totals->failed);
    add_i64(f, "putMessageSizeTotal", totals->bytes);
    add(f, SLICE("putMessageAverageSize"),
        arena_printf(f->arena, "%.1f",
                     totals->messages == 0 ? 0.0
                                           : (double)totals->bytes / (double)totals->messages));
    put_times_print(broker->put_times, now_ns, &text);
    add(f, SLICE("putMessageDistributeTime"), arena_copy(f->arena, buf_slice(&text)));
    buf_fini(&text);
    static const struct {
        const char *key;
        double percent;
    } rows[] = { { "putLatency99", 99 }, { "putLatency999", 99.9 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = put_times_percentile(broker->put_times, rows[i].percent, now_ns);
        add(f, slice_str(rows[i].key), arena_printf(f->arena, "%.2f", (double)ns / 1e6));
    }
}

/* ---- the store ------------------------------------------------------------------------------- */

static void add_disk_room(struct figures *f, const char *path)
{
    struct statvfs disk;
    if (statvfs(path, &disk) != 0)
        return;
    struct slice total = readable_bytes((uint64_t)disk.f_blocks * disk.f_frsize, f->arena);
    struct slice left = readable_bytes((uint64_t)disk.f_bfree * disk.f_frsize, f->arena);
    add(f, SLICE("commitLogDirCapacity"),
        arena_printf(f->arena, "Total : %.*s, Free : %.*s.", SLICE_FMT(total), SLICE_FMT(left)));
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
    add(f, SLICE("remainHowManyDataToFlush"),
        readable_bytes((uint64_t)(state.max_phy_offset - state.flushed_phy_offset), f->arena));
    add_i64(f, "dispatchBehindBytes",
            broker->conf.message_index_enable ? state.max_phy_offset - state.indexed_phy_offset
                                              : 0);
    add_i64(f, "damagedRecords", state.damaged_records); /* ours, as the next */
    add_i64(f, "unreadableQueues", broker->unreadable_queues);
    add_disk_room(f, broker->conf.store_path_root_dir);
}

/* "what is delivered next,what there is" by level. */
static void add_delays(struct figures *f, struct broker *broker)
{
    const struct delay_offsets *progress = delays_progress(broker->delays);
    for (int level = 1; level <= DELAY_LEVELS_MAX; level++)
        if (progress->next[level] >= 0)
            add(f, arena_printf(f->arena, "scheduleMessageOffset_%d", level),
                arena_printf(
                    f->arena, "%lld,%lld", (long long)progress->next[level],
                    (long long)store_queue_max(broker->store, SLICE(TOPIC_SCHEDULE), level - 1)));
}

/* How many seconds and messages the timers are behind, by their check point; what waits in them. */
static void add_timers(struct figures *f, struct broker *broker)
{
    int64_t read_behind_s = 0, offset_behind = 0;
    if (broker->timers != NULL) {
        const struct timer *timer = timers_timer(broker->timers);
        int64_t read_ms = timer_saved_to(timer);
        if (read_ms > 0) /* 0: there was no timer yet */
            read_behind_s = (loop_now_ms(broker->loop) - read_ms) / 1000;
        offset_behind =
            store_queue_max(broker->store, SLICE(TOPIC_TIMER), 0) - timer_saved_queue_offset(timer);
    }
    add_i64(f, "timerReadBehind", read_behind_s < 0 ? 0 : read_behind_s);
    add_i64(f, "timerOffsetBehind", offset_behind < 0 ? 0 : offset_behind);
    add(f, SLICE("timerEnqueueTps"),
        arena_printf(f->arena, "%.2f",
                     stats_put_rate(broker->stats, SLICE(TOPIC_TIMER), loop_now_ns(broker->loop))));
}

/* What the reference keeps waiting in queues before thread pools is served here in the pass that
 * reads it: those queues are empty by construction, and as long as its. */
static void add_empty_queues(struct figures *f)
{
    static const struct {
        const char *name;
        const char *capacity;
    } queues[] = {
        { "send", "10000" },  { "pull", "100000" }, { "litePull", "100000" },
        { "query", "20000" }, { "ack", "100000" },
    };
    static const char *const zeros[] = { "pageCacheLockTimeMills", "EndTransactionQueueSize",
                                         "dispatchMaxBuffer" };
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++) {
        const char *name = queues[i].name;
        add(f, arena_printf(f->arena, "%sThreadPoolQueueSize", name), SLICE("0"));
        add(f, arena_printf(f->arena, "%sThreadPoolQueueHeadWaitTimeMills", name), SLICE("0"));
        add(f, arena_printf(f->arena, "%sThreadPoolQueueCapacity", name),
            slice_str(queues[i].capacity));
    }
    for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++)
        add_text(f, zeros[i], "0");
    add_text(f, "EndTransactionThreadPoolQueueCapacity", "100000");
    add_text(f, "remainTransientStoreBufferNumbs", "2147483647"); /* no such pool */
}

/* Ramjet's own: what is left off and refused under pressure. */
static void add_guard(struct figures *f, const struct broker *broker)
{
    static const char *const refused[GUARD_REASONS] = {
        [GUARD_DELAY] = "refusedByDelay", [GUARD_DISK] = "refusedByDisk",
        [GUARD_RATE] = "refusedByRate",   [GUARD_COLD] = "refusedByColdReads",
        [GUARD_RUNG] = "refusedByRung",
    };
    add_i64(f, "degradationRung", guard_rung(broker->guard));
    add_text(f, "degradationName", rung_name(guard_rung(broker->guard)));
    add_text(f, "diskBreaker", breaker_name(guard_breaker(broker->guard)));
    for (int i = 0; i < GUARD_REASONS; i++)
        add_i64(f, refused[i], guard_refused(broker->guard, (enum guard_reason)i));
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
    add_delays(&f, broker);
    add_timers(&f, broker);
    add_traffic(&f, broker);
    add_put_times(&f, broker);
    add_guard(&f, broker);
    struct kv_table table = { .pairs = f.pairs, .count = f.count };
    struct buf body = BUF_INIT;
    kv_table_encode(&table, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

/* ---- one name and key ------------------------------------------------------------------------ */

static struct window_stats window_of(const struct stats_view *view, enum stats_window window)
{
    const struct stats_sum *sum = &view->windows[window];
    return (struct window_stats){ sum->sum, sum->per_second, sum->per_time };
}

void handle_broker_stats(struct broker *broker, struct request *req)
{
    struct broker_stats_request fields;
    struct stats_view view;
    if (request_fields(req, &broker_stats_request_fields, &fields) != 0)
        return;
    if (!stats_find(broker->stats, fields.stats_name, fields.stats_key, loop_now_ns(broker->loop),
                    &view)) {
        reply_code(req, RESP_SYSTEM_ERROR, "The stats <%.*s> <%.*s> not exist",
                   SLICE_FMT(fields.stats_name), SLICE_FMT(fields.stats_key));
        return;
    }
    struct broker_stats stats = { .minute = window_of(&view, STATS_MINUTE),
                                  .hour = window_of(&view, STATS_HOUR),
                                  .day = window_of(&view, STATS_DAY) };
    struct buf body = BUF_INIT;
    broker_stats_encode(&stats, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}
