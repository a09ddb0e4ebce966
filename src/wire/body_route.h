/* body_route.h - what a name server says about brokers: the route of a topic (105), the cluster
 * (106), the members of a broker group (901).
 *
 * Maps with integer keys are bare or quoted by json_style; 106 and 901 are always bare.
 * filterServerTable is written empty and not read: class filters are gone since 4.x.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_ROUTE_H
#define WIRE_BODY_ROUTE_H

#include "wire/body_data_version.h"

enum { MASTER_ID = 0 };

struct queue_data {
    struct slice broker_name;
    int32_t read_queue_count;
    int32_t write_queue_count;
    int32_t perm; /* enum perm */
    int32_t topic_sys_flag;
};

struct broker_addr {
    int64_t broker_id;
    struct slice address; /* "ip:port" */
};

struct broker_data {
    struct slice cluster;
    struct slice broker_name;
    const struct broker_addr *addrs;
    int addr_count;
    struct slice zone_name; /* data NULL: none */
    bool enable_acting_master;
};

struct route_data {
    struct slice order_topic_conf; /* "broker:queues;..."; data NULL: none */
    const struct queue_data *queues;
    int queue_count;
    const struct broker_data *brokers;
    int broker_count;
    struct slice mapping_by_broker; /* JSON of topicQueueMappingByBroker; data NULL: none */
};
MUST_CHECK int route_data_decode(struct slice body, struct arena *arena, struct route_data *route);
void route_data_encode(const struct route_data *route, enum json_style style, struct buf *out);

struct cluster_members {
    struct slice cluster;
    struct slice *broker_names;
    int broker_count;
};
struct cluster_info {
    const struct broker_data *brokers;
    int broker_count;
    const struct cluster_members *clusters;
    int cluster_count;
};
MUST_CHECK int cluster_info_decode(struct slice body, struct arena *arena,
                                   struct cluster_info *info);
void cluster_info_encode(const struct cluster_info *info, struct buf *out);

struct member_group {
    struct slice cluster;
    struct slice broker_name;
    const struct broker_addr *addrs;
    int addr_count;
};
void member_group_encode(const struct member_group *group, struct buf *out);

#endif
