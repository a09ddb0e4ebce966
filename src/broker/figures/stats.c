/* stats.c - what came and went, under the names and keys that tools ask for.
 *
 *     topics  "orders"    -> node: all, queues[0..], is_system
 *     pairs   "orders@g1" -> node: all, queues[0..], of_pair
 *     broker  the same for all of them together
 *
 * The series of a queue or an event comes with its first count; those of queues with room for
 * their neighbours, which counts as theirs.
 */
#include "broker/figures/stats.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "wire/multi_dispatch.h"
#include "wire/names.h"

enum { KEY_MAX = 1024, QUEUES_MAX = 65536 };
enum { PUTS_PER_SETTLING = 32 }; /* one topic is looked after with every so many puts */

/* What happens between a topic and a group only. */
struct pair_series {
    struct stats_series events[STATS_EVENTS];
    struct stats_series from_disk;
};
enum { PAIR_SERIES = STATS_EVENTS + 1 };

struct stats_node {
    struct stats_series all;
    struct stats_series *queues; /* heap */
    struct pair_series *of_pair; /* heap; NULL: nothing of that yet */
    int32_t queue_count;         /* room in queues */
    uint16_t topic_len;
    uint16_t name_len;
    bool is_system; /* the topic is the broker's own */
    uint8_t name[]; /* topic, or topic@group */
};
static_assert(KEY_MAX <= UINT16_MAX, "lengths of names fit");

enum broker_series {
    BROKER_PUT,
    BROKER_PUT_OF_USERS,
    BROKER_GOT,
    BROKER_GOT_OF_USERS,
    BROKER_GOT_FROM_DISK,
    BROKER_ACKED,
    BROKER_CHECKPOINTS,
    BROKER_SERIES
};

struct stats {
    struct map topics;
    struct map pairs;
    struct stats_series broker[BROKER_SERIES];
    struct stats_series *last_put; /* the queue's, of the message stored last */
    int series_count;              /* of the nodes, with those there is room for */
    size_t settled;                /* cursor in topics: those before it have been looked after */
    uint32_t puts;
    bool by_queue;
    bool folds_light;
    bool is_full;   /* said once */
    bool is_paused; /* names are not counted */
    size_t cluster_len;
    uint8_t cluster[];
};

static struct slice cluster_of(const struct stats *stats)
{
    return slice_of(stats->cluster, stats->cluster_len);
}

static struct slice node_topic(const struct stats_node *node)
{
    return slice_of(node->name, node->topic_len);
}

/* Of a pair. */
static struct slice node_group(const struct stats_node *node)
{
    return slice_of(node->name + node->topic_len + 1, node->name_len - node->topic_len - 1);
}

void stats_fold_light(struct stats *stats)
{
    stats->folds_light = true;
}

/* What a topic or a group is counted as. */
static struct slice folded(const struct stats *stats, struct slice name)
{
    return stats->folds_light && name_is_light(name) ? SLICE(TOPIC_LMQ_PREFIX) : name;
}

/* ---- series that come to be ------------------------------------------------------------------ */

static bool has_room(struct stats *stats, int count)
{
    if (stats->series_count <= STATS_SERIES_MAX - count)
        return true;
    if (!stats->is_full)
        log_warn("stats_full series=%d: what is new is not counted", STATS_SERIES_MAX);
    stats->is_full = true;
    return false;
}

static void give_room_back(struct stats *stats, int count)
{
    stats->series_count -= count;
    stats->is_full = false;
    assert(stats->series_count >= 0);
}

static void add(struct stats_series *series, struct stats_slot count, int64_t now_ns)
{
    if (!series->is_begun)
        stats_series_init(series, now_ns);
    stats_series_add(series, count, now_ns);
}

static struct stats_node *node_new(const struct stats *stats, struct slice name, size_t topic_len)
{
    struct stats_node *node = memory_zeroed(1, sizeof *node + name.len);
    memcpy(node->name, name.data, name.len);
    node->name_len = (uint16_t)name.len;
    node->topic_len = (uint16_t)topic_len;
    node->is_system = topic_is_system(node_topic(node), cluster_of(stats));
    return node;
}

