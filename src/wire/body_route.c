#include "wire/body_route.h"

/* ---- reading -------------------------------------------------------------------------------- */

static const struct broker_addr *addrs_from_json(json_t *object, struct arena *arena, int *count)
{
    struct broker_addr *addrs = json_alloc_elements(object, sizeof *addrs, arena);
    const char *key;
    json_t *value;
    *count = 0;
    json_object_foreach(object, key, value) {
        int64_t broker_id;
        if (slice_to_i64(slice_str(key), &broker_id) && json_is_string(value))
            addrs[(*count)++] = (struct broker_addr){ broker_id, json_text_in(value, arena) };
    }
    return addrs;
}

static bool broker_from_json(const json_t *json, struct arena *arena, struct broker_data *broker)
{
    if (!json_is_object(json))
        return false;
    *broker = (struct broker_data){
        .cluster = json_copy_str(json, "cluster", arena),
        .broker_name = json_copy_str(json, "brokerName", arena),
        .zone_name = json_copy_str(json, "zoneName", arena),
        .enable_acting_master = json_get_bool(json, "enableActingMaster", false),
    };
    broker->addrs = addrs_from_json(json_get(json, "brokerAddrs"), arena, &broker->addr_count);
    return true;
}

static void brokers_from_json(const json_t *array, struct arena *arena, struct route_data *route)
{
    struct broker_data *brokers = json_alloc_elements(array, sizeof *brokers, arena);
    size_t i;
    json_t *element;
    json_array_foreach(array, i, element)
        if (broker_from_json(element, arena, &brokers[route->broker_count]))
            route->broker_count++;
    route->brokers = brokers;
}

static void queues_from_json(const json_t *array, struct arena *arena, struct route_data *route)
{
    struct queue_data *queues = json_alloc_elements(array, sizeof *queues, arena);
    size_t i;
    json_t *element;
    json_array_foreach(array, i, element)
        if (json_is_object(element))
            queues[route->queue_count++] = (struct queue_data){
                .broker_name = json_copy_str(element, "brokerName", arena),
                .read_queue_count = json_get_i32(element, "readQueueNums", 0),
                .write_queue_count = json_get_i32(element, "writeQueueNums", 0),
                .perm = json_get_i32(element, "perm", 0),
                .topic_sys_flag = json_get_i32(element, "topicSysFlag", 0),
            };
    route->queues = queues;
}

int route_data_decode(struct slice body, struct arena *arena, struct route_data *route)
{
    json_t *json = json_read(body);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        const json_t *mapping = json_get(json, "topicQueueMappingByBroker");
        *route = (struct route_data){
            .order_topic_conf = json_copy_str(json, "orderTopicConf", arena),
        };
        if (json_is_object(mapping))
            route->mapping_by_broker = json_dump_in(mapping, arena);
        brokers_from_json(json_get(json, "brokerDatas"), arena, route);
        queues_from_json(json_get(json, "queueDatas"), arena, route);
    }
    json_decref(json);
    return err;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void member_addrs(struct json_out *j, const struct broker_addr *addrs, int count)
{
    json_key(j, SLICE("brokerAddrs"));
    json_object_begin(j);
    for (int i = 0; i < count; i++) {
        json_key_i64(j, addrs[i].broker_id);
        json_str(j, addrs[i].address);
    }
    json_object_end(j);
}

static void broker_to_json(const struct broker_data *broker, struct json_out *j)
{
    json_object_begin(j);
    member_addrs(j, broker->addrs, broker->addr_count);
    json_member_str(j, "brokerName", broker->broker_name);
    json_member_str(j, "cluster", broker->cluster);
    json_member_bool(j, "enableActingMaster", broker->enable_acting_master);
    json_member_str(j, "zoneName", broker->zone_name);
    json_object_end(j);
}

static void queue_to_json(const struct queue_data *queue, struct json_out *j)
{
    json_object_begin(j);
    json_member_str(j, "brokerName", queue->broker_name);
    json_member_i64(j, "perm", queue->perm);
    json_member_i64(j, "readQueueNums", queue->read_queue_count);
    json_member_i64(j, "topicSysFlag", queue->topic_sys_flag);
    json_member_i64(j, "writeQueueNums", queue->write_queue_count);
    json_object_end(j);
}

