/* parts.c - the order in which the parts of a broker begin and end. What they tell each other is in
 * events.c, what the store is opened with in open_store.c.
 */
#include "broker/parts.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/bounds.h"
#include "broker/events.h"
#include "broker/figures/evidence.h"
#include "broker/figures/put_times.h"
#include "broker/figures/stats.h"
#include "broker/groups/progress.h"
#include "broker/groups/queue_locks.h"
#include "broker/guard/guard.h"
#include "broker/later/delays.h"
#include "broker/later/timers.h"
#include "broker/later/txns.h"
#include "broker/pop/pops.h"
#include "broker/register.h"
#include "broker/saver.h"
#include "broker/send/acks.h"
#include "broker/send/light_queues.h"
#include "broker/topic_rules.h"
#include "client/client.h"

enum { FAST_PORT_BELOW = 2 }; /* the VIP port of the field: listenPort - 2 */

/* ---- made in this order ---------------------------------------------------------------------- */

static int open_tables(struct broker *broker)
{
    char path[PATH_MAX];
    broker->takes_light = broker->conf.enable_lmq && broker->conf.enable_multi_dispatch;
    saver_table_path(broker, TABLE_TOPICS, path, sizeof path);
    int err = topics_open(path, &broker->topics);
    if (err != 0)
        return err;
    saver_table_path(broker, TABLE_GROUPS, path, sizeof path);
    err = groups_open(path, &broker->groups);
    if (err != 0)
        return err;
    saver_table_path(broker, TABLE_REQUEST_MODES, path, sizeof path);
    err = request_modes_open(path, &broker->request_modes);
    if (err != 0)
        return err;
    saver_table_path(broker, TABLE_OFFSETS, path, sizeof path);
    err = broker->conf.enable_lmq ? light_queues_open_tables(broker, path)
                                  : offsets_open(path, &broker->offsets);
    if (err != 0)
        return err;
    saver_table_path(broker, TABLE_FILTERS, path, sizeof path);
    err = filters_open(path,
                       bloom_shape_of(broker->conf.max_error_rate_of_bloom_filter,
                                      broker->conf.expect_consumer_num_use_filter),
                       loop_now_ms(broker->loop), &broker->filters);
    return err != 0 ? err : progress_new(broker, &broker->progress);
}

/* Where pulls and pops are parked. */
static int make_holds(struct broker *broker)
{
    const struct hold_options hold = {
        .loop = broker->loop,
        .max_count = BOUND_PARKED_PULLS,
        .max_filter_bytes = BOUND_FILTER_BYTES,
        .serve = events_serve_pull,
        .drop = events_drop_pull,
        .ctx = broker,
    };
    const struct pop_hold_options pop_hold = {
        .loop = broker->loop,
        .max_count = &broker->conf.max_pop_polling_size,
        .max_count_per_queue = &broker->conf.pop_polling_size,
        .max_filter_bytes = BOUND_FILTER_BYTES,
        .serve = events_serve_pop,
        .drop = events_drop_pop,
        .ctx = broker,
    };
    int err = hold_new(&hold, &broker->hold);
    return err != 0 ? err : pop_hold_new(&pop_hold, &broker->pop_hold);
}

static int make_stats(struct broker *broker)
{
    int err = stats_new(slice_str(broker->conf.cluster_name), broker->conf.enable_detail_stat,
                        broker->loop, &broker->stats);
    if (err != 0)
        return err;
    if (broker->conf.enable_lmq && !broker->conf.enable_lmq_stats)
        stats_fold_light(broker->stats);
    broker->put_times = put_times_new(loop_now_ns(broker->loop));
    return 0;
}

/* What needs neither files nor sockets. */
static int make_parts(struct broker *broker)
{
    const struct clients_options clients = {
        .loop = broker->loop,
        .expire_ms = &broker->conf.channel_expired_timeout_ms,
        .max_bytes = BOUND_CLIENT_BYTES,
        .on_changed = events_group_changed,
        .on_gone = events_group_gone,
        .ctx = broker,
    };
    const struct evidence_options evidence = {
        .loop = broker->loop,
        .workers = broker->workers,
        .threshold_us = &broker->conf.slow_request_threshold_us,
        .work_out = &broker->offloads_out,
        .on_pass = events_pass_over,
        .on_put = events_put,
        .on_detail = events_detail_wanted,
        .ctx = broker,
    };
    int err = make_holds(broker);
    if (err == 0)
        err = clients_new(&clients, &broker->clients);
    if (err == 0)
        err = make_stats(broker);
    if (err == 0)
        err = queue_locks_new(&broker->queue_locks);
    if (err == 0)
        err = saver_new(broker, &broker->saver);
    if (err == 0)
        err = acks_new(broker, &broker->acks);
    if (err == 0)
        err = guard_new(broker, &broker->guard);
    return err != 0 ? err : evidence_new(&evidence, &broker->evidence);
}

/* What puts messages again when their time has come; it goes by what the store recovered. */
static int open_later(struct broker *broker)
{
    char path[PATH_MAX];
    light_queues_start(broker);
    broker_config_path(broker, "delayOffset.json", path, sizeof path);
    int err = delays_open(broker, path, &broker->delays);
    if (err == 0 && broker->conf.timer_wheel_enable)
        err = timers_open(broker, &broker->timers);
    return err != 0 ? err : pops_open(broker, &broker->pops);
}

