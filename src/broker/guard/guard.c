/* guard.c - the broker's side of protection: what is measured where, what is answered, what is
 * told. When to step is decided in ladder.c. */
#include "broker/guard/guard.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "broker/figures/evidence.h"
#include "broker/figures/stats.h"
#include "broker/guard/limits.h"
#include "broker/later/delays.h"
#include "broker/later/timers.h"
#include "broker/send/acks.h"
#include "broker/session.h"

enum { LOOK_MS = 50, WATCH_MS = 100 };
/* A pass with fewer requests is no crowd, whatever it took. */
enum { CROWD_REQUESTS = 64 };

struct guard {
    struct broker *broker;
    struct ladder ladder;
    struct loop_timer look;
    int64_t worst_ns; /* delay of passes since the ladder was looked at */
    struct breaker breaker;
    struct loop_timer watch; /* while an answer waits for the disk */
    int64_t watch_due_ns;    /* 0: not armed */
    struct limits *limits;
    int64_t refused[GUARD_REASONS];
    struct log_limit log_limits[GUARD_REASONS];
};

/* ---- refusing -------------------------------------------------------------------------------- */

static void count(struct guard *g, enum guard_reason reason, const char *why, int64_t value)
{
    uint32_t held;
    assert(reason < GUARD_REASONS);
    g->refused[reason]++;
    if (log_limit_pass(&g->log_limits[reason], loop_now_ns(g->broker->loop), &held))
        log_warn("request_refused reason=%s value=%lld held_back=%u", why, (long long)value, held);
}

static bool has_waited_too_long(struct guard *g, struct request *req)
{
    const struct broker_conf *conf = &g->broker->conf;
    const struct evidence *evidence = g->broker->evidence;
    int64_t waited_ns = fault_value("overload.wait_ns", evidence_waited_ns(evidence));
    if (!conf->broker_fast_failure_enable ||
        waited_ns < conf->wait_time_millis_in_send_queue * NS_PER_MS)
        return false;
    int64_t requests = fault_value("overload.requests", evidence_pass_requests(evidence));
    if (requests < CROWD_REQUESTS)
        return false;
    count(g, GUARD_DELAY, "delay", waited_ns / NS_PER_MS);
    reply_code(req, RESP_SYSTEM_BUSY,
               "[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: "
               "%lldms, size of queue: %lld",
               (long long)(waited_ns / NS_PER_MS), (long long)requests);
    return true;
}

static int64_t breaker_limit_ns(const struct guard *g)
{
    return g->broker->conf.disk_breaker_millis * NS_PER_MS;
}

static int64_t disk_delay_ns(struct guard *g)
{
    int64_t waited_ns =
        breaker_wait(&g->breaker, acks_oldest_ns(g->broker->acks), loop_now_ns(g->broker->loop),
                     g->watch_due_ns, breaker_limit_ns(g));
    return fault_value("overload.disk_ns", waited_ns);
}

static void say_breaker(const struct guard *g, int64_t waited_ns)
{
    long long waited_ms = (long long)(waited_ns / NS_PER_MS);
    if (g->breaker.state == BREAKER_OPEN)
        log_warn("disk_breaker_open waited_ms=%lld", waited_ms);
    else if (g->breaker.state == BREAKER_HALF_OPEN)
        log_info("disk_breaker_half_open");
    else
        log_info("disk_breaker_closed");
}

/* Looks at the disk; returns how long the oldest answer has waited for it. */
static int64_t measure_disk(struct guard *g)
{
    int64_t waited_ns = disk_delay_ns(g);
    if (breaker_measure(&g->breaker, waited_ns, store_flushed_to(g->broker->store),
                        breaker_limit_ns(g)))
        say_breaker(g, waited_ns);
    if (g->breaker.state != BREAKER_CLOSED && g->look.at == 0)
        loop_timer_start(g->broker->loop, &g->look, LOOK_MS);
    return waited_ns;
}

void guard_disk_is_waited_for(struct guard *g)
{
    if (g->watch_due_ns != 0 || breaker_limit_ns(g) <= 0)
        return;
    loop_timer_start(g->broker->loop, &g->watch, WATCH_MS);
    g->watch_due_ns = g->watch.due_ns;
}

static void watch(struct loop_timer *timer)
{
    struct guard *g = (struct guard *)((char *)timer - offsetof(struct guard, watch));
    if (g->broker->is_stopping) /* the store may be gone */
        return;
    bool is_waiting = disk_delay_ns(g) > 0;
    g->watch_due_ns = 0;
    if (is_waiting)
        guard_disk_is_waited_for(g);
}

static bool is_disk_sick(struct guard *g, struct request *req)
{
    int64_t waited_ns = measure_disk(g);
    if (breaker_admits(&g->breaker, waited_ns))
        return false;
    count(g, GUARD_DISK, "disk", waited_ns / NS_PER_MS);
    reply_code(req, RESP_SYSTEM_BUSY,
               "[DISK_BREAKER]broker busy: answers wait for the disk since %lldms, breaker %s",
               (long long)(waited_ns / NS_PER_MS), breaker_name(g->breaker.state));
    return true;
}

