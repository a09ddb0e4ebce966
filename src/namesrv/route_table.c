#include "namesrv/route_table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

void route_table_init(struct route_table *table, const struct namesrv_conf *conf,
                      void (*on_min_id_changed)(void *ctx, const struct min_id_change *change),
                      void *ctx)
{
    table->conf = conf;
    table->on_min_id_changed = on_min_id_changed;
    table->ctx = ctx;
    live_table_init(&table->live);
    topic_rows_init(&table->topics);
}

void route_table_fini(struct route_table *table)
{
    topic_rows_fini(&table->topics);
    live_table_fini(&table->live);
}

/* ---- change of the smallest id ----------------------------------------------------------- */

/* Everyone is told of a loss; of a gain all but the one that came. */
static void tell_min_id(struct route_table *table, const struct broker_group *group,
                        struct slice offline_addr)
{
    if (!table->conf->notify_min_broker_id_changed || group->member_count == 0)
        return;
    const struct broker_member *least = group->members[0];
    bool is_gain = offline_addr.data == NULL;
    struct slice *notify = memory_zeroed((size_t)group->member_count, sizeof *notify);
    struct min_id_change change = {
        .broker_name = group->name,
        .min_broker_id = least->broker_id,
        .min_broker_addr = least->address,
        .offline_broker_addr = offline_addr,
        .ha_broker_addr = is_gain ? least->ha_address : (struct slice){ NULL, 0 },
        .notify = notify,
    };
    for (int i = is_gain && group->member_count > 1 ? 1 : 0; i < group->member_count; i++)
        notify[change.notify_count++] = group->members[i]->address;
    table->on_min_id_changed(table->ctx, &change);
    free(notify);
}

/* ---- going offline ----------------------------------------------------------------------- */

static void set_write_perm(struct topic_row *row, bool is_allowed)
{
    row->perm = is_allowed ? PERM_READ | PERM_WRITE : row->perm & ~PERM_WRITE;
}

static int32_t set_group_write_perm(struct route_table *table, const struct broker_group *group,
                                    bool is_allowed)
{
    int32_t count = 0;
    size_t cursor = 0;
    struct slice topic;
    const struct topic_entry *entry;
    while (topic_rows_next(&table->topics, &cursor, &topic, &entry)) {
        struct topic_row *row = topic_entry_row(entry, group);
        if (row == NULL)
            continue;
        set_write_perm(row, is_allowed);
        count++;
    }
    return count;
}

static void remove_member(struct route_table *table, struct broker_member *member,
                          const char *reason)
{
    struct broker_group *group = member->group;
    bool was_least = group->members[0] == member;
    log_info("broker_offline name=%.*s id=%lld address=%.*s reason=%s", SLICE_FMT(group->name),
             (long long)member->broker_id, SLICE_FMT(member->address), reason);
    uint8_t address[ROUTE_NAME_MAX];
    struct slice offline = slice_of(address, member->address.len);
    assert(offline.len <= sizeof address);
    memcpy(address, member->address.data, offline.len);
    live_member_remove(&table->live, member);
    if (group->member_count == 0) {
        topic_rows_remove_group(&table->topics, group, NULL);
        live_group_remove(&table->live, group);
        return;
    }
    if (group->enable_acting_master && !live_group_has_master(group))
        set_group_write_perm(table, group, false);
    if (was_least)
        tell_min_id(table, group, offline);
}

static struct broker_member *find_member(const struct route_table *table, struct slice broker_name,
                                         struct slice broker_addr)
{
    const struct broker_group *group = live_group(&table->live, broker_name);
    return group == NULL ? NULL : live_member_by_address(group, broker_addr);
}

void route_table_unregister(struct route_table *table, struct slice broker_name,
                            struct slice broker_addr)
{
    struct broker_member *member = find_member(table, broker_name, broker_addr);
    if (member != NULL)
        remove_member(table, member, "unregistered");
}

