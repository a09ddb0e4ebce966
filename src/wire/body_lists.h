/* body_lists.h - the flat bodies: {"table":{"k":"v"}}, {"brokerAddr":"..","topicList":[..]} and
 * {"groupList":[..]}.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_LISTS_H
#define WIRE_BODY_LISTS_H

#include "wire/body_topic_config.h"

/* GET_KVLIST_BY_NAMESPACE, the answer of REGISTER_BROKER, GET_BROKER_RUNTIME_INFO */
struct kv_table {
    const struct pair *pairs;
    int count;
};
MUST_CHECK int kv_table_decode(struct slice body, struct arena *arena, struct kv_table *table);
void kv_table_encode(const struct kv_table *table, struct buf *out);

/* 206, 224, 304, 305, 311 to 313, 343 */
struct topic_list {
    struct slice broker_addr; /* data NULL: none */
    const struct slice *topics;
    int count;
};
MUST_CHECK int topic_list_decode(struct slice body, struct arena *arena, struct topic_list *list);
void topic_list_encode(const struct topic_list *list, struct buf *out);

/* QUERY_TOPIC_CONSUME_BY_WHO */
struct group_list {
    const struct slice *groups;
    int count;
};
void group_list_encode(const struct group_list *list, struct buf *out);

#endif
