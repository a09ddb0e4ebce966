/* namesrv.c - the name server's life: start, connections, the one timer, end. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "namesrv/internal.h"

/* ---- brokers that fall silent ------------------------------------------------------------ */

static struct namesrv *by_expiry_timer(struct loop_timer *timer)
{
    return (struct namesrv *)((char *)timer - offsetof(struct namesrv, expiry_timer));
}

/* No sooner than the scan interval allows, and not at all when there are no brokers. */
void namesrv_plan_expiry(struct namesrv *ns)
{
    int64_t due_ms = route_table_next_expiry_ms(&ns->routes);
    if (due_ms < 0) {
        loop_timer_stop(&ns->expiry_timer);
        return;
    }
    int64_t least_ms = ns->expiry_looked_ms + ns->conf.scan_not_active_broker_interval_ms;
    if (due_ms < least_ms)
        due_ms = least_ms;
    loop_timer_start(ns->loop, &ns->expiry_timer, due_ms - namesrv_now_ms(ns));
}

static void close_silent(void *ctx, const void *conn)
{
    (void)ctx;
    peer_close((struct peer *)(uintptr_t)conn, "broker_silent");
}

static void look_for_silent(struct loop_timer *timer)
{
    struct namesrv *ns = by_expiry_timer(timer);
    ns->expiry_looked_ms = namesrv_now_ms(ns);
    route_table_expire(&ns->routes, ns->expiry_looked_ms, close_silent, ns);
    namesrv_plan_expiry(ns);
}

/* ---- telling brokers --------------------------------------------------------------------- */

static void tell_min_id(void *ctx, const struct min_id_change *change)
{
    struct namesrv *ns = ctx;
    char id[24];
    struct ext_field ext[5];
    int count = 0;
    int id_len = snprintf(id, sizeof id, "%lld", (long long)change->min_broker_id);
    ext[count++] = (struct ext_field){ SLICE("minBrokerId"), slice_of(id, (size_t)id_len) };
    ext[count++] = (struct ext_field){ SLICE("brokerName"), change->broker_name };
    ext[count++] = (struct ext_field){ SLICE("minBrokerAddr"), change->min_broker_addr };
    if (change->offline_broker_addr.data != NULL)
        ext[count++] =
            (struct ext_field){ SLICE("offlineBrokerAddr"), change->offline_broker_addr };
    if (change->ha_broker_addr.data != NULL)
        ext[count++] = (struct ext_field){ SLICE("haBrokerAddr"), change->ha_broker_addr };
    struct call call = { .code = REQ_NOTIFY_MIN_BROKER_ID_CHANGE, .ext = ext, .ext_count = count };
    for (int i = 0; i < change->notify_count; i++) {
        char address[ROUTE_NAME_MAX + 1];
        snprintf(address, sizeof address, "%.*s", SLICE_FMT(change->notify[i]));
        client_tell(ns->client, address, &call);
    }
}

/* ---- connections ------------------------------------------------------------------------- */

static void on_request(void *ctx, struct request *req)
{
    namesrv_dispatch(ctx, req);
}

static void on_peer_closed(void *ctx, struct peer *peer)
{
    struct namesrv *ns = ctx;
    if (peer_user(peer) == NULL)
        return;
    route_table_conn_closed(&ns->routes, peer);
    namesrv_plan_expiry(ns);
}

/* ---- start and end ----------------------------------------------------------------------- */

static bool accept_kv(void *ctx, struct slice text)
{
    struct namesrv *ns = ctx;
    return kv_take_text(&ns->kv, text);
}

static int open_parts(struct namesrv *ns)
{
    struct client_options client;
    struct server_options server;
    int err = table_file_read(ns->conf.kv_config_path, accept_kv, ns);
    if (err != 0 && err != ERR_NOT_FOUND)
        return err;
    err = tls_client_new(&ns->conf.tls, &ns->client_tls);
    if (err == 0)
        err = tls_server_new(ns->loop, &ns->conf.tls, &ns->tls);
    if (err != 0)
        return err;
    client_options_init(&client);
    client.workers = ns->workers;
    client.tls = ns->client_tls;
    err = client_new(ns->loop, &client, &ns->client);
    if (err != 0)
        return err;
    server_options_init(&server);
    server.host = ns->conf.bind_address;
    server.port = ns->conf.listen_port;
    server.idle_ms = ns->conf.server_channel_max_idle_seconds * 1000LL;
    server.tls = ns->tls;
    server.on_request = on_request;
    server.on_peer_closed = on_peer_closed;
    server.ctx = ns;
    return server_start(ns->loop, &server, &ns->server);
}

int namesrv_start(struct loop *loop, const struct namesrv_options *options,
                  struct namesrv **started)
{
    struct namesrv *ns = calloc(1, sizeof *ns);
    if (ns == NULL)
        return ERR_NO_MEMORY;
    ns->loop = loop;
    ns->workers = options->workers;
    conf_copy(&namesrv_conf_table, &ns->conf, options->conf, sizeof ns->conf);
    conf_expand_home(&ns->conf.kv_config_path);
    conf_expand_home(&ns->conf.config_store_path);
    route_table_init(&ns->routes, &ns->conf, tell_min_id, ns);
    kv_init(&ns->kv);
    kv_saver_init(&ns->kv_saver);
    conf_saver_init(&ns->conf_saver);
    loop_timer_init(&ns->expiry_timer, look_for_silent);
    ns->started_ms = namesrv_now_ms(ns);
    ns->expiry_looked_ms = ns->started_ms;
    int err = open_parts(ns);
    if (err != 0) {
        namesrv_free(ns);
        return err;
    }
    log_info("namesrv_started address=%s port=%d", ns->conf.bind_address, namesrv_port(ns));
    *started = ns;
    return 0;
}

int namesrv_port(const struct namesrv *ns)
{
    return server_port(ns->server);
}

void namesrv_stop_accepting(struct namesrv *ns)
{
    server_stop_accepting(ns->server);
}

bool namesrv_has_work_out(const struct namesrv *ns)
{
    return ns->kv_saver.is_writing || ns->conf_saver.req != NULL || ns->decodes_out > 0 ||
           !tls_server_is_idle(ns->tls);
}

bool namesrv_has_broker(const struct namesrv *ns)
{
    return route_table_next_expiry_ms(&ns->routes) >= 0;
}

bool namesrv_is_drained(const struct namesrv *ns)
{
    return !namesrv_has_work_out(ns) && server_is_drained(ns->server);
}

void namesrv_free(struct namesrv *ns)
{
    if (ns == NULL)
        return;
    kv_saver_fini(&ns->kv_saver);
    conf_saver_fini(&ns->conf_saver);
    if (ns->server != NULL)
        server_free(ns->server);
    if (ns->client != NULL)
        client_free(ns->client);
    tls_client_free(ns->client_tls);
    tls_server_free(ns->tls);
    loop_timer_stop(&ns->expiry_timer);
    route_table_fini(&ns->routes);
    kv_fini(&ns->kv);
    namesrv_conf_fini(&ns->conf);
    free(ns);
}
