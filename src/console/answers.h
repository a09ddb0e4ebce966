/* answers.h - what the api answers, as JSON. Members are named with their units; docs/operating.md
 * lists them.
 *
 * Ownership  lists lie in the arena; their slices are those they were made from.
 * Threads    any, one for each arena and buffer.
 */
#ifndef CONSOLE_ANSWERS_H
#define CONSOLE_ANSWERS_H

#include "wire/body_route.h"
#include "wire/body_slow_requests.h"

struct broker_place {
    struct slice cluster;
    struct slice name;
    int64_t id; /* MASTER_ID: the master of its group */
    struct slice address;
};

/* Every broker of the cluster, masters and slaves, by cluster, name and id. */
const struct broker_place *broker_places(const struct cluster_info *info, struct arena *arena,
                                         int *count);
/* NULL: the cluster has none such. */
const struct broker_place *broker_places_find(const struct broker_place *places, int count,
                                              struct slice name, int64_t id);

void answer_brokers(const struct broker_place *places, int count, struct buf *out);
void answer_slow(const struct broker_place *place, const struct slow_requests *body,
                 struct buf *out);

#endif