static int open_server(struct broker *broker, int port,
                       void (*on_request)(void *ctx, struct request *req), struct server **server)
{
    struct server_options options;
    server_options_init(&options);
    options.host = broker->conf.bind_address;
    options.port = port;
    options.max_conns = BOUND_CONNECTIONS;
    options.idle_ms = (int64_t)broker->conf.server_channel_max_idle_seconds * 1000;
    options.pending_max = BOUND_REQUESTS_PER_CONNECTION;
    options.receive_buffer_bytes = broker->conf.server_socket_rcv_buf_size;
    options.tls = broker->tls;
    options.on_request = on_request;
    options.on_peer_closed = events_peer_closed;
    options.ctx = broker;
    return server_start(broker->loop, &options, server);
}

/* Clients that know no fast port do without, so a broker does too when the port is taken. */
static void open_fast_port(struct broker *broker)
{
    int port = broker->conf.listen_port - FAST_PORT_BELOW;
    if (port > 0 && open_server(broker, port, events_fast_request_came, &broker->fast_server) != 0)
        log_warn("fast_port_not_open port=%d", port);
}

static int open_ports(struct broker *broker)
{
    int err = tls_server_new(broker->loop, &broker->conf.tls, &broker->tls);
    if (err != 0)
        return err;
    err = open_server(broker, broker->conf.listen_port, events_request_came, &broker->server);
    if (err != 0)
        return err;
    open_fast_port(broker);
    broker->self.port = server_port(broker->server);
    snprintf(broker->address, sizeof broker->address, broker->self.is_v6 ? "[%s]:%d" : "%s:%d",
             broker->conf.broker_ip1, broker->self.port);
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = (uint32_t)loop_now_ns(broker->loop);
    uniq_key_init(&broker->uniq_keys, &broker->self, (uint32_t)getpid(), random);
    return 0;
}

static int tell_name_servers(struct broker *broker)
{
    struct client_options options;
    client_options_init(&options);
    options.workers = broker->workers;
    int err = tls_client_new(&broker->conf.tls, &broker->client_tls);
    if (err != 0)
        return err;
    options.tls = broker->client_tls;
    err = client_new(broker->loop, &options, &broker->client);
    struct slice list = slice_str(broker->conf.namesrv_addr), first;
    if (err == 0 && name_servers_next(&list, &first))
        err = routes_new(broker->loop, broker->client, broker->conf.namesrv_addr, &broker->routes);
    return err != 0 ? err : registrar_start(broker, &broker->registrar);
}

int parts_start(struct broker *broker)
{
    int err = open_tables(broker);
    if (err == 0)
        err = make_parts(broker);
    if (err == 0)
        err = parts_open_store(broker);
    if (err == 0)
        err = open_later(broker);
    if (err != 0)
        return err;
    broker_make_system_topics(broker);
    err = open_ports(broker);
    if (err == 0)
        err = txns_open(broker, &broker->txns); /* its records name the port */
    return err != 0 ? err : tell_name_servers(broker);
}

/* ---- ended in the reverse order -------------------------------------------------------------- */

/* The client first: it ends the calls under way, and who made them is told. */
static void leave_name_servers(struct broker *broker)
{
    if (broker->client != NULL)
        client_free(broker->client);
    registrar_free(broker->registrar);
    if (broker->routes != NULL)
        routes_free(broker->routes);
    tls_client_free(broker->client_tls);
    broker->client = NULL;
    broker->registrar = NULL;
    broker->routes = NULL;
    broker->client_tls = NULL;
}

static void close_txns(struct broker *broker)
{
    if (broker->txns != NULL) {
        txns_stop(broker->txns);
        txns_close(broker->txns);
    }
    broker->txns = NULL;
}

/* Connections that are still open are closed, and let go of what they had parked. */
static void close_ports(struct broker *broker)
{
    if (broker->fast_server != NULL)
        server_free(broker->fast_server);
    if (broker->server != NULL)
        server_free(broker->server);
    tls_server_free(broker->tls);
    broker->fast_server = NULL;
    broker->server = NULL;
    broker->tls = NULL;
}

/* They save how far they have come: the store is there for it. */
static void close_later(struct broker *broker)
{
    if (broker->pops != NULL) {
        pops_stop(broker->pops);
        pops_close(broker->pops);
    }
    if (broker->timers != NULL) {
        timers_stop(broker->timers);
        timers_close(broker->timers);
    }
    if (broker->delays != NULL) {
        delays_stop(broker->delays);
        delays_close(broker->delays);
    }
    broker->pops = NULL;
    broker->timers = NULL;
    broker->delays = NULL;
}

int parts_end(struct broker *broker)
{
    leave_name_servers(broker);
    close_txns(broker);
    close_ports(broker);
    close_later(broker);
    int err = broker->store == NULL ? 0 : store_close(broker->store);
    broker->store = NULL;
    return err;
}

void parts_free(struct broker *broker)
{
    assert(broker->server == NULL && broker->store == NULL);
    evidence_free(broker->evidence);
    guard_free(broker->guard);
    acks_free(broker->acks);
    saver_free(broker->saver);
    queue_locks_free(broker->queue_locks);
    clients_free(broker->clients);
    hold_free(broker->hold);
    pop_hold_free(broker->pop_hold);
    request_modes_free(broker->request_modes);
    progress_free(broker->progress);
    filters_free(broker->filters);
    stats_free(broker->stats);
    free(broker->put_times);
    offsets_free(broker->offsets);
    groups_free(broker->groups);
    topics_free(broker->topics);
}