void route_data_encode(const struct route_data *route, enum json_style style, struct buf *out)
{
    struct json_out j = json_out_to(out, style);
    json_object_begin(&j);
    json_key(&j, SLICE("brokerDatas"));
    json_array_begin(&j);
    for (int i = 0; i < route->broker_count; i++)
        broker_to_json(&route->brokers[i], &j);
    json_array_end(&j);
    json_key(&j, SLICE("filterServerTable"));
    json_object_begin(&j);
    json_object_end(&j);
    json_member_str(&j, "orderTopicConf", route->order_topic_conf);
    json_key(&j, SLICE("queueDatas"));
    json_array_begin(&j);
    for (int i = 0; i < route->queue_count; i++)
        queue_to_json(&route->queues[i], &j);
    json_array_end(&j);
    if (route->mapping_by_broker.data != NULL) {
        json_key(&j, SLICE("topicQueueMappingByBroker"));
        json_raw(&j, route->mapping_by_broker);
    }
    json_object_end(&j);
}

/* ---- cluster -------------------------------------------------------------------------------- */

static void cluster_brokers_from_json(json_t *object, struct arena *arena,
                                      struct cluster_info *info)
{
    struct broker_data *brokers = json_alloc_elements(object, sizeof *brokers, arena);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        struct broker_data *broker = &brokers[info->broker_count];
        if (!broker_from_json(value, arena, broker))
            continue;
        if (broker->broker_name.data == NULL)
            broker->broker_name = arena_copy(arena, slice_str(key));
        info->broker_count++;
    }
    info->brokers = brokers;
}

static void clusters_from_json(json_t *object, struct arena *arena, struct cluster_info *info)
{
    struct cluster_members *clusters = json_alloc_elements(object, sizeof *clusters, arena);
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        struct cluster_members *members = &clusters[info->cluster_count++];
        members->cluster = arena_copy(arena, slice_str(key));
        members->broker_names = json_copy_strings(value, arena, &members->broker_count);
    }
    info->clusters = clusters;
}

int cluster_info_decode(struct slice body, struct arena *arena, struct cluster_info *info)
{
    json_t *json = json_read(body);
    int err = json_is_object(json) ? 0 : ERR_CORRUPT;
    if (err == 0) {
        *info = (struct cluster_info){ .broker_count = 0 };
        cluster_brokers_from_json(json_get(json, "brokerAddrTable"), arena, info);
        clusters_from_json(json_get(json, "clusterAddrTable"), arena, info);
    }
    json_decref(json);
    return err;
}

void cluster_info_encode(const struct cluster_info *info, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("brokerAddrTable"));
    json_object_begin(&j);
    for (int i = 0; i < info->broker_count; i++) {
        json_key(&j, info->brokers[i].broker_name);
        broker_to_json(&info->brokers[i], &j);
    }
    json_object_end(&j);
    json_key(&j, SLICE("clusterAddrTable"));
    json_object_begin(&j);
    for (int i = 0; i < info->cluster_count; i++) {
        const struct cluster_members *members = &info->clusters[i];
        json_key(&j, members->cluster);
        json_array_begin(&j);
        for (int k = 0; k < members->broker_count; k++)
            json_str(&j, members->broker_names[k]);
        json_array_end(&j);
    }
    json_object_end(&j);
    json_object_end(&j);
}

/* ---- members of a broker group -------------------------------------------------------------- */

void member_group_encode(const struct member_group *group, struct buf *out)
{
    struct json_out j = json_out_to(out, JSON_DIALECT);
    json_object_begin(&j);
    json_key(&j, SLICE("brokerMemberGroup"));
    json_object_begin(&j);
    member_addrs(&j, group->addrs, group->addr_count);
    json_member_str(&j, "brokerName", group->broker_name);
    json_member_str(&j, "cluster", group->cluster);
    json_object_end(&j);
    json_object_end(&j);
}