/* NULL: there is no room, the name is none, or names are not counted. */
static struct stats_node *node_get(struct stats *stats, struct map *nodes, struct slice name,
                                   size_t topic_len)
{
    if (stats->is_paused)
        return NULL;
    struct stats_node *node = map_get(nodes, name);
    if (node != NULL || topic_len == 0 || name.len > KEY_MAX || !has_room(stats, 1))
        return node;
    node = node_new(stats, name, topic_len);
    map_put(nodes, slice_of(node->name, node->name_len), node);
    stats->series_count++;
    return node;
}

static struct slice pair_name(struct slice topic, struct slice group, uint8_t bytes[KEY_MAX])
{
    if (topic.len == 0 || group.len == 0 || topic.len + 1 + group.len > KEY_MAX)
        return slice_of(NULL, 0);
    memcpy(bytes, topic.data, topic.len);
    bytes[topic.len] = '@';
    memcpy(bytes + topic.len + 1, group.data, group.len);
    return slice_of(bytes, topic.len + 1 + group.len);
}

static struct stats_node *pair_get(struct stats *stats, struct slice topic, struct slice group)
{
    uint8_t bytes[KEY_MAX];
    topic = folded(stats, topic);
    struct slice name = pair_name(topic, folded(stats, group), bytes);
    return name.len == 0 ? NULL : node_get(stats, &stats->pairs, name, topic.len);
}

/* Room for so many queues more; false: there is none. */
static bool grow_queues(struct stats *stats, struct stats_node *node, int32_t queue_id)
{
    int32_t count = node->queue_count == 0 ? 8 : node->queue_count;
    while (count <= queue_id)
        count *= 2;
    if (!has_room(stats, count - node->queue_count))
        return false;
    node->queues = memory_resize(node->queues, (size_t)count, sizeof node->queues[0]);
    memset(node->queues + node->queue_count, 0,
           (size_t)(count - node->queue_count) * sizeof node->queues[0]);
    stats->series_count += count - node->queue_count;
    node->queue_count = count;
    return true;
}

/* NULL: not counted by queue. */
static struct stats_series *queue_series(struct stats *stats, struct stats_node *node,
                                         int32_t queue_id)
{
    if (!stats->by_queue || queue_id < 0 || queue_id >= QUEUES_MAX)
        return NULL;
    if (queue_id >= node->queue_count && !grow_queues(stats, node, queue_id))
        return NULL;
    assert(queue_id < node->queue_count);
    return &node->queues[queue_id];
}

/* NULL: there is no room. */
static struct pair_series *pair_series(struct stats *stats, struct stats_node *node)
{
    if (node->of_pair != NULL || !has_room(stats, PAIR_SERIES))
        return node->of_pair;
    node->of_pair = memory_zeroed(1, sizeof *node->of_pair);
    stats->series_count += PAIR_SERIES;
    return node->of_pair;
}

static void node_free(struct stats *stats, struct stats_node *node)
{
    stats->last_put = NULL;
    stats_series_fini(&node->all);
    for (int32_t i = 0; i < node->queue_count; i++)
        stats_series_fini(&node->queues[i]);
    for (int i = 0; node->of_pair != NULL && i < STATS_EVENTS; i++)
        stats_series_fini(&node->of_pair->events[i]);
    if (node->of_pair != NULL)
        stats_series_fini(&node->of_pair->from_disk);
    give_room_back(stats, 1 + node->queue_count + (node->of_pair != NULL ? PAIR_SERIES : 0));
    free(node->of_pair);
    free(node->queues);
    free(node);
}

/* ---- counting -------------------------------------------------------------------------------- */