void route_table_conn_closed(struct route_table *table, const void *conn)
{
    list_each(link, &table->live.members) {
        struct broker_member *member = list_entry(link, struct broker_member, link);
        if (member->conn == conn)
            remove_member(table, member, "connection_closed");
    }
}

static int64_t expiry_ms(const struct broker_member *member)
{
    return member->heard_ms + member->timeout_ms;
}

int64_t route_table_next_expiry_ms(const struct route_table *table)
{
    int64_t least = -1;
    const struct list *members = &table->live.members;
    for (struct list *link = members->next; link != members; link = link->next) {
        int64_t expiry = expiry_ms(list_entry(link, struct broker_member, link));
        if (least < 0 || expiry < least)
            least = expiry;
    }
    return least;
}

/* Several brokers may share a connection, which is closed once. */
static int add_once(const void **conns, int count, const void *conn)
{
    for (int i = 0; i < count; i++)
        if (conns[i] == conn)
            return count;
    conns[count] = conn;
    return count + 1;
}

void route_table_expire(struct route_table *table, int64_t now_ms,
                        void (*on_expired)(void *ctx, const void *conn), void *ctx)
{
    const void **conns = memory_zeroed((size_t)table->live.member_count + 1, sizeof *conns);
    int count = 0;
    list_each(link, &table->live.members) {
        struct broker_member *member = list_entry(link, struct broker_member, link);
        if (expiry_ms(member) > now_ms)
            continue;
        count = add_once(conns, count, member->conn);
        remove_member(table, member, "silent");
    }
    for (int i = 0; i < count; i++)
        on_expired(ctx, conns[i]);
    free(conns);
}

/* ---- registration ------------------------------------------------------------------------ */

/* What a registration finds, and what it means. */
struct registering {
    const struct register_broker_request *broker;
    const struct register_body *body;
    struct broker_group *group;       /* NULL at first for a new one */
    const struct data_version *known; /* what this address told last; NULL: nothing */
    bool is_first;                    /* the id was not there */
    bool is_master;
    bool is_prime_slave; /* no master, and no smaller id */
};

static bool is_name(struct slice name)
{
    return name.len > 0 && name.len <= ROUTE_NAME_MAX;
}

/* Rows that the body would add. */
static size_t count_new_rows(const struct route_table *table, const struct registering *r)
{
    size_t count = 0;
    for (int i = 0; i < r->body->topics.count; i++)
        if (r->group == NULL ||
            topic_rows_find(&table->topics, r->body->topics.topics[i].name, r->group) == NULL)
            count++;
    return count;
}

static const char *refusal(const struct route_table *table, const struct registering *r)
{
    const struct register_broker_request *broker = r->broker;
    bool is_known_id = r->group != NULL && live_member_by_id(r->group, broker->broker_id) != NULL;
    if (!is_name(broker->broker_name) || !is_name(broker->broker_addr) ||
        !is_name(broker->cluster_name) || broker->ha_server_addr.len > ROUTE_NAME_MAX ||
        broker->zone_name.len > ROUTE_NAME_MAX)
        return "register broker failed: a name or address is empty or too long";
    /* A registration of one topic is how a broker tells of a single change: it must be known then.
     */
    if (!is_known_id && r->body->topics.count == 1)
        return "register broker failed";
    if (!is_known_id && table->live.member_count >= ROUTE_MEMBERS_MAX)
        return "register broker failed: too many brokers";
    if (table->topics.row_count + count_new_rows(table, r) > ROUTE_ROWS_MAX)
        return "register broker failed: too many topics";
    return NULL;
}

/* Another address has the id, and was made master later than this one: a controller's decision that
 * this broker does not know yet. */
static bool is_fenced(const struct registering *r)
{
    if (r->group == NULL)
        return false;
    const struct broker_member *holder = live_member_by_id(r->group, r->broker->broker_id);
    return holder != NULL && !slice_eq(holder->address, r->broker->broker_addr) &&
           holder->version.state_version > r->body->topics.version.state_version;
}

