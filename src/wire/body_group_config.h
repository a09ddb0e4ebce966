/* body_group_config.h - one consumer group's settings, and the table of them: the body of
 * GET_ALL_SUBSCRIPTIONGROUP_CONFIG and the file config/subscriptionGroup.json.
 *
 * Members we do not interpret (groupRetryPolicy, subscriptionDataSet, what later releases add) are
 * kept as JSON text and written back. A groupRetryPolicy in a request is checked: ERR_CORRUPT.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_GROUP_CONFIG_H
#define WIRE_BODY_GROUP_CONFIG_H

#include "wire/body_topic_config.h"

struct group_config {
    struct slice name;
    bool consume_enable;
    bool consume_from_min_enable;
    bool consume_broadcast_enable;
    bool consume_message_orderly;
    bool notify_consumer_ids_changed_enable;
    int32_t retry_queue_nums;
    int32_t retry_max_times;
    int64_t broker_id;
    int64_t which_broker_when_consume_slowly;
    int32_t group_sys_flag;
    int32_t consume_timeout_minutes;
    const struct pair *attributes;
    int attribute_count;
    const struct pair *others; /* value: JSON text of a member we do not interpret */
    int other_count;
};

/* What an absent member means; groupRetryPolicy is {"type":"CUSTOMIZED"}. */
struct group_config group_config_default(struct slice name);

MUST_CHECK int group_config_decode(struct slice body, struct arena *arena,
                                   struct group_config *config);
void group_config_encode(const struct group_config *config, struct buf *out);

/* UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST: {"groupConfigList":[..]}. ERR_CORRUPT: no such list, or
 * an entry that is no group or has no name. */
struct group_config_list {
    const struct group_config *groups;
    int count;
};
MUST_CHECK int group_config_list_decode(struct slice body, struct arena *arena,
                                        struct group_config_list *list);

/* UPDATE_AND_GET_GROUP_FORBIDDEN */
struct group_readable {
    struct slice group;
    struct slice topic;
    bool readable;
};
void group_readable_encode(const struct group_readable *answer, struct buf *out);

/* One entry of forbiddenTable: what `group` may not do with `topic`. */
enum group_forbidden_bits { GROUP_FORBIDDEN_READ = 4 };
struct group_forbidden {
    struct slice group;
    struct slice topic;
    int32_t bits; /* enum group_forbidden_bits */
};

/* {"dataVersion":{...},"forbiddenTable":{...},"subscriptionGroupTable":{...}} */
struct group_table {
    struct data_version version;
    const struct group_config *groups;
    int count;
    const struct group_forbidden *forbidden; /* entries of one group stand together */
    int forbidden_count;
};
MUST_CHECK int group_table_decode(struct slice text, struct arena *arena,
                                  struct group_table *table);
/* Written in pieces: begin (version and forbidden topics), then each group, then end; they write
 * the members of that object. */
void group_table_begin(const struct group_table *table, struct json_out *j);
void group_table_add(const struct group_config *config, struct json_out *j);
void group_table_end(struct json_out *j);

#endif
