/* body_stats.h - GET_TOPIC_STATS_INFO and GET_CONSUME_STATS: figures by queue, in maps whose keys
 * are objects; VIEW_BROKER_STATS_DATA: what was counted lately.
 *
 * Contract   that of all bodies, in body_data_version.h.
 */
#ifndef WIRE_BODY_STATS_H
#define WIRE_BODY_STATS_H

#include "wire/body_queue.h"

struct topic_queue_stats {
    struct message_queue queue;
    int64_t min_offset;
    int64_t max_offset;
    int64_t last_update_timestamp; /* ms; 0: empty */
};
struct topic_stats {
    const struct topic_queue_stats *queues;
    int queue_count;
    double topic_put_tps;
};
void topic_stats_encode(const struct topic_stats *stats, struct buf *out);

struct consume_queue_stats {
    struct message_queue queue;
    int64_t broker_offset;
    int64_t consumer_offset;
    int64_t pull_offset;
    int64_t last_timestamp; /* ms: store time of the message before consumer_offset; 0: none */
};
struct consume_stats {
    struct consume_queue_stats *queues;
    int queue_count;
    double consume_tps;
};
void consume_stats_encode(const struct consume_stats *stats, struct buf *out);
void consume_stats_to_json(const struct consume_stats *stats, struct json_out *j);

/* VIEW_BROKER_STATS_DATA */
struct window_stats {
    int64_t sum;
    double tps;    /* a second */
    double avg_pt; /* each time it was counted */
};
struct broker_stats {
    struct window_stats minute;
    struct window_stats hour;
    struct window_stats day;
};
void broker_stats_encode(const struct broker_stats *stats, struct buf *out);

#endif