static void put_topic(struct route_table *table, const struct registering *r,
                      const struct topic_config *config)
{
    struct topic_row *row = topic_rows_add(&table->topics, config->name, r->group);
    row->read_queue_count = config->read_queue_count;
    row->write_queue_count = config->write_queue_count;
    row->perm = config->perm;
    row->sys_flag = config->sys_flag;
    if (r->is_prime_slave && r->group->enable_acting_master)
        row->perm &= ~PERM_WRITE;
}

static void drop_topics_left_out(struct route_table *table, const struct registering *r)
{
    struct map told;
    map_init(&told);
    for (int i = 0; i < r->body->topics.count; i++)
        map_put(&told, r->body->topics.topics[i].name, &told);
    topic_rows_remove_group(&table->topics, r->group, &told);
    map_fini(&told);
}

/* An unchanged version adds what is missing and leaves the rest: permissions that were taken by
 * request stay taken. */
static void take_topics(struct route_table *table, const struct registering *r)
{
    const struct register_body *body = r->body;
    bool is_changed =
        r->is_first || r->known == NULL || !data_version_eq(r->known, &body->topics.version);
    if (table->conf->delete_topic_with_broker_registration && body->mapping_count == 0)
        drop_topics_left_out(table, r);
    for (int i = 0; i < body->topics.count; i++) {
        const struct topic_config *config = &body->topics.topics[i];
        if (!is_name(config->name))
            log_warn("topic_name_refused broker=%.*s bytes=%zu", SLICE_FMT(r->group->name),
                     config->name.len);
        else if (is_changed || topic_rows_find(&table->topics, config->name, r->group) == NULL)
            put_topic(table, r, config);
    }
    for (int i = 0; is_changed && i < body->mapping_count; i++) {
        struct topic_row *row = topic_rows_find(&table->topics, body->mappings[i].topic, r->group);
        if (row != NULL)
            topic_row_set_mapping(row, body->mappings[i].json);
    }
}

/* The member of this id and address, in a group that is placed where the broker says. Who had the
 * address under another id, or the id under another address, is gone then. */
static struct broker_member *take_place(struct route_table *table, struct registering *r)
{
    const struct register_broker_request *broker = r->broker;
    if (r->group == NULL)
        r->group = live_group_add(&table->live, broker->broker_name);
    live_group_place(r->group, broker->cluster_name, broker->zone_name);
    r->group->enable_acting_master = slice_eq(broker->enable_acting_master, SLICE("true"));
    struct broker_member *same_address = live_member_by_address(r->group, broker->broker_addr);
    struct broker_member *same_id = live_member_by_id(r->group, broker->broker_id);
    r->is_first = same_id == NULL;
    if (same_address != NULL && same_address == same_id)
        return same_id;
    if (same_address != NULL)
        live_member_remove(&table->live, same_address);
    if (same_id != NULL)
        live_member_remove(&table->live, same_id);
    log_info("broker_online name=%.*s id=%lld address=%.*s cluster=%.*s",
             SLICE_FMT(broker->broker_name), (long long)broker->broker_id,
             SLICE_FMT(broker->broker_addr), SLICE_FMT(broker->cluster_name));
    return live_member_add(&table->live, r->group, broker->broker_id, broker->broker_addr);
}

static void take_member(struct broker_member *member, const struct registering *r, const void *conn,
                        int64_t now_ms)
{
    int64_t timeout_ms = r->broker->heartbeat_timeout_ms;
    member->version = r->body->topics.version;
    member->heard_ms = now_ms;
    /* the sum with the time must not overflow */
    member->timeout_ms = timeout_ms <= 0              ? BROKER_TIMEOUT_MS
                         : timeout_ms > INT64_MAX / 4 ? INT64_MAX / 4
                                                      : timeout_ms;
    member->conn = conn;
    live_member_set_ha_address(member, r->broker->ha_server_addr);
}

static void answer_slave(const struct registering *r, struct register_broker_response *answer)
{
    const struct broker_member *master = live_member_by_id(r->group, MASTER_ID);
    if (r->is_master || master == NULL)
        return;
    answer->ha_server_addr = master->ha_address;
    answer->master_addr = master->address;
}

