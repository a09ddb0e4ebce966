/* broker.c - the front door of a broker: start and stop.
 *
 * Start      what the settings leave to the machine is filled in, then the parts are made
 *            (parts.c).
 * Stop       name servers are told, nothing new is taken, parked pulls are answered, what was
 *            accepted is answered; then the parts end. What does not end by STOP_PATIENCE_MS is
 *            cut.
 */
#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"
#include "base/memory.h"
#include "broker/address.h"
#include "broker/bounds.h"
#include "broker/later/delays.h"
#include "broker/later/timers.h"
#include "broker/later/txns.h"
#include "broker/parts.h"
#include "broker/pop/pop_hold.h"
#include "broker/pop/pops.h"
#include "broker/pull/hold.h"
#include "broker/register.h"
#include "broker/saver.h"
#include "broker/send/acks.h"
#include "broker/send/light_queues.h"

enum { STOP_POLL_MS = 10, STOP_PATIENCE_MS = 5000 };

/* ---- start ---------------------------------------------------------------------------------- */

void broker_config_path(const struct broker *broker, const char *file, char *path,
                        size_t path_bytes)
{
    int len = snprintf(path, path_bytes, "%s/config/%s", broker->conf.store_path_root_dir, file);
    assert(len > 0 && (size_t)len < path_bytes);
}

static void replace(char **text, const char *by)
{
    free(*text);
    *text = memory_text(slice_str(by));
}

/* Fills in what the settings leave to the machine. */
static int complete_conf(struct broker *broker)
{
    struct broker_conf *conf = &broker->conf;
    char text[PATH_MAX];
    if (conf->broker_name[0] == '\0') {
        if (gethostname(text, sizeof text) != 0)
            snprintf(text, sizeof text, "DEFAULT_BROKER");
        replace(&conf->broker_name, text);
    }
    if (conf->broker_ip1[0] == '\0') {
        address_of_machine(text, sizeof text);
        replace(&conf->broker_ip1, text);
    }
    conf_expand_home(&conf->store_path_root_dir);
    return address_resolve(conf->broker_ip1, &broker->self);
}

/* The store directory and config/ below it. */
static int make_directories(const struct broker *broker)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/config", broker->conf.store_path_root_dir);
    if (len >= (int)sizeof path - NAME_MAX)
        return ERR_TOO_BIG;
    int cause = dirs_make(path);
    if (cause == 0)
        return 0;
    log_error("directory_not_made path=%s errno=%s", path, err_errno_name(cause));
    return err_from_errno(cause);
}

static int64_t seconds_to_midnight(int64_t now_ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm local;
    localtime_r(&now, &local);
    return 86400 - (local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec);
}

/* The sum is more than most machines have: it tells what could be asked for, not what is. */
static void tell_bounds(const struct broker *broker)
{
    struct bound rows[BOUNDS_MAX];
    int count = broker_bounds(&broker->conf, rows);
    int64_t own = bounds_sum(rows, count, false);
    int64_t connection = bounds_sum(rows, count, true);
    log_info("memory_bounds broker_mib=%lld connection_mib=%lld connections=%d all_gib=%lld",
             (long long)(own >> 20), (long long)(connection >> 20), BOUND_CONNECTIONS,
             (long long)((own + BOUND_CONNECTIONS * connection) >> 30));
}

int broker_start(struct loop *loop, struct workers *workers, const struct broker_conf *conf,
                 struct broker **broker)
{
    int err = broker_conf_check(conf);
    if (err != 0)
        return err;
    struct broker *b = calloc(1, sizeof *b);
    if (b == NULL)
        return ERR_NO_MEMORY;
    b->loop = loop;
    b->workers = workers;
    b->started_ms = loop_now_ms(loop);
    traffic_init(&b->traffic, seconds_to_midnight(b->started_ms), loop_now_ns(loop));
    b->conf_version.timestamp = b->started_ms;
    conf_copy(&broker_conf_table, &b->conf, conf, sizeof b->conf);
    err = complete_conf(b);
    if (err == 0)
        err = make_directories(b);
    if (err == 0)
        err = parts_start(b);
    if (err != 0) {
        (void)parts_end(b); /* why it does not start says more */
        broker_free(b);
        return err;
    }
    tell_bounds(b);
    log_info("broker_started name=%s address=%s store=%s", b->conf.broker_name, b->address,
             b->conf.store_path_root_dir);
    *broker = b;
    return 0;
}

