/* live_table.h - the brokers that are there: groups by name, and their members, one per address.
 *
 *     group "bk-a" of cluster "c1"
 *         member 0  10.1.1.7:10911     the master
 *         member 1  10.1.1.8:10911     a slave
 *
 * Only the structure is kept here; what registration and silence mean is in route_table.c.
 *
 * Ownership  the table owns groups and members; their texts are theirs.
 * Threads    the name server's loop.
 */
#ifndef NAMESRV_LIVE_TABLE_H
#define NAMESRV_LIVE_TABLE_H

#include "base/list.h"
#include "base/map.h"
#include "wire/body_data_version.h"

struct broker_group;

struct broker_member {
    struct list link; /* all members of the table */
    struct broker_group *group;
    int64_t broker_id;
    struct slice address;        /* "ip:port" */
    struct slice ha_address;     /* where its slaves replicate from */
    struct data_version version; /* of the topics it told last */
    int64_t heard_ms;            /* when it last said something */
    int64_t timeout_ms;          /* how long it may be silent */
    const void *conn;            /* what it registered through */
};

struct broker_group {
    struct slice name;
    struct slice cluster;
    struct slice zone_name; /* data NULL: none */
    bool enable_acting_master;
    struct broker_member **members; /* by broker_id */
    int member_count;
    int member_cap;
};

struct live_table {
    struct map by_name; /* values: struct broker_group */
    struct list members;
    int member_count;
};

void live_table_init(struct live_table *table);
void live_table_fini(struct live_table *table);

/* NULL: no such group. */
struct broker_group *live_group(const struct live_table *table, struct slice name);
struct broker_group *live_group_add(struct live_table *table, struct slice name);
/* It has no members any more. */
void live_group_remove(struct live_table *table, struct broker_group *group);
void live_group_place(struct broker_group *group, struct slice cluster, struct slice zone_name);
bool live_group_has_master(const struct broker_group *group);
bool live_group_next(const struct live_table *table, size_t *cursor, struct broker_group **group);

/* NULL: no such member. */
struct broker_member *live_member_by_id(const struct broker_group *group, int64_t broker_id);
struct broker_member *live_member_by_address(const struct broker_group *group,
                                             struct slice address);
struct broker_member *live_member_add(struct live_table *table, struct broker_group *group,
                                      int64_t broker_id, struct slice address);
void live_member_remove(struct live_table *table, struct broker_member *member);
void live_member_set_ha_address(struct broker_member *member, struct slice ha_address);

#endif