const char *route_table_register(struct route_table *table,
                                 const struct register_broker_request *broker,
                                 const struct register_body *body, const void *conn, int64_t now_ms,
                                 struct register_broker_response *answer)
{
    struct registering r = { .broker = broker,
                             .body = body,
                             .group = live_group(&table->live, broker->broker_name) };
    *answer = (struct register_broker_response){ 0 };
    if (is_fenced(&r)) {
        log_warn("broker_fenced name=%.*s id=%lld address=%.*s", SLICE_FMT(broker->broker_name),
                 (long long)broker->broker_id, SLICE_FMT(broker->broker_addr));
        route_table_unregister(table, broker->broker_name, broker->broker_addr);
        return NULL;
    }
    const char *why = refusal(table, &r);
    if (why != NULL)
        return why;
    int64_t min_id_before = r.group == NULL ? INT64_MIN : r.group->members[0]->broker_id;
    struct data_version known;
    const struct broker_member *before =
        r.group == NULL ? NULL : live_member_by_address(r.group, broker->broker_addr);
    if (before != NULL) {
        known = before->version;
        r.known = &known;
    }
    struct broker_member *member = take_place(table, &r);
    r.is_master = broker->broker_id == MASTER_ID;
    r.is_prime_slave =
        !r.is_master && broker->enable_acting_master.data != NULL && r.group->members[0] == member;
    if (r.is_master || r.is_prime_slave)
        take_topics(table, &r);
    take_member(member, &r, conn, now_ms);
    answer_slave(&r, answer);
    if (broker->broker_id < min_id_before)
        tell_min_id(table, r.group, (struct slice){ NULL, 0 });
    return NULL;
}

void route_table_heartbeat(struct route_table *table, struct slice broker_name,
                           struct slice broker_addr, int64_t now_ms)
{
    struct broker_member *member = find_member(table, broker_name, broker_addr);
    if (member != NULL)
        member->heard_ms = now_ms;
}

const struct data_version *route_table_query_version(struct route_table *table,
                                                     const struct broker_identity_request *broker,
                                                     int64_t now_ms)
{
    struct broker_member *member = find_member(table, broker->broker_name, broker->broker_addr);
    if (member == NULL)
        return NULL;
    member->heard_ms = now_ms;
    return &member->version;
}

/* ---- topics by request ------------------------------------------------------------------- */

int32_t route_table_set_write_perm(struct route_table *table, struct slice broker_name,
                                   bool is_allowed)
{
    const struct broker_group *group = live_group(&table->live, broker_name);
    return group == NULL ? 0 : set_group_write_perm(table, group, is_allowed);
}

void route_table_delete_topic(struct route_table *table, struct slice topic, struct slice cluster)
{
    if (cluster.len == 0) {
        topic_rows_remove_topic(&table->topics, topic);
        return;
    }
    size_t cursor = 0;
    struct broker_group *group;
    while (live_group_next(&table->live, &cursor, &group))
        if (slice_eq(group->cluster, cluster))
            topic_rows_remove_row(&table->topics, topic, group);
}

const char *route_table_add_topic(struct route_table *table, struct slice topic,
                                  const struct route_data *route)
{
    if (!is_name(topic))
        return "the topic's name is empty or too long";
    for (int i = 0; i < route->queue_count; i++)
        if (live_group(&table->live, route->queues[i].broker_name) == NULL)
            return NULL; /* as the reference: told by a broker that is not known, so not believed */
    if (table->topics.row_count + (size_t)route->queue_count > ROUTE_ROWS_MAX)
        return "too many topics";
    for (int i = 0; i < route->queue_count; i++) {
        const struct queue_data *queue = &route->queues[i];
        struct topic_row *row =
            topic_rows_add(&table->topics, topic, live_group(&table->live, queue->broker_name));
        row->read_queue_count = queue->read_queue_count;
        row->write_queue_count = queue->write_queue_count;
        row->perm = queue->perm;
        row->sys_flag = queue->topic_sys_flag;
    }
    return NULL;
}