/* Looks after the next topic, which may be idle, and have been busy. */
static void settle_next(struct stats *stats, int64_t now_ns)
{
    struct slice name;
    void *value;
    if (!map_next(&stats->topics, &stats->settled, &name, &value)) {
        stats->settled = 0;
        return;
    }
    struct stats_node *node = value;
    stats_series_settle(&node->all, now_ns);
    for (int32_t i = 0; i < node->queue_count; i++)
        stats_series_settle(&node->queues[i], now_ns);
}

void stats_put(struct stats *stats, struct slice topic, int32_t queue_id, int32_t bytes,
               int64_t now_ns)
{
    struct stats_slot count = { .messages = 1, .bytes = bytes, .times = 1 };
    topic = folded(stats, topic);
    struct stats_node *node = node_get(stats, &stats->topics, topic, topic.len);
    stats->last_put = NULL;
    if (++stats->puts % PUTS_PER_SETTLING == 0)
        settle_next(stats, now_ns);
    add(&stats->broker[BROKER_PUT], count, now_ns);
    if (node == NULL)
        return;
    if (!node->is_system)
        add(&stats->broker[BROKER_PUT_OF_USERS], count, now_ns);
    add(&node->all, count, now_ns);
    struct stats_series *queue = queue_series(stats, node, queue_id);
    if (queue == NULL)
        return;
    add(queue, count, now_ns);
    stats->last_put = queue;
}

void stats_put_took(struct stats *stats, int64_t took_ms, int64_t now_ns)
{
    if (stats->last_put != NULL && took_ms > 0)
        stats_series_add(stats->last_put, (struct stats_slot){ .took_ms = (uint32_t)took_ms },
                         now_ns);
}

void stats_get(struct stats *stats, const struct stats_got *got, int64_t now_ns)
{
    struct stats_slot count = { .messages = (uint32_t)got->messages,
                                .bytes = got->bytes,
                                .took_ms = (uint32_t)got->took_ms,
                                .times = 1 };
    struct stats_node *node = pair_get(stats, got->topic, got->group);
    add(&stats->broker[BROKER_GOT], count, now_ns);
    if (got->from_disk)
        add(&stats->broker[BROKER_GOT_FROM_DISK], count, now_ns);
    if (node == NULL)
        return;
    if (!node->is_system)
        add(&stats->broker[BROKER_GOT_OF_USERS], count, now_ns);
    add(&node->all, count, now_ns);
    struct pair_series *of_pair = got->from_disk ? pair_series(stats, node) : NULL;
    if (of_pair != NULL)
        add(&of_pair->from_disk, count, now_ns);
    struct stats_series *queue = queue_series(stats, node, got->queue_id);
    if (queue != NULL)
        add(queue, count, now_ns);
}

void stats_count(struct stats *stats, enum stats_event event, struct slice topic,
                 struct slice group, int32_t messages, int64_t now_ns)
{
    assert(event < STATS_EVENTS);
    struct stats_slot count = { .messages = (uint32_t)messages, .times = 1 };
    struct stats_node *node = pair_get(stats, topic, group);
    if (event == STATS_ACKED)
        add(&stats->broker[BROKER_ACKED], count, now_ns);
    else if (event == STATS_CHECKPOINTS)
        add(&stats->broker[BROKER_CHECKPOINTS], count, now_ns);
    struct pair_series *of_pair = node == NULL ? NULL : pair_series(stats, node);
    if (of_pair != NULL)
        add(&of_pair->events[event], count, now_ns);
}

void stats_pause_names(struct stats *stats, bool pause)
{
    stats->is_paused = pause;
    stats->last_put = NULL;
}

/* ---- names and keys -------------------------------------------------------------------------- */

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

/* Up to the next '@'; what is left of *rest begins behind it. */
static struct slice cut_at(struct slice *rest)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, '@', rest->len);
    struct slice part = *rest;
    if (at == NULL) {
        *rest = slice_of(NULL, 0);
        return part;
    }
    part.len = (size_t)(at - rest->data);
    *rest = slice_from(*rest, part.len + 1);
    return part;
}

