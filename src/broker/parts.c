/* parts.c - see parts.h. The order in which they start is that of parts_start(). */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "broker/parts.h"
#include "base/log.h"
#include "broker/bounds.h"
#include "broker/figures/evidence.h"
#include "broker/figures/put_times.h"
#include "broker/figures/stats.h"
#include "broker/groups/clients.h"
#include "broker/groups/progress.h"
#include "broker/groups/queue_locks.h"
#include "broker/guard/guard.h"
#include "broker/later/delays.h"
#include "broker/later/timers.h"
#include "broker/later/txns.h"
#include "broker/pop/pop_hold.h"
#include "broker/pop/pops.h"
#include "broker/pull/hold.h"
#include "broker/register.h"
#include "broker/requests.h"
#include "broker/saver.h"
#include "broker/send/acks.h"
#include "broker/send/light_queues.h"
#include "broker/topic_attributes.h"
#include "broker/topic_rules.h"
#include "client/client.h"
#include "wire/multi_dispatch.h"

enum { FAST_PORT_BELOW = 2 };       /* the VIP port of the field: listenPort - 2 */
enum { GO_AWAY_KNOWN_ABOVE = 475 }; /* version 5.3.1 */
enum { PATH_BYTES = 4096, HOUR_MS = 3600 * 1000 };

/* ---- what the parts tell each other ---------------------------------------------------------- */

static void message_arrived(void *ctx, const struct store_arrival *arrival)
{
    struct broker *broker = ctx;
    assert(loop_is_current(broker->loop));
    int64_t now_ns = loop_now_ns(broker->loop);
    if (arrival->queue_offset == 0 && name_is_light(arrival->topic) &&
        light_queues_forget_past(broker))
        saver_soon(broker->saver, TABLE_OFFSETS);
    if (!arrival->is_light) { /* it is counted with its own queue */
        traffic_count(&broker->traffic, TRAFFIC_PUT, 1, now_ns);
        stats_put(broker->stats, arrival->topic, arrival->queue_id, arrival->bytes, now_ns);
    }
    hold_arrived(broker->hold, arrival->topic, arrival->queue_id, arrival->queue_offset,
                 arrival->tags_code, arrival->properties);
    pop_hold_arrived(broker->pop_hold, arrival->topic, arrival->queue_id, arrival->tags_code,
                     arrival->properties);
    if (broker->pops != NULL)
        pops_arrived(broker->pops, arrival->topic, arrival->queue_id, arrival->queue_offset);
    if (broker->delays != NULL && slice_eq(arrival->topic, SLICE(TOPIC_SCHEDULE)))
        delays_arrived(broker->delays, arrival->queue_id);
    if (broker->timers != NULL && slice_eq(arrival->topic, SLICE(TOPIC_TIMER)))
        timers_arrived(broker->timers, arrival->properties);
}

static void log_flushed(void *ctx)
{
    acks_flushed(((struct broker *)ctx)->acks);
}

/* A broker that is about to stop sends clients away that know what that means; others are served as
 * long as it runs. True: the request was answered. */
static bool turn_away(const struct broker *broker, struct request *req)
{
    if (!broker->is_leaving || req->header.version <= GO_AWAY_KNOWN_ABOVE)
        return false;
    reply_code(req, RESP_GO_AWAY, "please go away");
    return true;
}

static void pass_over(void *ctx, int64_t delay_ns)
{
    guard_pass_over(((struct broker *)ctx)->guard, delay_ns);
}

static void request_came(void *ctx, struct request *req)
{
    evidence_begin(((struct broker *)ctx)->evidence, req);
    if (!turn_away(ctx, req))
        request_dispatch(ctx, req);
}

static void fast_request_came(void *ctx, struct request *req)
{
    evidence_begin(((struct broker *)ctx)->evidence, req);
    if (!turn_away(ctx, req))
        request_dispatch_fast(ctx, req);
}

static void peer_closed(void *ctx, struct peer *peer)
{
    session_end(ctx, peer);
}

static void serve_held(void *ctx, struct held_request *held)
{
    (void)ctx;
    pull_resume(held);
}

static void drop_held(void *ctx, struct held_request *held)
{
    (void)ctx;
    request_drop(held->req);
}

static void serve_held_pop(void *ctx, struct held_pop *held)
{
    (void)ctx;
    if (held->kind == HELD_POP)
        pop_resume(held);
    else
        notification_resume(held);
}

static void drop_held_pop(void *ctx, struct held_pop *held)
{
    (void)ctx;
    request_drop(held->req);
}

/* NOTIFY_CONSUMER_IDS_CHANGED to each member; it is one-way, clients also look by themselves. */
static void group_changed(void *ctx, struct client_group *group)
{
    struct broker *broker = ctx;
    if (!broker->conf.notify_consumer_ids_changed_enable || broker->is_stopping)
        return;
    struct ext_field ext = { SLICE("consumerGroup"), group->name };
    struct call call = { .code = REQ_NOTIFY_CONSUMER_IDS_CHANGED, .ext = &ext, .ext_count = 1 };
    list_each(link, &group->members)
        peer_tell(list_entry(link, struct client_member, group_link)->peer, &call);
}

