/* topic_counts.h - how many messages wait for each topic: config/timermetrics (timers) and
 * config/transactionMetrics (half messages), which differ in one word.
 *
 * Threads one (the loop's). Bounds: TOPIC_COUNTS_MAX topics, others are not counted.
 */
#ifndef DELIVERY_TOPIC_COUNTS_H
#define DELIVERY_TOPIC_COUNTS_H

#include "base/bytes.h"
#include "base/map.h"
#include "delivery/bounds.h"
#include "wire/body_data_version.h"

struct topic_counts {
    const char *member;  /* of the file that has them: "timingCount" */
    struct map by_topic; /* values: struct topic_count */
    struct data_version version;
    bool is_changed; /* since topic_counts_text() */
};

/* None yet. `member` stays the caller's. */
void topic_counts_init(struct topic_counts *counts, const char *member);
/* As init, with what `path` holds; a file that is damaged is as none, counts are no more than a
 * help. */
void topic_counts_open(struct topic_counts *counts, const char *member, const char *path);
void topic_counts_fini(struct topic_counts *counts);

void topic_counts_add(struct topic_counts *counts, struct slice topic, int64_t delta,
                      int64_t now_ms);
/* Appends the file's text. */
void topic_counts_text(struct topic_counts *counts, struct buf *out);

#endif
