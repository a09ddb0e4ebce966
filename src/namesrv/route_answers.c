/* route_answers.c - what the route table knows, in the form of answers. Read only. */
#include "namesrv/route_table.h"

/* Topics with this prefix are how brokers of a group find each other: no actor plays the master. */
#define TOPIC_BROKER_MEMBERS_PREFIX "rmq_sys_SYNC_BROKER_MEMBER_"
enum { SYS_FLAG_UNIT = 1, SYS_FLAG_UNIT_SUB = 2 };

static const struct broker_addr *addrs_of(const struct broker_group *group, struct arena *arena)
{
    struct broker_addr *addrs = arena_alloc(arena, (size_t)group->member_count * sizeof *addrs);
    for (int i = 0; i < group->member_count; i++)
        addrs[i] = (struct broker_addr){ group->members[i]->broker_id, group->members[i]->address };
    return addrs;
}

static struct broker_data broker_data_of(const struct broker_group *group, struct arena *arena)
{
    return (struct broker_data){
        .cluster = group->cluster,
        .broker_name = group->name,
        .addrs = addrs_of(group, arena),
        .addr_count = group->member_count,
        .zone_name = group->zone_name,
        .enable_acting_master = group->enable_acting_master,
    };
}

/* ---- routes ------------------------------------------------------------------------------ */

