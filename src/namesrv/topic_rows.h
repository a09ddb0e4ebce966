/* topic_rows.h - which broker groups serve a topic, with how many queues: one row per topic and
 * group.
 *
 * Ownership  the table owns its rows and copies what is put in; groups are borrowed and must be
 *            taken out (topic_rows_remove_group) before they end.
 * Threads    the name server's loop.
 */
#ifndef NAMESRV_TOPIC_ROWS_H
#define NAMESRV_TOPIC_ROWS_H

#include "namesrv/live_table.h"
#include "wire/body_route.h"

struct topic_row {
    const struct broker_group *group;
    int32_t read_queue_count;
    int32_t write_queue_count;
    int32_t perm; /* enum perm bits */
    int32_t sys_flag;
    struct slice mapping; /* JSON of a static topic's queue mapping; data NULL: none */
};

struct topic_entry {
    struct topic_row *rows; /* at least one */
    int count;
    int cap;
};

struct topic_rows {
    struct map by_topic; /* values: struct topic_entry */
    size_t row_count;
};

void topic_rows_init(struct topic_rows *topics);
void topic_rows_fini(struct topic_rows *topics);

/* NULL: nobody serves it. */
const struct topic_entry *topic_rows_get(const struct topic_rows *topics, struct slice topic);
/* NULL: no such row. A row stays in place until rows of the same topic are added or removed. */
struct topic_row *topic_rows_find(const struct topic_rows *topics, struct slice topic,
                                  const struct broker_group *group);
/* The row, added with zeros when there is none. */
struct topic_row *topic_rows_add(struct topic_rows *topics, struct slice topic,
                                 const struct broker_group *group);
void topic_row_set_mapping(struct topic_row *row, struct slice mapping);

void topic_rows_remove_topic(struct topic_rows *topics, struct slice topic);
/* The rows of one group: of a topic, or all whose topic `keeps` does not hold (NULL: all). */
void topic_rows_remove_row(struct topic_rows *topics, struct slice topic,
                           const struct broker_group *group);
void topic_rows_remove_group(struct topic_rows *topics, const struct broker_group *group,
                             const struct map *keeps);

bool topic_rows_next(const struct topic_rows *topics, size_t *cursor, struct slice *topic,
                     const struct topic_entry **entry);
/* The row of the group among those of one topic, or NULL. */
struct topic_row *topic_entry_row(const struct topic_entry *entry,
                                  const struct broker_group *group);

#endif
