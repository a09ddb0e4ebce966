/* requests.c - the one place where a request code meets its handler. */
#include "namesrv/internal.h"

struct request_row {
    int32_t code;
    namesrv_handler *handle;
};

static const struct request_row request_rows[] = {
    { REQ_GET_ROUTEINFO_BY_TOPIC, namesrv_get_route },
    { REQ_REGISTER_BROKER, namesrv_register_broker },
    { REQ_UNREGISTER_BROKER, namesrv_unregister_broker },
    { REQ_BROKER_HEARTBEAT, namesrv_broker_heartbeat },
    { REQ_QUERY_DATA_VERSION, namesrv_query_data_version },
    { REQ_GET_BROKER_MEMBER_GROUP, namesrv_get_member_group },
    { REQ_GET_BROKER_CLUSTER_INFO, namesrv_get_cluster_info },
    { REQ_WIPE_WRITE_PERM_OF_BROKER, namesrv_wipe_write_perm },
    { REQ_ADD_WRITE_PERM_OF_BROKER, namesrv_add_write_perm },
    { REQ_GET_ALL_TOPIC_LIST_FROM_NAMESERVER, namesrv_get_all_topics },
    { REQ_GET_TOPICS_BY_CLUSTER, namesrv_get_topics_by_cluster },
    { REQ_GET_SYSTEM_TOPIC_LIST_FROM_NS, namesrv_get_system_topics },
    { REQ_GET_UNIT_TOPIC_LIST, namesrv_get_unit_topics },
    { REQ_GET_HAS_UNIT_SUB_TOPIC_LIST, namesrv_get_unit_sub_topics },
    { REQ_GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, namesrv_get_unit_sub_not_unit_topics },
    { REQ_DELETE_TOPIC_IN_NAMESRV, namesrv_delete_topic },
    { REQ_REGISTER_TOPIC_IN_NAMESRV, namesrv_register_topic },
    { REQ_PUT_KV_CONFIG, namesrv_put_kv },
    { REQ_GET_KV_CONFIG, namesrv_get_kv },
    { REQ_DELETE_KV_CONFIG, namesrv_delete_kv },
    { REQ_GET_KVLIST_BY_NAMESPACE, namesrv_list_kv },
    { REQ_UPDATE_NAMESRV_CONFIG, namesrv_update_config },
    { REQ_GET_NAMESRV_CONFIG, namesrv_get_config },
};

void namesrv_dispatch(struct namesrv *ns, struct request *req)
{
    for (size_t i = 0; i < sizeof request_rows / sizeof request_rows[0]; i++) {
        const struct request_row *row = &request_rows[i];
        if (row->code == req->header.code) {
            row->handle(ns, req);
            return;
        }
    }
    reply_code(req, RESP_REQUEST_CODE_NOT_SUPPORTED, " request type %d not supported",
               req->header.code);
}
