/* stats.c - what came and went is counted, by topic, by topic and group, and for the broker; drawn
 * in stats_internal.h.
 *
 * The series of a queue or an event comes with its first count; those of queues with room for
 * their neighbours, which counts as theirs.
 */
#include "broker/figures/stats_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "wire/multi_dispatch.h"
#include "wire/names.h"

enum { QUEUES_MAX = 65536 };
/* So many topics and groups are looked after at a time, and all of them again after a slot. */
enum { SETTLED_AT_ONCE = 256, SETTLE_MS = 100, SETTLE_AGAIN_MS = 10000 };

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

static void add(struct stats *stats, struct stats_series *series, const struct stats_slot *count,
                int64_t now_ns)
{
    if (!series->is_begun)
        stats_series_init(series, now_ns);
    stats_series_add(series, stats->slab, count, now_ns);
}

/* Of a node's series. */
static void add_named(struct stats *stats, struct stats_series *series,
                      const struct stats_slot *count, int64_t now_ns)
{
    add(stats, series, count, now_ns);
    if (series->others == NULL)
        return;
    stats->some_is_spread = true; /* it may have been looked at already */
    if (stats->settling.at == 0)
        loop_timer_start(stats->loop, &stats->settling, SETTLE_AGAIN_MS);
}

static struct stats_node *node_new(const struct stats *stats, struct slice name, size_t topic_len)
{
    assert(topic_len <= name.len && name.len <= STATS_KEY_MAX);
    struct stats_node *node = memory_zeroed(1, sizeof *node + name.len);
    memcpy(node->name, name.data, name.len);
    node->name_len = (uint16_t)name.len;
    node->topic_len = (uint16_t)topic_len;
    node->is_system = topic_is_system(node_topic(node), stats_cluster(stats));
    return node;
}

/* NULL: there is no room, the name is none, or names are not counted. */
static struct stats_node *node_get(struct stats *stats, struct map *nodes, struct slice name,
                                   size_t topic_len)
{
    if (stats->is_paused)
        return NULL;
    struct stats_node *node = map_get(nodes, name);
    if (node != NULL || topic_len == 0 || name.len > STATS_KEY_MAX || !has_room(stats, 1))
        return node;
    node = node_new(stats, name, topic_len);
    map_put(nodes, slice_of(node->name, node->name_len), node);
    stats->series_count++;
    return node;
}

struct slice stats_pair_name(struct slice topic, struct slice group, uint8_t bytes[STATS_KEY_MAX])
{
    if (topic.len == 0 || group.len == 0 || topic.len + 1 + group.len > STATS_KEY_MAX)
        return slice_of(NULL, 0);
    memcpy(bytes, topic.data, topic.len);
    bytes[topic.len] = '@';
    memcpy(bytes + topic.len + 1, group.data, group.len);
    return slice_of(bytes, topic.len + 1 + group.len);
}