/* A stop ends no filter: at the next start every group counts as gone anyway. */
static void group_gone(void *ctx, struct slice group)
{
    struct broker *broker = ctx;
    if (broker->is_stopping)
        return;
    filters_unregister(broker->filters, group, loop_now_ms(broker->loop));
    if (filters_changed(broker->filters))
        saver_changed(broker->saver, TABLE_FILTERS);
}

/* ---- making them ----------------------------------------------------------------------------- */

static int open_tables(struct broker *broker)
{
    char path[PATH_BYTES];
    broker->takes_light = broker->conf.enable_lmq && broker->conf.enable_multi_dispatch;
    broker_config_path(broker, "topics.json", path, sizeof path);
    int err = topics_open(path, &broker->topics);
    if (err != 0)
        return err;
    broker_config_path(broker, "subscriptionGroup.json", path, sizeof path);
    err = groups_open(path, &broker->groups);
    if (err != 0)
        return err;
    broker_config_path(broker, "messageRequestMode.json", path, sizeof path);
    err = request_modes_open(path, &broker->request_modes);
    if (err != 0)
        return err;
    broker_config_path(broker, "consumerOffset.json", path, sizeof path);
    err = broker->conf.enable_lmq ? light_queues_open_tables(broker, path)
                                  : offsets_open(path, &broker->offsets);
    if (err != 0)
        return err;
    broker_config_path(broker, "consumerFilter.json", path, sizeof path);
    err = filters_open(path,
                       bloom_shape_of(broker->conf.max_error_rate_of_bloom_filter,
                                      broker->conf.expect_consumer_num_use_filter),
                       loop_now_ms(broker->loop), &broker->filters);
    return err != 0 ? err : progress_new(broker, &broker->progress);
}

static bool next_batch_topic(void *ctx, size_t *cursor, struct slice *topic)
{
    const struct broker *broker = ctx;
    const struct topic_config *config;
    while (topics_next(broker->topics, cursor, &config)) {
        *topic = config->name;
        if (topic_has_batch_queues(config))
            return true;
    }
    return false;
}

static bool next_compaction_topic(void *ctx, size_t *cursor, struct slice *topic)
{
    const struct broker *broker = ctx;
    const struct topic_config *config;
    while (topics_next(broker->topics, cursor, &config)) {
        *topic = config->name;
        if (topic_is_compacted(config))
            return true;
    }
    return false;
}

static int open_store(struct broker *broker)
{
    const struct broker_conf *conf = &broker->conf;
    struct store_options options;
    store_options_init(&options);
    options.root_dir = conf->store_path_root_dir;
    if (conf->store_path_commit_log[0] != '\0')
        options.commit_log_dir = conf->store_path_commit_log;
    options.commit_log_file_bytes = conf->commit_log_file_bytes;
    options.consume_queue_file_bytes = conf->consume_queue_file_bytes;
    options.index_slot_count = conf->max_hash_slot_num;
    options.index_entry_count = conf->max_index_num;
    options.append_record_crc = conf->enabled_append_prop_crc;
    options.verify_reads = conf->verify_records_on_read;
    options.scrub_bytes_per_second = conf->scrub_bytes_per_second;
    options.takeover_scan_bytes = conf->takeover_scan_bytes;
    options.index_enable = conf->message_index_enable;
    options.sync_flush = strcmp(conf->flush_disk_type, "SYNC_FLUSH") == 0;
    options.flush_interval_ms = conf->flush_interval_commit_log_ms;
    options.queue_flush_interval_ms = conf->flush_interval_consume_queue_ms;
    options.clean_interval_ms = conf->clean_resource_interval_ms;
    options.file_reserved_ms = (int64_t)conf->file_reserved_hours * HOUR_MS;
    options.delete_when = conf->delete_when;
    options.disk_max_used_percent = conf->disk_max_used_space_ratio;
    options.disk_clean_forcibly_percent = conf->disk_space_clean_forcibly_ratio;
    options.disk_warning_percent = conf->disk_space_warning_level_ratio;
    options.clean_forcibly_enable = conf->clean_file_forcibly_enable;
    options.max_message_bytes = conf->max_message_bytes;
    options.message_delay_level = conf->message_delay_level;
    options.batch_queue_file_bytes = conf->batch_queue_file_bytes;
    options.next_batch_topic = next_batch_topic;
    options.next_compaction_topic = next_compaction_topic;
    options.compaction_enable = conf->enable_compaction;
    options.compaction_log_file_bytes = conf->compaction_log_file_bytes;
    options.compaction_queue_file_bytes = conf->compaction_queue_file_bytes;
    options.compaction_interval_ms = conf->compaction_interval_ms;
    options.compaction_keys_bytes = conf->compaction_keys_bytes;
    options.light_queues_enable = broker->takes_light;
    options.light_queues_most = conf->max_lmq_consume_queue_num;
    options.on_arrival = message_arrived;
    options.on_flushed = log_flushed;
    options.ctx = broker;
    int err = store_open(&options, &broker->store);
    if (err != 0)
        return err;
    if (options.sync_flush)
        err = loop_add_deputy(broker->loop);
    if (err != 0)
        return err;
    store_set_read_ahead(broker->store, conf->data_read_ahead_enable);
    broker->start_phy_offset = store_max_phy_offset(broker->store);
    return 0;
}

