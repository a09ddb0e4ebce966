/* handle_route.c - what clients and tools ask: routes, the cluster, lists of topics. */
#include "namesrv/internal.h"
#include "wire/names.h"

/* Peers from 4.9.4 on read standard JSON; older ones may need integer keys bare. */
enum { STANDARD_JSON_SINCE = 401 };

static bool is_waiting_for_brokers(const struct namesrv *ns)
{
    return ns->conf.need_wait_for_service && !ns->has_served &&
           namesrv_now_ms(ns) - ns->started_ms < ns->conf.wait_seconds_for_service * 1000LL;
}

void namesrv_get_route(struct namesrv *ns, struct request *req)
{
    struct route_request asked;
    struct route_data route;
    if (request_fields(req, &route_request_fields, &asked) != 0)
        return;
    if (is_waiting_for_brokers(ns)) {
        reply_code(req, RESP_SYSTEM_ERROR, "name server not ready");
        return;
    }
    struct slice zone_name = asked.zone_mode ? asked.zone_name : (struct slice){ NULL, 0 };
    if (!route_table_route(&ns->routes, asked.topic, zone_name, &req->arena, &route)) {
        reply_code(req, RESP_TOPIC_NOT_EXIST,
                   "No topic route info in name server for the topic: %.*s",
                   SLICE_FMT(asked.topic));
        return;
    }
    ns->has_served = true;
    if (ns->conf.order_message_enable)
        route.order_topic_conf = kv_get(&ns->kv, SLICE(KV_NAMESPACE_ORDER_TOPIC), asked.topic);
    bool is_standard =
        asked.accept_standard_json_only || req->header.version >= STANDARD_JSON_SINCE;
    struct buf body = BUF_INIT;
    route_data_encode(&route, is_standard ? JSON_STANDARD : JSON_DIALECT, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

void namesrv_get_cluster_info(struct namesrv *ns, struct request *req)
{
    struct cluster_info info;
    struct buf body = BUF_INIT;
    route_table_cluster_info(&ns->routes, &req->arena, &info);
    cluster_info_encode(&info, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

/* ---- topic lists ------------------------------------------------------------------------- */

static void reply_topic_list(struct request *req, const struct topic_list *list)
{
    struct buf body = BUF_INIT;
    topic_list_encode(list, &body);
    reply_body(req, buf_slice(&body));
    buf_fini(&body);
}

static void reply_topics(struct namesrv *ns, struct request *req, bool is_enabled,
                         enum topic_choice choice, struct slice cluster)
{
    struct topic_list list;
    if (!is_enabled) {
        reply_code(req, RESP_SYSTEM_ERROR, "disable");
        return;
    }
    route_table_topics(&ns->routes, choice, cluster, &req->arena, &list);
    reply_topic_list(req, &list);
}

void namesrv_get_all_topics(struct namesrv *ns, struct request *req)
{
    reply_topics(ns, req, ns->conf.enable_all_topic_list, TOPICS_ALL, (struct slice){ NULL, 0 });
}

void namesrv_get_topics_by_cluster(struct namesrv *ns, struct request *req)
{
    struct topics_by_cluster_request asked;
    if (request_fields(req, &topics_by_cluster_request_fields, &asked) == 0)
        reply_topics(ns, req, ns->conf.enable_topic_list, TOPICS_OF_CLUSTER, asked.cluster);
}

void namesrv_get_unit_topics(struct namesrv *ns, struct request *req)
{
    reply_topics(ns, req, ns->conf.enable_topic_list, TOPICS_UNIT, (struct slice){ NULL, 0 });
}

void namesrv_get_unit_sub_topics(struct namesrv *ns, struct request *req)
{
    reply_topics(ns, req, ns->conf.enable_topic_list, TOPICS_UNIT_SUB, (struct slice){ NULL, 0 });
}

void namesrv_get_unit_sub_not_unit_topics(struct namesrv *ns, struct request *req)
{
    reply_topics(ns, req, ns->conf.enable_topic_list, TOPICS_UNIT_SUB_NOT_UNIT,
                 (struct slice){ NULL, 0 });
}

void namesrv_get_system_topics(struct namesrv *ns, struct request *req)
{
    struct topic_list list;
    route_table_system_topics(&ns->routes, &req->arena, &list);
    reply_topic_list(req, &list);
}

/* ---- single topics ----------------------------------------------------------------------- */

void namesrv_delete_topic(struct namesrv *ns, struct request *req)
{
    struct namesrv_topic_request asked;
    if (request_fields(req, &namesrv_topic_request_fields, &asked) != 0)
        return;
    route_table_delete_topic(&ns->routes, asked.topic, asked.cluster_name);
    reply_code(req, RESP_SUCCESS, NULL);
}

void namesrv_register_topic(struct namesrv *ns, struct request *req)
{
    struct namesrv_topic_request asked;
    struct route_data route = { 0 };
    if (request_fields(req, &namesrv_topic_request_fields, &asked) != 0)
        return;
    if (req->body.len > 0 && route_data_decode(req->body, &req->arena, &route) != 0) {
        reply_code(req, RESP_SYSTEM_ERROR, "the body is no route");
        return;
    }
    const char *why = route_table_add_topic(&ns->routes, asked.topic, &route);
    if (why != NULL)
        reply_code(req, RESP_SYSTEM_ERROR, "%s", why);
    else
        reply_code(req, RESP_SUCCESS, NULL);
}
