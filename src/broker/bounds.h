/* bounds.h - what grows from outside in a broker, and how far: one row each.
 *
 * Whoever holds to a limit takes it from here or has it in his header; the rows say what all of
 * them together may take, which the log tells at start. Topics, groups and offsets have no row:
 * they are as many as operators and clients make. Nor has the page cache, which the kernel takes
 * back.
 *
 * Units      bytes. What one takes is measured (tests/bench/scale) or counted, and rounded up.
 * Threads    any: no state.
 */
#ifndef BROKER_BOUNDS_H
#define BROKER_BOUNDS_H

#include "broker/broker_conf.h"

enum {
    BOUND_CONNECTIONS = 65536,
    BOUND_REQUESTS_PER_CONNECTION = 16384, /* parked ones count: a client has one per queue */
    BOUND_PARKED_PULLS = 100000,
    BOUND_FILTER_BYTES = 64 << 20, /* of parked pulls, and as much of parked pops */
    BOUND_POP_CHECKPOINTS = 2000000,
    BOUND_CLIENT_BYTES = 128 << 20, /* groups, members and subscriptions of live clients */
};

struct bound {
    const char *what;
    int64_t most;
    int64_t bytes_each;
    bool is_per_connection;
};

enum { BOUNDS_MAX = 20 };
/* How many rows. */
int broker_bounds(const struct broker_conf *conf, struct bound rows[BOUNDS_MAX]);
/* All rows of the broker together, or all of one connection. */
int64_t bounds_sum(const struct bound *rows, int count, bool per_connection);

#endif
