/* beside.h - a load that runs on a thread of its own while another is measured.
 *
 * Ownership  plan and result are borrowed until beside_join().
 * Threads    start and join: one caller.
 * Errors     0, or a negative code of base/err.h.
 */
#ifndef BENCH_BESIDE_H
#define BENCH_BESIDE_H

#include <pthread.h>

#include "bench/load.h"

struct beside {
    const struct load_plan *plan;
    struct load_result *result;
    pthread_t thread;
    int err;
};

MUST_CHECK int beside_start(struct beside *beside, const struct load_plan *plan,
                            struct load_result *result);
/* What load_run() gave. */
MUST_CHECK int beside_join(struct beside *beside);

#endif