bool guard_stops_arrival(struct guard *g, struct request *req)
{
    return has_waited_too_long(g, req) || is_disk_sick(g, req);
}

/* ---- rates ----------------------------------------------------------------------------------- */

/* The rung that leaves this topic off; RUNG_NONE: none does now. */
static enum rung rung_against(const struct guard *g, struct slice topic)
{
    const struct broker_conf *conf = &g->broker->conf;
    if (g->ladder.rung >= RUNG_TRACE && slice_eq(topic, slice_str(conf->msg_trace_topic_name)))
        return RUNG_TRACE;
    if (g->ladder.rung >= RUNG_LOW_PRIORITY &&
        slice_lists(slice_str(conf->low_priority_topics), ';', topic))
        return RUNG_LOW_PRIORITY;
    return RUNG_NONE;
}

struct rate {
    int64_t per_s; /* 0: no limit */
    bool is_own;   /* and not that of all */
};

static struct rate rate_of(const char *own, struct slice name, int64_t of_all)
{
    int64_t per_s = conf_number_of(own, name, -1);
    return per_s < 0 ? (struct rate){ of_all, false } : (struct rate){ per_s, true };
}

bool guard_stops_send(struct guard *g, struct request *req, struct slice topic)
{
    const struct broker_conf *conf = &g->broker->conf;
    enum rung rung = rung_against(g, topic);
    if (rung != RUNG_NONE) {
        count(g, GUARD_RUNG, rung_name(rung), (int64_t)g->ladder.rung);
        reply_code(req, RESP_SYSTEM_BUSY, "[DEGRADED]broker busy: %s are left off for a while",
                   rung_name(rung));
        return true;
    }
    struct session *session = conf->send_rate_per_connection > 0 ? session_of(req->peer) : NULL;
    if (session != NULL && !rate_limit_take(&session->sends, conf->send_rate_per_connection,
                                            loop_now_ns(g->broker->loop))) {
        count(g, GUARD_RATE, "connection", conf->send_rate_per_connection);
        reply_code(req, RESP_SYSTEM_BUSY,
                   "[FLOW_CONTROL]more than %lld messages a second over one connection "
                   "(sendRatePerConnection)",
                   (long long)conf->send_rate_per_connection);
        return true;
    }
    struct rate rate = rate_of(conf->send_rate_of_topics, topic, conf->send_rate_per_topic);
    if (!limits_take(g->limits, LIMIT_TOPIC, topic, rate.per_s, loop_now_ns(g->broker->loop))) {
        count(g, GUARD_RATE, "topic", rate.per_s);
        reply_code(req, RESP_SYSTEM_BUSY,
                   "[FLOW_CONTROL]more than %lld messages a second to topic %.*s (%s)",
                   (long long)rate.per_s, SLICE_FMT(topic),
                   rate.is_own ? "sendRateOfTopics" : "sendRatePerTopic");
        return true;
    }
    return false;
}

bool guard_stops_pull(struct guard *g, struct request *req, struct slice group)
{
    const struct broker_conf *conf = &g->broker->conf;
    struct rate rate = rate_of(conf->pull_rate_of_groups, group, conf->pull_rate_per_group);
    if (limits_take(g->limits, LIMIT_GROUP, group, rate.per_s, loop_now_ns(g->broker->loop)))
        return false;
    count(g, GUARD_RATE, "group", rate.per_s);
    bool is_pop = req->header.code == REQ_POP_MESSAGE;
    reply_code(req, is_pop ? RESP_POLLING_FULL : RESP_FLOW_CONTROL,
               "[FLOW_CONTROL]more than %lld %s a second by group %.*s (%s)", (long long)rate.per_s,
               is_pop ? "pops" : "pulls", SLICE_FMT(group),
               rate.is_own ? "pullRateOfGroups" : "pullRatePerGroup");
    return true;
}

/* ---- reads from the disk --------------------------------------------------------------------- */

static int64_t cold_bytes(const struct guard *g, struct slice group)
{
    return fault_value("overload.cold_bytes",
                       limits_cold_bytes(g->limits, group, loop_now_ns(g->broker->loop)));
}

/* Has the group itself read its share, or have all together read theirs? */
static bool is_over_own(struct guard *g, struct slice group)
{
    int64_t others = g->broker->conf.cg_cold_read_threshold;
    return cold_bytes(g, group) >= limits_threshold(g->limits, group, others);
}

bool guard_stops_cold_read(struct guard *g, struct slice group)
{
    const struct broker_conf *conf = &g->broker->conf;
    if (g->ladder.rung >= RUNG_COLD_READS)
        return true;
    return conf->cold_data_flow_control_enable &&
           (is_over_own(g, group) ||
            cold_bytes(g, slice_of(NULL, 0)) >= conf->global_cold_read_threshold);
}