int broker_port(const struct broker *broker)
{
    return server_port(broker->server);
}

/* ---- stop ----------------------------------------------------------------------------------- */

static bool is_quiet(const struct broker *broker)
{
    return server_is_drained(broker->server) &&
           (broker->fast_server == NULL || server_is_drained(broker->fast_server)) &&
           registrar_is_idle(broker->registrar);
}

/* What a worker or the flusher may still come back to: it must be waited for. */
static bool has_work_out(const struct broker *broker)
{
    return !saver_is_idle(broker->saver) || !delays_are_idle(broker->delays) ||
           (broker->timers != NULL && !timers_are_idle(broker->timers)) ||
           !acks_are_idle(broker->acks) || registrar_has_work_out(broker->registrar) ||
           !txns_are_idle(broker->txns) || !pops_are_idle(broker->pops) ||
           broker->offloads_out > 0 || !tls_server_is_idle(broker->tls);
}

static void stop_poll(struct loop_timer *timer)
{
    struct broker *broker = (struct broker *)((char *)timer - offsetof(struct broker, stop_poll));
    bool is_late = loop_now_ns(broker->loop) > broker->stop_deadline_ns;
    if ((!is_quiet(broker) && !is_late) || has_work_out(broker)) {
        loop_timer_start(broker->loop, timer, STOP_POLL_MS);
        return;
    }
    if (is_late)
        log_warn("stop_was_cut connections=%d", server_peer_count(broker->server));
    txns_finish(broker->txns);
    light_queues_forget_past(broker);
    saver_finish(broker->saver);
    int err = parts_end(broker);
    log_info("broker_stopped name=%s", broker->conf.broker_name);
    broker->stopped(broker->stopped_ctx, err);
}

static void end_service(struct broker *broker)
{
    broker->is_stopping = true;
    server_stop_accepting(broker->server);
    if (broker->fast_server != NULL)
        server_stop_accepting(broker->fast_server);
    delays_stop(broker->delays);
    txns_stop(broker->txns);
    pops_stop(broker->pops);
    if (broker->timers != NULL)
        timers_stop(broker->timers);
    hold_release_all(broker->hold);
    pop_hold_release_all(broker->pop_hold);
    broker->stop_deadline_ns = loop_now_ns(broker->loop) + (int64_t)STOP_PATIENCE_MS * 1000000;
    loop_timer_init(&broker->stop_poll, stop_poll);
    loop_timer_start(broker->loop, &broker->stop_poll, 0);
}

static void leaving_is_over(struct loop_timer *timer)
{
    end_service(list_entry(timer, struct broker, stop_poll));
}

void broker_stop(struct broker *broker, void (*stopped)(void *ctx, int err), void *ctx)
{
    assert(!broker->is_stopping && !broker->is_leaving);
    broker->stopped = stopped;
    broker->stopped_ctx = ctx;
    registrar_stop(broker->registrar);
    if (!broker->conf.enable_shutdown_gracefully) {
        end_service(broker);
        return;
    }
    broker->is_leaving = true;
    log_info("broker_leaving seconds=%d", broker->conf.shutdown_wait_seconds);
    loop_timer_init(&broker->stop_poll, leaving_is_over);
    loop_timer_start(broker->loop, &broker->stop_poll,
                     (int64_t)broker->conf.shutdown_wait_seconds * 1000);
}

void broker_free(struct broker *broker)
{
    assert(broker->server == NULL && broker->store == NULL);
    parts_free(broker);
    buf_fini(&broker->pull_body);
    conf_fini(&broker_conf_table, &broker->conf);
    free(broker);
}
