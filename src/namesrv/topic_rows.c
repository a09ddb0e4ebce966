#include "namesrv/topic_rows.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

void topic_rows_init(struct topic_rows *topics)
{
    map_init(&topics->by_topic);
    topics->row_count = 0;
}

static void entry_free(struct topic_entry *entry)
{
    for (int i = 0; i < entry->count; i++)
        topic_row_set_mapping(&entry->rows[i], (struct slice){ NULL, 0 });
    free(entry->rows);
    free(entry);
}

void topic_rows_fini(struct topic_rows *topics)
{
    size_t cursor = 0;
    struct slice topic;
    void *entry;
    while (map_next(&topics->by_topic, &cursor, &topic, &entry))
        entry_free(entry);
    map_fini(&topics->by_topic);
}

const struct topic_entry *topic_rows_get(const struct topic_rows *topics, struct slice topic)
{
    return map_get(&topics->by_topic, topic);
}

struct topic_row *topic_entry_row(const struct topic_entry *entry, const struct broker_group *group)
{
    for (int i = 0; i < entry->count; i++)
        if (entry->rows[i].group == group)
            return &entry->rows[i];
    return NULL;
}

struct topic_row *topic_rows_find(const struct topic_rows *topics, struct slice topic,
                                  const struct broker_group *group)
{
    const struct topic_entry *entry = topic_rows_get(topics, topic);
    return entry == NULL ? NULL : topic_entry_row(entry, group);
}

static struct topic_entry *entry_of(struct topic_rows *topics, struct slice topic)
{
    struct topic_entry *entry = map_get(&topics->by_topic, topic);
    if (entry != NULL)
        return entry;
    entry = memory_zeroed(1, sizeof *entry);
    map_put(&topics->by_topic, topic, entry);
    return entry;
}

struct topic_row *topic_rows_add(struct topic_rows *topics, struct slice topic,
                                 const struct broker_group *group)
{
    struct topic_entry *entry = entry_of(topics, topic);
    struct topic_row *row = topic_entry_row(entry, group);
    if (row != NULL)
        return row;
    MEMORY_GROW(entry->rows, entry->count, entry->cap, 1);
    row = &entry->rows[entry->count++];
    *row = (struct topic_row){ .group = group };
    topics->row_count++;
    return row;
}

void topic_row_set_mapping(struct topic_row *row, struct slice mapping)
{
    const char *copy = mapping.data == NULL ? NULL : memory_text(mapping);
    free((void *)(uintptr_t)row->mapping.data);
    row->mapping = slice_of(copy, mapping.len);
}

/* ---- removing ---------------------------------------------------------------------------- */

void topic_rows_remove_topic(struct topic_rows *topics, struct slice topic)
{
    struct topic_entry *entry = map_remove(&topics->by_topic, topic);
    if (entry == NULL)
        return;
    topics->row_count -= (size_t)entry->count;
    entry_free(entry);
}

/* May end the entry; `topic` may be the map's own key. */
static void remove_row(struct topic_rows *topics, struct slice topic, struct topic_entry *entry,
                       const struct broker_group *group)
{
    struct topic_row *row = topic_entry_row(entry, group);
    if (row == NULL)
        return;
    if (entry->count == 1) {
        topic_rows_remove_topic(topics, topic);
        return;
    }
    topic_row_set_mapping(row, (struct slice){ NULL, 0 });
    size_t behind = (size_t)(&entry->rows[entry->count] - row) - 1;
    memmove(row, row + 1, behind * sizeof *row);
    entry->count--;
    topics->row_count--;
}

void topic_rows_remove_row(struct topic_rows *topics, struct slice topic,
                           const struct broker_group *group)
{
    struct topic_entry *entry = map_get(&topics->by_topic, topic);
    if (entry != NULL)
        remove_row(topics, topic, entry, group);
}

void topic_rows_remove_group(struct topic_rows *topics, const struct broker_group *group,
                             const struct map *keeps)
{
    size_t cursor = 0;
    struct slice topic;
    void *entry;
    while (map_next(&topics->by_topic, &cursor, &topic, &entry))
        if (keeps == NULL || map_get(keeps, topic) == NULL)
            remove_row(topics, topic, entry, group);
}

bool topic_rows_next(const struct topic_rows *topics, size_t *cursor, struct slice *topic,
                     const struct topic_entry **entry)
{
    void *value;
    if (!map_next(&topics->by_topic, cursor, topic, &value))
        return false;
    *entry = value;
    return true;
}
