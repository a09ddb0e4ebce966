/* body_topic_config.h - one topic's settings, and the table of them: the body of
 * GET_ALL_TOPIC_CONFIG, a part of registration, and the file config/topics.json.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_TOPIC_CONFIG_H
#define WIRE_BODY_TOPIC_CONFIG_H

#include "wire/body_data_version.h"

enum perm { PERM_INHERIT = 1, PERM_WRITE = 2, PERM_READ = 4, PERM_PRIORITY = 8 };
enum topic_sys_flag { TOPIC_SYS_FLAG_UNIT = 1, TOPIC_SYS_FLAG_UNIT_SUB = 2 };

enum topic_filter_type { TOPIC_FILTER_SINGLE_TAG, TOPIC_FILTER_MULTI_TAG };
/* Static text. */
struct slice topic_filter_type_name(enum topic_filter_type type);
/* False: no such name. */
bool topic_filter_type_of(struct slice name, enum topic_filter_type *type);

/* A name and a value, both text: attributes, KV entries. */
struct pair {
    struct slice key;
    struct slice value;
};

struct topic_config {
    struct slice name;
    int32_t read_queue_count;
    int32_t write_queue_count;
    int32_t perm; /* enum perm bits */
    enum topic_filter_type filter_type;
    int32_t sys_flag; /* 1 unit, 2 unit-sub */
    bool order;
    const struct pair *attributes;
    int attribute_count;
};

/* What an absent member means: 16 queues each, read and write, SINGLE_TAG. */
struct topic_config topic_config_default(struct slice name);

void topic_config_to_json(const struct topic_config *config, struct json_out *j);
void topic_config_encode(const struct topic_config *config, struct buf *out);

/* UPDATE_AND_CREATE_TOPIC_LIST: {"topicConfigList":[...]} */
struct topic_config_list {
    const struct topic_config *topics;
    int count;
};
MUST_CHECK int topic_config_list_decode(struct slice body, struct arena *arena,
                                        struct topic_config_list *list);

/* {"dataVersion":{...},"topicConfigTable":{"name":{...}}}. An entry without topicName takes its
 * key. */
struct topic_table {
    struct data_version version;
    const struct topic_config *topics;
    int count;
};
MUST_CHECK int topic_table_from_json(const json_t *json, struct arena *arena,
                                     struct topic_table *table);
MUST_CHECK int topic_table_decode(struct slice text, struct arena *arena,
                                  struct topic_table *table);
void topic_table_encode(const struct topic_table *table, struct buf *out);
/* The same in pieces: begin, then each topic, then end. They write the members of that object, so
 * that a body may have others beside them. */
void topic_table_begin(const struct data_version *version, struct json_out *j);
void topic_table_add(const struct topic_config *config, struct json_out *j);
void topic_table_end(struct json_out *j);

#endif
