/* traffic.c - how many messages a second came and went lately. */
#include "broker/figures/traffic.h"

#include <assert.h>
#include <string.h>

enum { DAY_S = 86400 };

void traffic_init(struct traffic *traffic, int64_t seconds, int64_t now_ns)
{
    memset(traffic, 0, sizeof *traffic);
    traffic->next_morning = now_ns / 1000000000 + seconds;
}

void traffic_advance(struct traffic *traffic, int64_t now_ns)
{
    int64_t second = now_ns / 1000000000;
    while (second >= traffic->next_morning) {
        memcpy(traffic->yesterday, traffic->today, sizeof traffic->today);
        memcpy(traffic->today, traffic->totals, sizeof traffic->totals);
        traffic->next_morning += DAY_S;
    }
}

void traffic_count(struct traffic *traffic, enum traffic_kind kind, uint32_t count, int64_t now_ns)
{
    int64_t second = now_ns / 1000000000;
    traffic_advance(traffic, now_ns);
    size_t at = (size_t)(second % TRAFFIC_SECONDS);
    if (traffic->slots[at].second != second) {
        traffic->slots[at].second = second;
        memset(traffic->slots[at].counts, 0, sizeof traffic->slots[at].counts);
    }
    traffic->slots[at].counts[kind] += count;
    traffic->totals[kind] += count;
}

double traffic_rate(const struct traffic *traffic, enum traffic_kind kind, int seconds,
                    int64_t now_ns)
{
    assert(seconds >= 1 && seconds < TRAFFIC_SECONDS);
    int64_t now_second = now_ns / 1000000000;
    uint64_t total = 0;
    for (int64_t second = now_second - seconds; second < now_second; second++) {
        if (second < 0)
            continue;
        size_t at = (size_t)(second % TRAFFIC_SECONDS);
        if (traffic->slots[at].second == second)
            total += traffic->slots[at].counts[kind];
    }
    return (double)total / seconds;
}
