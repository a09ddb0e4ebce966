/* stats.h - what came and went by topic, queue and group, under the names and keys that tools ask
 * for (VIEW_BROKER_STATS_DATA, 315).
 *
 *     a message is stored ──> its topic, its queue, the broker
 *     messages are pulled ──> topic@group, the queue there, the broker
 *
 * Each thing counted has a series (stats_series.h). Counting costs one look-up. What is idle is
 * looked after by a timer, as long as it has more than its series.
 *
 * Units      times: monotonic, ns.
 * Ownership  names are copied.
 * Threads    the broker's loop.
 * Bounds     STATS_SERIES_MAX series; what is beyond is not counted, with one log line.
 * Errors     stats_new(): ERR_NO_MEMORY.
 */
#ifndef BROKER_STATS_H
#define BROKER_STATS_H

#include "base/err.h"
#include "base/slice.h"
#include "broker/figures/stats_series.h"
#include "net/loop.h"

enum { STATS_SERIES_MAX = 65536 };

struct stats;

/* `by_queue`: also by queue (enableDetailStat). `cluster` is the broker's key. */
MUST_CHECK int stats_new(struct slice cluster, bool by_queue, struct loop *loop,
                         struct stats **stats);
void stats_free(struct stats *stats);
/* From now on all light queues are counted as one topic, %LMQ%, and all their groups as one. */
void stats_fold_light(struct stats *stats);

/* Where a topic is counted, for who has many messages of it: zeroed at first, and then of that
 * topic. Valid as long as the statistics are. */
struct stats_place {
    struct stats_node *node; /* NULL: there was no room */
    uint32_t forgotten;      /* that many had been when it was found: another number, look again */
    bool is_known;
};

/* A message to this place is about to be counted: the processor fetches meanwhile what that will
 * look at. */
void stats_put_is_near(const struct stats_place *place);
/* A message was stored. `place` may be NULL. */
void stats_put(struct stats *stats, struct stats_place *place, struct slice topic, int32_t queue_id,
               int32_t bytes, int64_t now_ns);
/* The one counted last took so long from its arrival. */
void stats_put_took(struct stats *stats, int64_t took_ms, int64_t now_ns);

/* Messages were handed to a group. */
struct stats_got {
    struct slice topic;
    struct slice group;
    int32_t queue_id;
    int32_t messages;
    int64_t bytes;
    int64_t took_ms;
    bool from_disk;
};
void stats_get(struct stats *stats, const struct stats_got *got, int64_t now_ns);

/* What else happens between a topic and a group. */
enum stats_event {
    STATS_SENT_BACK,   /* could not be handled */
    STATS_ACKED,       /* popped and acknowledged */
    STATS_CHECKPOINTS, /* popped, to be acknowledged */
    STATS_EVENTS
};
void stats_count(struct stats *stats, enum stats_event event, struct slice topic,
                 struct slice group, int32_t messages, int64_t now_ns);

struct stats_view {
    struct stats_sum windows[STATS_WINDOWS];
};
/* False: no such name, or nothing was counted under the key. */
bool stats_find(struct stats *stats, struct slice name, struct slice key, int64_t now_ns,
                struct stats_view *view);

/* Messages a second in the last minute; 0 when nothing was counted. */
double stats_put_rate(struct stats *stats, struct slice topic, int64_t now_ns);
double stats_get_rate(struct stats *stats, struct slice topic, struct slice group, int64_t now_ns);

/* While `pause` only the broker's own series go on: what is counted by topic, group and queue has a
 * gap then. */
void stats_pause_names(struct stats *stats, bool pause);

/* What the timer does: looks after some topics and groups, in turn. False: all were looked at, and
 * none has anything beside its series any more. */
bool stats_settle(struct stats *stats, int64_t now_ns);

void stats_forget_topic(struct stats *stats, struct slice topic);
void stats_forget_group(struct stats *stats, struct slice group);

#endif
