/* requests.c - the one place where a request code meets its handler. */
#include "base/log.h"
#include "namesrv/internal.h"

struct request_row {
    int32_t code;
    const char *name;
    namesrv_handler *handler;
};

/* clang-format off */
static const struct request_row request_rows[] = {
    /* code                                   name                          handler */
    { REQ_GET_ROUTEINFO_BY_TOPIC,             "get_route",                  namesrv_get_route },
    { REQ_REGISTER_BROKER,                    "register_broker",            namesrv_register_broker },
    { REQ_UNREGISTER_BROKER,                  "unregister_broker",          namesrv_unregister_broker },
    { REQ_BROKER_HEARTBEAT,                   "broker_heartbeat",           namesrv_broker_heartbeat },
    { REQ_QUERY_DATA_VERSION,                 "query_data_version",         namesrv_query_data_version },
    { REQ_GET_BROKER_MEMBER_GROUP,            "get_broker_member_group",    namesrv_get_member_group },
    { REQ_GET_BROKER_CLUSTER_INFO,            "get_broker_cluster_info",    namesrv_get_cluster_info },
    { REQ_WIPE_WRITE_PERM_OF_BROKER,          "wipe_write_perm",            namesrv_wipe_write_perm },
    { REQ_ADD_WRITE_PERM_OF_BROKER,           "add_write_perm",             namesrv_add_write_perm },
    { REQ_GET_ALL_TOPIC_LIST_FROM_NAMESERVER, "get_all_topics",             namesrv_get_all_topics },
    { REQ_GET_TOPICS_BY_CLUSTER,              "get_topics_by_cluster",      namesrv_get_topics_by_cluster },
    { REQ_GET_SYSTEM_TOPIC_LIST_FROM_NS,      "get_system_topics",          namesrv_get_system_topics },
    { REQ_GET_UNIT_TOPIC_LIST,                "get_unit_topics",            namesrv_get_unit_topics },
    { REQ_GET_HAS_UNIT_SUB_TOPIC_LIST,        "get_unit_sub_topics",        namesrv_get_unit_sub_topics },
    { REQ_GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, "get_unit_sub_not_unit",      namesrv_get_unit_sub_not_unit_topics },
    { REQ_DELETE_TOPIC_IN_NAMESRV,            "delete_topic",               namesrv_delete_topic },
    { REQ_REGISTER_TOPIC_IN_NAMESRV,          "register_topic",             namesrv_register_topic },
    { REQ_PUT_KV_CONFIG,                      "put_kv",                     namesrv_put_kv },
    { REQ_GET_KV_CONFIG,                      "get_kv",                     namesrv_get_kv },
    { REQ_DELETE_KV_CONFIG,                   "delete_kv",                  namesrv_delete_kv },
    { REQ_GET_KVLIST_BY_NAMESPACE,            "list_kv",                    namesrv_list_kv },
    { REQ_UPDATE_NAMESRV_CONFIG,              "update_config",              namesrv_update_config },
    { REQ_GET_NAMESRV_CONFIG,                 "get_config",                 namesrv_get_config },
};
/* clang-format on */

void namesrv_dispatch(struct namesrv *ns, struct request *req)
{
    for (size_t i = 0; i < sizeof request_rows / sizeof request_rows[0]; i++) {
        const struct request_row *row = &request_rows[i];
        if (row->code != req->header.code)
            continue;
        log_debug("request name=%s peer=%s", row->name, peer_address(req->peer)->text);
        row->handler(ns, req);
        return;
    }
    reply_code(req, RESP_REQUEST_CODE_NOT_SUPPORTED, " request type %d not supported",
               req->header.code);
}