void guard_refuse_cold_read(struct guard *g, struct request *req, struct slice group)
{
    bool is_pop = req->header.code == REQ_POP_MESSAGE; /* its clients know one way to wait */
    if (g->ladder.rung >= RUNG_COLD_READS) {
        count(g, GUARD_RUNG, rung_name(RUNG_COLD_READS), (int64_t)g->ladder.rung);
        reply_code(req, is_pop ? RESP_POLLING_FULL : RESP_FLOW_CONTROL,
                   "[DEGRADED]broker busy: reads from the disk are left off for a while");
        return;
    }
    bool is_own = is_over_own(g, group);
    int64_t bytes = cold_bytes(g, is_own ? group : slice_of(NULL, 0));
    count(g, GUARD_COLD, is_own ? "cold_group" : "cold_all", bytes);
    reply_code(req, is_pop ? RESP_POLLING_FULL : RESP_SYSTEM_BUSY,
               "[COLD_READS]%s %.*s read %lld bytes from the disk in %d s (%s)",
               is_own ? "group" : "all groups with", SLICE_FMT(group), (long long)bytes,
               LIMITS_WINDOW_S, is_own ? "cgColdReadThreshold" : "globalColdReadThreshold");
}

struct limits *guard_limits(struct guard *g)
{
    return g->limits;
}

void guard_count_cold_read(struct guard *g, struct slice group, int64_t bytes)
{
    if (g->broker->conf.cold_data_flow_control_enable)
        limits_read_cold(g->limits, group, bytes, loop_now_ns(g->broker->loop));
}

/* ---- the ladder ------------------------------------------------------------------------------ */

static int64_t limit_ns(const struct guard *g)
{
    return g->broker->conf.degrade_delay_millis * NS_PER_MS;
}

static void step(struct guard *g, enum rung before, int64_t delay_ns)
{
    enum rung now = g->ladder.rung;
    store_pause_index(g->broker->store, now >= RUNG_INDEX);
    stats_pause_names(g->broker->stats, now >= RUNG_STATISTICS);
    if (g->broker->timers != NULL)
        timers_pace(g->broker->timers, now >= RUNG_TIMER_CATCH_UP);
    delays_pace(g->broker->delays, now >= RUNG_TIMER_CATCH_UP);
    if (now > before)
        log_warn("degraded rung=%d left_off=%s delay_ms=%lld", (int)now, rung_name(now),
                 (long long)(delay_ns / NS_PER_MS));
    else
        log_info("recovered rung=%d taken_up=%s delay_ms=%lld", (int)now, rung_name(before),
                 (long long)(delay_ns / NS_PER_MS));
}

static void look(struct loop_timer *timer)
{
    struct guard *g = (struct guard *)((char *)timer - offsetof(struct guard, look));
    if (g->broker->is_stopping)
        return;
    enum rung before = g->ladder.rung;
    int64_t disk_ns = measure_disk(g);
    int64_t delay_ns =
        fault_value("overload.delay_ns", disk_ns > g->worst_ns ? disk_ns : g->worst_ns);
    g->worst_ns = 0;
    if (ladder_measure(&g->ladder, delay_ns, limit_ns(g), loop_now_ns(g->broker->loop)))
        step(g, before, delay_ns);
    if (ladder_is_moving(&g->ladder) || g->breaker.state != BREAKER_CLOSED)
        loop_timer_start(g->broker->loop, &g->look, LOOK_MS);
}

/* A broker that keeps up never arms the timer. */
void guard_pass_over(struct guard *g, int64_t pass_ns)
{
    bool is_looked_at = g->look.at != 0;
    if (!is_looked_at || pass_ns > g->worst_ns)
        g->worst_ns = pass_ns;
    int64_t delay_ns = fault_value("overload.delay_ns", pass_ns);
    int64_t limit = limit_ns(g);
    bool is_late = delay_ns > limit || disk_delay_ns(g) > limit;
    if (limit > 0 && is_late && !is_looked_at)
        loop_timer_start(g->broker->loop, &g->look, LOOK_MS);
}

/* ---- telling, life --------------------------------------------------------------------------- */

enum rung guard_rung(const struct guard *g)
{
    return g->ladder.rung;
}

enum breaker_state guard_breaker(struct guard *g)
{
    measure_disk(g);
    return g->breaker.state;
}

int64_t guard_refused(const struct guard *g, enum guard_reason reason)
{
    return g->refused[reason];
}

int guard_new(struct broker *broker, struct guard **guard)
{
    struct guard *g = calloc(1, sizeof *g);
    if (g == NULL)
        return ERR_NO_MEMORY;
    g->broker = broker;
    int err = limits_new(&g->limits);
    if (err != 0) {
        free(g);
        return err;
    }
    loop_timer_init(&g->look, look);
    loop_timer_init(&g->watch, watch);
    *guard = g;
    return 0;
}

void guard_free(struct guard *g)
{
    if (g == NULL)
        return;
    loop_timer_stop(&g->look);
    loop_timer_stop(&g->watch);
    limits_free(g->limits);
    free(g);
}
