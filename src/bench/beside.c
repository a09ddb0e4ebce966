#include "bench/beside.h"

#include "base/thread.h"

static void *beside_main(void *arg)
{
    struct beside *beside = arg;
    beside->err = load_run(beside->plan, beside->result);
    return NULL;
}

int beside_start(struct beside *beside, const struct load_plan *plan, struct load_result *result)
{
    *beside = (struct beside){ .plan = plan, .result = result };
    return thread_start(&beside->thread, "load", beside_main, beside);
}

int beside_join(struct beside *beside)
{
    pthread_join(beside->thread, NULL);
    return beside->err;
}
