/* stats_internal.h - what is counted (stats.c), for who looks it up by the names of tools
 * (stats_names.c).
 *
 *     topics  "orders"    -> node: all, queues[0..], is_system
 *     pairs   "orders@g1" -> node: all, queues[0..], of_pair
 *     broker  the same for all of them together
 *
 * Threads    the broker's loop.
 */
#ifndef BROKER_STATS_INTERNAL_H
#define BROKER_STATS_INTERNAL_H

#include <assert.h>

#include "base/map.h"
#include "broker/figures/stats.h"

enum { STATS_KEY_MAX = 1024 };

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
static_assert(STATS_KEY_MAX <= UINT16_MAX, "lengths of names fit");

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
    struct slab *slab;             /* what series have beside themselves */
    int series_count;              /* of the nodes, with those there is room for */
    uint32_t forgotten;            /* nodes that were freed */
    struct loop *loop;
    struct loop_timer settling;
    size_t settled;      /* cursor in topics or pairs: those before it have been looked after */
    bool settles_pairs;  /* topics are done */
    bool some_is_spread; /* since the last round something was seen beside a series */
    bool by_queue;
    bool folds_light;
    bool is_full;   /* said once */
    bool is_paused; /* names are not counted */
    size_t cluster_len;
    uint8_t cluster[];
};

static inline struct slice stats_cluster(const struct stats *stats)
{
    return slice_of(stats->cluster, stats->cluster_len);
}

/* "topic@group" in `bytes`; of no length when it is longer, or one of them is empty. */
struct slice stats_pair_name(struct slice topic, struct slice group, uint8_t bytes[STATS_KEY_MAX]);

#endif
