/* stats_names.c - what tools call the things that are counted: a name, and a key whose parts stand
 * in the reference's order.
 */
#include <string.h>

#include "broker/figures/stats_internal.h"

enum key_shape {
    KEY_CLUSTER,
    KEY_TOPIC,
    KEY_TOPIC_QUEUE,
    KEY_QUEUE_TOPIC,
    KEY_TOPIC_GROUP,
    KEY_TOPIC_QUEUE_GROUP,
    KEY_GET_LATENCY, /* queue@topic@group by queue, else topic@group */
};

enum of_pair { OF_ALL, OF_DISK, OF_EVENT };

static const struct stats_row {
    const char *name;
    enum key_shape shape;
    enum stats_column column;
    int which; /* enum broker_series, of a pair enum of_pair + an enum stats_event */
} stats_rows[] = {
    { "TOPIC_PUT_NUMS", KEY_TOPIC, STATS_MESSAGES, OF_ALL },
    { "TOPIC_PUT_SIZE", KEY_TOPIC, STATS_BYTES, OF_ALL },
    { "TOPIC_PUT_LATENCY", KEY_QUEUE_TOPIC, STATS_TOOK_MS, OF_ALL },
    { "QUEUE_PUT_NUMS", KEY_TOPIC_QUEUE, STATS_MESSAGES, OF_ALL },
    { "QUEUE_PUT_SIZE", KEY_TOPIC_QUEUE, STATS_BYTES, OF_ALL },
    { "GROUP_GET_NUMS", KEY_TOPIC_GROUP, STATS_MESSAGES, OF_ALL },
    { "GROUP_GET_SIZE", KEY_TOPIC_GROUP, STATS_BYTES, OF_ALL },
    { "GROUP_GET_LATENCY", KEY_GET_LATENCY, STATS_TOOK_MS, OF_ALL },
    { "QUEUE_GET_NUMS", KEY_TOPIC_QUEUE_GROUP, STATS_MESSAGES, OF_ALL },
    { "QUEUE_GET_SIZE", KEY_TOPIC_QUEUE_GROUP, STATS_BYTES, OF_ALL },
    { "GROUP_GET_FROM_DISK_NUMS", KEY_TOPIC_GROUP, STATS_MESSAGES, OF_DISK },
    { "GROUP_GET_FROM_DISK_SIZE", KEY_TOPIC_GROUP, STATS_BYTES, OF_DISK },
    { "SNDBCK_PUT_NUMS", KEY_TOPIC_GROUP, STATS_MESSAGES, OF_EVENT + STATS_SENT_BACK },
    { "GROUP_ACK_NUMS", KEY_TOPIC_GROUP, STATS_MESSAGES, OF_EVENT + STATS_ACKED },
    { "GROUP_CK_NUMS", KEY_TOPIC_GROUP, STATS_MESSAGES, OF_EVENT + STATS_CHECKPOINTS },
    { "BROKER_PUT_NUMS", KEY_CLUSTER, STATS_MESSAGES, BROKER_PUT },
    { "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC", KEY_CLUSTER, STATS_MESSAGES, BROKER_PUT_OF_USERS },
    { "BROKER_GET_NUMS", KEY_CLUSTER, STATS_MESSAGES, BROKER_GOT },
    { "BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC", KEY_CLUSTER, STATS_MESSAGES, BROKER_GOT_OF_USERS },
    { "BROKER_GET_FROM_DISK_NUMS", KEY_CLUSTER, STATS_MESSAGES, BROKER_GOT_FROM_DISK },
    { "BROKER_GET_FROM_DISK_SIZE", KEY_CLUSTER, STATS_BYTES, BROKER_GOT_FROM_DISK },
    { "BROKER_ACK_NUMS", KEY_CLUSTER, STATS_MESSAGES, BROKER_ACKED },
    { "BROKER_CK_NUMS", KEY_CLUSTER, STATS_MESSAGES, BROKER_CHECKPOINTS },
};

struct parsed_key {
    struct slice topic;
    struct slice group;
    struct slice queue;
};

static struct parsed_key key_parse(enum key_shape shape, bool by_queue, struct slice key)
{
    struct parsed_key parsed = { 0 };
    if (shape == KEY_QUEUE_TOPIC || (shape == KEY_GET_LATENCY && by_queue))
        parsed.queue = slice_cut(&key, '@');
    parsed.topic = slice_cut(&key, '@');
    if (shape == KEY_TOPIC_QUEUE || shape == KEY_TOPIC_QUEUE_GROUP)
        parsed.queue = slice_cut(&key, '@');
    parsed.group = key;
    return parsed;
}

static bool has_queue(const struct stats *stats, enum key_shape shape)
{
    return shape == KEY_QUEUE_TOPIC || shape == KEY_TOPIC_QUEUE || shape == KEY_TOPIC_QUEUE_GROUP ||
           (shape == KEY_GET_LATENCY && stats->by_queue);
}

static struct stats_series *find_in_node(const struct stats *stats, const struct stats_row *row,
                                         struct stats_node *node, struct slice queue)
{
    int32_t queue_id;
    if (row->which != OF_ALL)
        return node->of_pair == NULL   ? NULL
               : row->which == OF_DISK ? &node->of_pair->from_disk
                                       : &node->of_pair->events[row->which - OF_EVENT];
    if (!has_queue(stats, row->shape))
        return &node->all;
    return slice_to_i32(queue, &queue_id) && queue_id >= 0 && queue_id < node->queue_count
               ? &node->queues[queue_id]
               : NULL;
}

static struct stats_series *find_series(struct stats *stats, const struct stats_row *row,
                                        struct slice key)
{
    if (row->shape == KEY_CLUSTER)
        return slice_eq(key, stats_cluster(stats)) ? &stats->broker[row->which] : NULL;
    uint8_t bytes[STATS_KEY_MAX];
    struct parsed_key parsed = key_parse(row->shape, stats->by_queue, key);
    bool is_pair = row->shape >= KEY_TOPIC_GROUP;
    struct slice name = is_pair ? stats_pair_name(parsed.topic, parsed.group, bytes) : parsed.topic;
    if (name.len == 0 || (!is_pair && parsed.group.len > 0))
        return NULL;
    struct stats_node *node = map_get(is_pair ? &stats->pairs : &stats->topics, name);
    return node == NULL ? NULL : find_in_node(stats, row, node, parsed.queue);
}

bool stats_find(struct stats *stats, struct slice name, struct slice key, int64_t now_ns,
                struct stats_view *view)
{
    for (size_t i = 0; i < sizeof stats_rows / sizeof stats_rows[0]; i++) {
        const struct stats_row *row = &stats_rows[i];
        if (!slice_eq(name, slice_str(row->name)))
            continue;
        struct stats_series *series = find_series(stats, row, key);
        if (series != NULL && !series->is_begun)
            series = NULL;
        for (int w = 0; series != NULL && w < STATS_WINDOWS; w++)
            view->windows[w] =
                stats_series_sum(series, stats->slab, (enum stats_window)w, row->column, now_ns);
        return series != NULL;
    }
    return false;
}
