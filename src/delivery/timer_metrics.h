/* timer_metrics.h - how many messages wait for each topic: the file `config/timermetrics`.
 *
 * Threads one (the loop's). Bounds: TIMER_METRICS_MAX topics, others are not counted.
 */
#ifndef DELIVERY_TIMER_METRICS_H
#define DELIVERY_TIMER_METRICS_H

#include "base/bytes.h"
#include "base/map.h"
#include "wire/body_data_version.h"

enum { TIMER_METRICS_MAX = 100000 };

struct timer_metrics {
    struct map by_topic; /* values: struct timing */
    struct data_version version;
    bool is_changed; /* since timer_metrics_text() */
};

/* What `path` holds; a file that is damaged is as none, counts are no more than a help. */
void timer_metrics_open(struct timer_metrics *metrics, const char *path);
void timer_metrics_close(struct timer_metrics *metrics);

void timer_metrics_add(struct timer_metrics *metrics, struct slice topic, int64_t delta,
                       int64_t now_ms);
int64_t timer_metrics_of(const struct timer_metrics *metrics, struct slice topic);
/* Appends the file's text, which is also the body of an answer (code 61). */
void timer_metrics_text(struct timer_metrics *metrics, struct buf *out);

#endif