static int letter_case(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool zone_eq(struct slice a, struct slice b)
{
    bool is_equal = a.len == b.len;
    for (size_t i = 0; is_equal && i < a.len; i++)
        is_equal = letter_case(a.data[i]) == letter_case(b.data[i]);
    return is_equal;
}

static bool is_in_zone(const struct broker_group *group, struct slice zone_name)
{
    return zone_name.len == 0 || !live_group_has_master(group) ||
           zone_eq(group->zone_name, zone_name);
}

/* Shows the smallest slave as master: read only, as its rows say. */
static void put_acting_master(const struct topic_row *row, struct broker_data *broker,
                              struct arena *arena)
{
    if (live_group_has_master(row->group) || !row->group->enable_acting_master ||
        (row->perm & PERM_WRITE) != 0)
        return;
    struct broker_addr *addrs = arena_alloc(arena, (size_t)broker->addr_count * sizeof *addrs);
    memcpy(addrs, broker->addrs, (size_t)broker->addr_count * sizeof *addrs);
    addrs[0].broker_id = MASTER_ID;
    broker->addrs = addrs;
}

static void put_mappings(const struct topic_entry *entry, struct arena *arena,
                         struct route_data *route)
{
    struct buf text = BUF_INIT;
    struct json_out j = json_out_to(&text, JSON_STANDARD);
    bool has_any = false;
    json_object_begin(&j);
    for (int i = 0; i < entry->count; i++) {
        if (entry->rows[i].mapping.data == NULL)
            continue;
        json_key(&j, entry->rows[i].group->name);
        json_raw(&j, entry->rows[i].mapping);
        has_any = true;
    }
    json_object_end(&j);
    if (has_any)
        route->mapping_by_broker = arena_copy(arena, buf_slice(&text));
    buf_fini(&text);
}

bool route_table_route(const struct route_table *table, struct slice topic, struct slice zone_name,
                       struct arena *arena, struct route_data *route)
{
    const struct topic_entry *entry = topic_rows_get(&table->topics, topic);
    *route = (struct route_data){ 0 };
    if (entry == NULL)
        return false;
    struct queue_data *queues = arena_alloc(arena, (size_t)entry->count * sizeof *queues);
    struct broker_data *brokers = arena_alloc(arena, (size_t)entry->count * sizeof *brokers);
    bool may_act = table->conf->support_acting_master &&
                   !slice_starts_with(topic, SLICE(TOPIC_BROKER_MEMBERS_PREFIX));
    for (int i = 0; i < entry->count; i++) {
        const struct topic_row *row = &entry->rows[i];
        if (!is_in_zone(row->group, zone_name))
            continue;
        struct broker_data *broker = &brokers[route->broker_count++];
        *broker = broker_data_of(row->group, arena);
        if (may_act)
            put_acting_master(row, broker, arena);
        queues[route->queue_count++] =
            (struct queue_data){ row->group->name, row->read_queue_count, row->write_queue_count,
                                 row->perm, row->sys_flag };
    }
    route->queues = queues;
    route->brokers = brokers;
    put_mappings(entry, arena, route);
    return true;
}

/* ---- brokers ----------------------------------------------------------------------------- */

/* Appends to an array in the arena that has room for the next power of two. */
static void append_name(struct cluster_members *cluster, struct slice name, struct arena *arena)
{
    int count = cluster->broker_count;
    if ((count & (count - 1)) == 0) {
        struct slice *names =
            arena_alloc(arena, (size_t)(count == 0 ? 1 : count * 2) * sizeof *names);
        if (count > 0)
            memcpy(names, cluster->broker_names, (size_t)count * sizeof *names);
        cluster->broker_names = names;
    }
    cluster->broker_names[count] = name;
    cluster->broker_count++;
}

static struct cluster_members *cluster_of(struct slice name, struct map *by_name,
                                          struct cluster_members *clusters, int *count)
{
    struct cluster_members *cluster = map_get(by_name, name);
    if (cluster == NULL) {
        cluster = &clusters[(*count)++];
        *cluster = (struct cluster_members){ .cluster = name };
        map_put(by_name, name, cluster);
    }
    return cluster;
}

void route_table_cluster_info(const struct route_table *table, struct arena *arena,
                              struct cluster_info *info)
{
    size_t group_count = table->live.by_name.count;
    struct broker_data *brokers = arena_alloc(arena, (group_count + 1) * sizeof *brokers);
    struct cluster_members *clusters = arena_alloc(arena, (group_count + 1) * sizeof *clusters);
    struct map by_name;
    struct broker_group *group;
    size_t cursor = 0;
    *info = (struct cluster_info){ .brokers = brokers, .clusters = clusters };
    map_init(&by_name);
    while (live_group_next(&table->live, &cursor, &group)) {
        brokers[info->broker_count++] = broker_data_of(group, arena);
        append_name(cluster_of(group->cluster, &by_name, clusters, &info->cluster_count),
                    group->name, arena);
    }
    map_fini(&by_name);
}

void route_table_members(const struct route_table *table, struct slice broker_name,
                         struct arena *arena, struct member_group *members)
{
    const struct broker_group *group = live_group(&table->live, broker_name);
    members->addrs = group == NULL ? NULL : addrs_of(group, arena);
    members->addr_count = group == NULL ? 0 : group->member_count;
}

/* ---- topic lists ------------------------------------------------------------------------- */

static bool is_served_in(const struct topic_entry *entry, struct slice cluster)
{
    for (int i = 0; i < entry->count; i++)
        if (slice_eq(entry->rows[i].group->cluster, cluster))
            return true;
    return false;
}

static bool is_chosen(const struct topic_entry *entry, enum topic_choice choice,
                      struct slice cluster)
{
    int32_t flags = entry->rows[0].sys_flag;
    bool is_unit = (flags & SYS_FLAG_UNIT) != 0;
    bool is_unit_sub = (flags & SYS_FLAG_UNIT_SUB) != 0;
    switch (choice) {
    case TOPICS_ALL:
        return true;
    case TOPICS_OF_CLUSTER:
        return is_served_in(entry, cluster);
    case TOPICS_UNIT:
        return is_unit;
    case TOPICS_UNIT_SUB:
        return is_unit_sub;
    case TOPICS_UNIT_SUB_NOT_UNIT:
        return is_unit_sub && !is_unit;
    }
    return false;
}

void route_table_topics(const struct route_table *table, enum topic_choice choice,
                        struct slice cluster, struct arena *arena, struct topic_list *list)
{
    struct slice *names = arena_alloc(arena, (table->topics.by_topic.count + 1) * sizeof *names);
    size_t cursor = 0;
    struct slice topic;
    const struct topic_entry *entry;
    *list = (struct topic_list){ .topics = names };
    while (topic_rows_next(&table->topics, &cursor, &topic, &entry))
        if (is_chosen(entry, choice, cluster))
            names[list->count++] = topic;
}

void route_table_system_topics(const struct route_table *table, struct arena *arena,
                               struct topic_list *list)
{
    struct cluster_info info;
    route_table_cluster_info(table, arena, &info);
    int name_count = info.cluster_count + info.broker_count;
    struct slice *names = arena_alloc(arena, ((size_t)name_count + 1) * sizeof *names);
    *list = (struct topic_list){ .topics = names };
    for (int c = 0; c < info.cluster_count; c++) {
        names[list->count++] = info.clusters[c].cluster;
        for (int b = 0; b < info.clusters[c].broker_count; b++)
            names[list->count++] = info.clusters[c].broker_names[b];
    }
    if (info.broker_count > 0)
        list->broker_addr = info.brokers[0].addrs[0].address;
}