struct parsed_key {
    struct slice topic;
    struct slice group;
    struct slice queue;
};

static struct parsed_key key_parse(enum key_shape shape, bool by_queue, struct slice key)
{
    struct parsed_key parsed = { 0 };
    if (shape == KEY_QUEUE_TOPIC || (shape == KEY_GET_LATENCY && by_queue))
        parsed.queue = cut_at(&key);
    parsed.topic = cut_at(&key);
    if (shape == KEY_TOPIC_QUEUE || shape == KEY_TOPIC_QUEUE_GROUP)
        parsed.queue = cut_at(&key);
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
        return slice_eq(key, cluster_of(stats)) ? &stats->broker[row->which] : NULL;
    uint8_t bytes[KEY_MAX];
    struct parsed_key parsed = key_parse(row->shape, stats->by_queue, key);
    bool is_pair = row->shape >= KEY_TOPIC_GROUP;
    struct slice name = is_pair ? pair_name(parsed.topic, parsed.group, bytes) : parsed.topic;
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
            view->windows[w] = stats_series_sum(series, (enum stats_window)w, row->column, now_ns);
        return series != NULL;
    }
    return false;
}

static double rate_of(struct stats_node *node, int64_t now_ns)
{
    if (node == NULL || !node->all.is_begun)
        return 0;
    return stats_series_sum(&node->all, STATS_MINUTE, STATS_MESSAGES, now_ns).per_second;
}

double stats_put_rate(struct stats *stats, struct slice topic, int64_t now_ns)
{
    return rate_of(map_get(&stats->topics, folded(stats, topic)), now_ns);
}

double stats_get_rate(struct stats *stats, struct slice topic, struct slice group, int64_t now_ns)
{
    uint8_t bytes[KEY_MAX];
    struct slice name = pair_name(folded(stats, topic), folded(stats, group), bytes);
    return name.len == 0 ? 0 : rate_of(map_get(&stats->pairs, name), now_ns);
}

/* ---- the end of things ----------------------------------------------------------------------- */

static void forget_pairs(struct stats *stats, struct slice (*part)(const struct stats_node *node),
                         struct slice name)
{
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (map_next(&stats->pairs, &cursor, &key, &value)) {
        struct stats_node *node = value;
        if (!slice_eq(part(node), name))
            continue;
        map_remove(&stats->pairs, key);
        node_free(stats, node);
    }
}

void stats_forget_topic(struct stats *stats, struct slice topic)
{
    struct stats_node *node = map_remove(&stats->topics, topic);
    if (node != NULL)
        node_free(stats, node);
    forget_pairs(stats, node_topic, topic);
}

void stats_forget_group(struct stats *stats, struct slice group)
{
    forget_pairs(stats, node_group, group);
}

int stats_new(struct slice cluster, bool by_queue, struct stats **made)
{
    struct stats *stats = calloc(1, sizeof *stats + cluster.len);
    if (stats == NULL)
        return ERR_NO_MEMORY;
    map_init_borrowing(&stats->topics);
    map_init_borrowing(&stats->pairs);
    stats->by_queue = by_queue;
    stats->cluster_len = cluster.len;
    if (cluster.len > 0)
        memcpy(stats->cluster, cluster.data, cluster.len);
    *made = stats;
    return 0;
}

static void free_nodes(struct stats *stats, struct map *nodes)
{
    size_t cursor = 0;
    struct slice key;
    void *node;
    while (map_next(nodes, &cursor, &key, &node))
        node_free(stats, node);
    map_fini(nodes);
}

void stats_free(struct stats *stats)
{
    if (stats == NULL)
        return;
    free_nodes(stats, &stats->topics);
    free_nodes(stats, &stats->pairs);
    for (int i = 0; i < BROKER_SERIES; i++)
        stats_series_fini(&stats->broker[i]);
    assert(stats->series_count == 0);
    free(stats);
}