/* Where pulls and pops are parked. */
static int make_holds(struct broker *broker)
{
    const struct hold_options hold = {
        .loop = broker->loop,
        .max_count = BOUND_PARKED_PULLS,
        .max_filter_bytes = BOUND_FILTER_BYTES,
        .serve = serve_held,
        .drop = drop_held,
        .ctx = broker,
    };
    const struct pop_hold_options pop_hold = {
        .loop = broker->loop,
        .max_count = &broker->conf.max_pop_polling_size,
        .max_count_per_queue = &broker->conf.pop_polling_size,
        .max_filter_bytes = BOUND_FILTER_BYTES,
        .serve = serve_held_pop,
        .drop = drop_held_pop,
        .ctx = broker,
    };
    int err = hold_new(&hold, &broker->hold);
    return err != 0 ? err : pop_hold_new(&pop_hold, &broker->pop_hold);
}

static int make_stats(struct broker *broker)
{
    int err = stats_new(slice_str(broker->conf.cluster_name), broker->conf.enable_detail_stat,
                        &broker->stats);
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
        .on_changed = group_changed,
        .on_gone = group_gone,
        .ctx = broker,
    };
    const struct evidence_options evidence = {
        .loop = broker->loop,
        .workers = broker->workers,
        .threshold_us = &broker->conf.slow_request_threshold_us,
        .work_out = &broker->offloads_out,
        .on_pass = pass_over,
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
    options.on_peer_closed = peer_closed;
    options.ctx = broker;
    return server_start(broker->loop, &options, server);
}

/* Clients that know no fast port do without, so a broker does too when the port is taken. */
static void open_fast_port(struct broker *broker)
{
    int port = broker->conf.listen_port - FAST_PORT_BELOW;
    if (port > 0 && open_server(broker, port, fast_request_came, &broker->fast_server) != 0)
        log_warn("fast_port_not_open port=%d", port);
}

static int open_ports(struct broker *broker)
{
    int err = tls_server_new(broker->loop, &broker->conf.tls, &broker->tls);
    if (err != 0)
        return err;
    err = open_server(broker, broker->conf.listen_port, request_came, &broker->server);
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
    if (err == 0 && broker->conf.namesrv_addr[0] != '\0')
        err = routes_new(broker->loop, broker->client, broker->conf.namesrv_addr, &broker->routes);
    return err != 0 ? err : registrar_start(broker, &broker->registrar);
}

int parts_start(struct broker *broker)
{
    char path[PATH_BYTES];
    int err = open_tables(broker);
    if (err == 0)
        err = make_parts(broker);
    if (err == 0)
        err = open_store(broker);
    if (err != 0)
        return err;
    light_queues_start(broker);
    broker_config_path(broker, "delayOffset.json", path, sizeof path);
    err = delays_open(broker, path, &broker->delays);
    if (err == 0 && broker->conf.timer_wheel_enable)
        err = timers_open(broker, &broker->timers);
    if (err != 0)
        return err;
    err = pops_open(broker, &broker->pops);
    if (err != 0)
        return err;
    broker_make_system_topics(broker);
    err = open_ports(broker);
    if (err == 0)
        err = txns_open(broker, &broker->txns);
    return err != 0 ? err : tell_name_servers(broker);
}

void parts_end(struct broker *broker)
{
    if (broker->client != NULL)
        client_free(broker->client);
    registrar_free(broker->registrar);
    if (broker->routes != NULL)
        routes_free(broker->routes);
    if (broker->fast_server != NULL)
        server_free(broker->fast_server);
    if (broker->server != NULL)
        server_free(broker->server);
    if (broker->delays != NULL) {
        delays_stop(broker->delays);
        delays_close(broker->delays);
    }
    if (broker->txns != NULL) {
        txns_stop(broker->txns);
        txns_close(broker->txns);
    }
    if (broker->pops != NULL) {
        pops_stop(broker->pops);
        pops_close(broker->pops);
    }
    if (broker->timers != NULL) {
        timers_stop(broker->timers);
        timers_close(broker->timers);
    }
    if (broker->store != NULL)
        store_close(broker->store);
    tls_client_free(broker->client_tls);
    tls_server_free(broker->tls);
    broker->client_tls = NULL;
    broker->tls = NULL;
    broker->client = NULL;
    broker->registrar = NULL;
    broker->routes = NULL;
    broker->pops = NULL;
    broker->fast_server = NULL;
    broker->server = NULL;
    broker->delays = NULL;
    broker->txns = NULL;
    broker->timers = NULL;
    broker->store = NULL;
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