static struct stats_node *pair_get(struct stats *stats, struct slice topic, struct slice group)
{
    uint8_t bytes[STATS_KEY_MAX];
    topic = folded(stats, topic);
    struct slice name = stats_pair_name(topic, folded(stats, group), bytes);
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

/* All series of a node. */
static void each_series(struct stats *stats, struct stats_node *node,
                        void (*each)(struct stats *stats, struct stats_series *series,
                                     int64_t now_ns),
                        int64_t now_ns)
{
    each(stats, &node->all, now_ns);
    for (int32_t i = 0; i < node->queue_count; i++)
        each(stats, &node->queues[i], now_ns);
    for (int i = 0; node->of_pair != NULL && i < STATS_EVENTS; i++)
        each(stats, &node->of_pair->events[i], now_ns);
    if (node->of_pair != NULL)
        each(stats, &node->of_pair->from_disk, now_ns);
}

static void end_series(struct stats *stats, struct stats_series *series, int64_t now_ns)
{
    (void)now_ns;
    stats_series_fini(series, stats->slab);
}

static void node_free(struct stats *stats, struct stats_node *node)
{
    stats->last_put = NULL;
    stats->forgotten++;
    each_series(stats, node, end_series, 0);
    give_room_back(stats, 1 + node->queue_count + (node->of_pair != NULL ? PAIR_SERIES : 0));
    free(node->of_pair);
    free(node->queues);
    free(node);
}

/* ---- those that are idle --------------------------------------------------------------------- */

static void settle_series(struct stats *stats, struct stats_series *series, int64_t now_ns)
{
    stats_series_settle(series, stats->slab, now_ns);
    stats->some_is_spread |= series->others != NULL;
}

/* Looks after the next one; false: there is none. */
static bool settle_next(struct stats *stats, int64_t now_ns)
{
    struct slice name;
    void *node;
    struct map *nodes = stats->settles_pairs ? &stats->pairs : &stats->topics;
    if (map_next(nodes, &stats->settled, &name, &node)) {
        each_series(stats, node, settle_series, now_ns);
        return true;
    }
    stats->settled = 0;
    stats->settles_pairs = !stats->settles_pairs;
    return stats->settles_pairs;
}

bool stats_settle(struct stats *stats, int64_t now_ns)
{
    bool has_more = true;
    for (int i = 0; i < SETTLED_AT_ONCE && has_more; i++)
        has_more = settle_next(stats, now_ns);
    slab_trim(stats->slab);
    if (has_more)
        return true;
    bool some_is_spread = stats->some_is_spread;
    stats->some_is_spread = false;
    return some_is_spread;
}

static void settle_on(struct loop_timer *timer)
{
    struct stats *stats = (struct stats *)((char *)timer - offsetof(struct stats, settling));
    if (!stats_settle(stats, loop_now_ns(stats->loop)))
        return;
    bool begins_anew = stats->settled == 0 && !stats->settles_pairs;
    loop_timer_start(stats->loop, timer, begins_anew ? SETTLE_AGAIN_MS : SETTLE_MS);
}

/* ---- counting -------------------------------------------------------------------------------- */

/* As node_get(). */
static struct stats_node *topic_get(struct stats *stats, struct stats_place *place,
                                    struct slice topic)
{
    if (stats->is_paused)
        return NULL;
    if (place != NULL && place->is_known && place->forgotten == stats->forgotten)
        return place->node;
    topic = folded(stats, topic);
    struct stats_node *node = node_get(stats, &stats->topics, topic, topic.len);
    if (place != NULL)
        *place = (struct stats_place){ node, stats->forgotten, true };
    return node;
}

void stats_put_is_near(const struct stats_place *place)
{
    if (place->node == NULL)
        return;
    __builtin_prefetch(place->node);
    __builtin_prefetch(place->node->name);
}

void stats_put(struct stats *stats, struct stats_place *place, struct slice topic, int32_t queue_id,
               int32_t bytes, int64_t now_ns)
{
    const struct stats_slot count = { .messages = 1, .bytes = bytes, .times = 1 };
    struct stats_node *node = topic_get(stats, place, topic);
    if (node != NULL && queue_id < node->queue_count)
        __builtin_prefetch(&node->queues[queue_id], 1);
    stats->last_put = NULL;
    add(stats, &stats->broker[BROKER_PUT], &count, now_ns);
    if (node == NULL)
        return;
    if (!node->is_system)
        add(stats, &stats->broker[BROKER_PUT_OF_USERS], &count, now_ns);
    add_named(stats, &node->all, &count, now_ns);
    struct stats_series *queue = queue_series(stats, node, queue_id);
    if (queue == NULL)
        return;
    add_named(stats, queue, &count, now_ns);
    stats->last_put = queue;
}

void stats_put_took(struct stats *stats, int64_t took_ms, int64_t now_ns)
{
    if (stats->last_put != NULL && took_ms > 0)
        stats_series_add(stats->last_put, stats->slab,
                         &(struct stats_slot){ .took_ms = (uint32_t)took_ms }, now_ns);
}

void stats_get(struct stats *stats, const struct stats_got *got, int64_t now_ns)
{
    const struct stats_slot count = { .messages = (uint32_t)got->messages,
                                      .bytes = got->bytes,
                                      .took_ms = (uint32_t)got->took_ms,
                                      .times = 1 };
    struct stats_node *node = pair_get(stats, got->topic, got->group);
    add(stats, &stats->broker[BROKER_GOT], &count, now_ns);
    if (got->from_disk)
        add(stats, &stats->broker[BROKER_GOT_FROM_DISK], &count, now_ns);
    if (node == NULL)
        return;
    if (!node->is_system)
        add(stats, &stats->broker[BROKER_GOT_OF_USERS], &count, now_ns);
    add_named(stats, &node->all, &count, now_ns);
    struct pair_series *of_pair = got->from_disk ? pair_series(stats, node) : NULL;
    if (of_pair != NULL)
        add_named(stats, &of_pair->from_disk, &count, now_ns);
    struct stats_series *queue = queue_series(stats, node, got->queue_id);
    if (queue != NULL)
        add_named(stats, queue, &count, now_ns);
}

void stats_count(struct stats *stats, enum stats_event event, struct slice topic,
                 struct slice group, int32_t messages, int64_t now_ns)
{
    assert(event < STATS_EVENTS);
    const struct stats_slot count = { .messages = (uint32_t)messages, .times = 1 };
    struct stats_node *node = pair_get(stats, topic, group);
    if (event == STATS_ACKED)
        add(stats, &stats->broker[BROKER_ACKED], &count, now_ns);
    else if (event == STATS_CHECKPOINTS)
        add(stats, &stats->broker[BROKER_CHECKPOINTS], &count, now_ns);
    struct pair_series *of_pair = node == NULL ? NULL : pair_series(stats, node);
    if (of_pair != NULL)
        add_named(stats, &of_pair->events[event], &count, now_ns);
}

void stats_pause_names(struct stats *stats, bool pause)
{
    stats->is_paused = pause;
    stats->last_put = NULL;
}

/* ---- rates ----------------------------------------------------------------------------------- */

static double rate_of(struct stats *stats, struct stats_node *node, int64_t now_ns)
{
    if (node == NULL || !node->all.is_begun)
        return 0;
    return stats_series_sum(&node->all, stats->slab, STATS_MINUTE, STATS_MESSAGES, now_ns)
        .per_second;
}

double stats_put_rate(struct stats *stats, struct slice topic, int64_t now_ns)
{
    return rate_of(stats, map_get(&stats->topics, folded(stats, topic)), now_ns);
}

double stats_get_rate(struct stats *stats, struct slice topic, struct slice group, int64_t now_ns)
{
    uint8_t bytes[STATS_KEY_MAX];
    struct slice name = stats_pair_name(folded(stats, topic), folded(stats, group), bytes);
    return name.len == 0 ? 0 : rate_of(stats, map_get(&stats->pairs, name), now_ns);
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

int stats_new(struct slice cluster, bool by_queue, struct loop *loop, struct stats **made)
{
    struct stats *stats = calloc(1, sizeof *stats + cluster.len);
    if (stats == NULL)
        return ERR_NO_MEMORY;
    stats->slab = slab_new();
    if (stats->slab == NULL) {
        free(stats);
        return ERR_NO_MEMORY;
    }
    stats->loop = loop;
    loop_timer_init(&stats->settling, settle_on);
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
        stats_series_fini(&stats->broker[i], stats->slab);
    assert(stats->series_count == 0);
    loop_timer_stop(&stats->settling);
    slab_free(stats->slab);
    free(stats);
}
