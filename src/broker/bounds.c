#include "broker/bounds.h"

#include <assert.h>

#include "broker/figures/stats.h"
#include "broker/groups/queue_locks.h"
#include "broker/guard/limits.h"
#include "delivery/delivery.h"
#include "meta/meta.h"
#include "remoting/remoting.h"

/* A request with the first memory of its arena. */
enum { REQUEST_BYTES = 4608 };

int broker_bounds(const struct broker_conf *conf, struct bound rows[BOUNDS_MAX])
{
    const struct bound table[] = {
        { "live clients", 1, BOUND_CLIENT_BYTES, false },
        { "SQL filters of groups", 1, FILTERS_BYTES_MAX, false },
        { "parked pulls", BOUND_PARKED_PULLS, REQUEST_BYTES, false },
        { "parked pops", conf->max_pop_polling_size, REQUEST_BYTES, false },
        { "filters of parked pulls and pops", 2, BOUND_FILTER_BYTES, false },
        { "checkpoints of pops", BOUND_POP_CHECKPOINTS, 120, false },
        { "acks before their checkpoints", POP_EARLY_MAX, 384, false },
        { "timers of the next seconds", TIMERS_LOADED_MAX, 32, false },
        { "ends of transactions", 1, TXN_ENDS_BYTES_MAX, false },
        { "series of statistics", STATS_SERIES_MAX, 384, false },
        { "locks of queues", QUEUE_LOCKS_MAX, 192, false },
        { "topics and groups with rates", 2 * LIMITS_NAMES_MAX, 192, false },
        { "topics whose waiting messages are counted", 2 * TOPIC_COUNTS_MAX, 192, false },
        { "keys of a compaction", 1, conf->compaction_keys_bytes, false },
        { "requests", BOUND_REQUESTS_PER_CONNECTION, REQUEST_BYTES, true },
        { "input and output", 1, server_peer_bytes_max(), true },
    };
    enum { COUNT = sizeof table / sizeof table[0] };
    static_assert((int)COUNT <= (int)BOUNDS_MAX, "there is room for the rows");
    for (int i = 0; i < COUNT; i++)
        rows[i] = table[i];
    return COUNT;
}

int64_t bounds_sum(const struct bound *rows, int count, bool per_connection)
{
    int64_t sum = 0;
    for (int i = 0; i < count; i++)
        if (rows[i].is_per_connection == per_connection)
            sum += rows[i].most * rows[i].bytes_each;
    return sum;
}
