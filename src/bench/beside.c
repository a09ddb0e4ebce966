#include "bench/beside.h"

static void *beside_main(void *arg)
{
    struct beside *beside = arg;
    beside->err = load_run(beside->plan, beside->result);
    return NULL;
}

int beside_start(struct beside *beside, const struct load_plan *plan, struct load_result *result)
{
    *beside = (struct beside){ .plan = plan, .result = result };
    int cause = pthread_create(&beside->thread, NULL, beside_main, beside);
    return cause == 0 ? 0 : err_from_errno(cause);
}

int beside_join(struct beside *beside)
{
    pthread_join(beside->thread, NULL);
    return beside->err;
}
