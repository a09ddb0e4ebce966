/* scenario_overload.c - more than the broker can take, and what becomes of everyone meanwhile.
 *
 *     peak            closed loop: what it can take
 *     at 70 %         open loop at 70 % of that: how it answers when all is well
 *     overload        open loop at --factor percent of the peak; latencies count from the write,
 *                     and nothing is put while the socket is full
 *     beside          one patient connection, meanwhile: 100 messages a second
 *     after           at 70 % again, from the moment the overload ends
 */
#include <stdlib.h>

#include "bench/beside.h"
#include "bench/run.h"

enum { PEAK, NORMAL, OVERLOAD, BESIDE, AFTER };
enum { BESIDE_RATE = 100, NORMAL_PERCENT = 70 };
/* Of the load that is too much. What waits in the sender's own kernel is neither the broker's nor
 * on the wire; loopback, with segments of 64 KiB, would let megabytes lie there. */
enum { SEND_BUFFER_BYTES = 131072 };

static int measure_overload(struct run *run, const struct run_broker *broker, double peak_per_s,
                            struct round **rounds)
{
    struct load_plan plan = run_plan(run, broker), innocent = plan;
    plan.rate_per_s = (int64_t)(peak_per_s * run->settings.factor_percent / 100);
    plan.outstanding = LOAD_OUTSTANDING_MAX / 4;
    plan.counts_from_send = true;
    plan.send_buffer_bytes = SEND_BUFFER_BYTES;
    innocent.connections = 1;
    innocent.outstanding = 64;
    innocent.rate_per_s = BESIDE_RATE;
    struct beside beside;
    int err = beside_start(&beside, &innocent, &rounds[BESIDE]->load);
    if (err != 0)
        return run_complain(run, broker, "a thread beside", err);
    err = run_load(run, broker, &plan, rounds[OVERLOAD]);
    int beside_err = beside_join(&beside);
    if (err == 0 && beside_err != 0)
        err = run_complain(run, broker, rounds[BESIDE]->load.why, beside_err);
    return err;
}

static int measure(struct run *run, const struct run_broker *broker, struct round **rounds)
{
    struct load_plan plan = run_plan(run, broker);
    plan.rate_per_s = 0;
    int err = run_load(run, broker, &plan, rounds[PEAK]);
    if (err != 0)
        return err;
    double peak_per_s = load_rate(&rounds[PEAK]->load);
    plan.rate_per_s = (int64_t)(peak_per_s * NORMAL_PERCENT / 100);
    if (plan.rate_per_s == 0)
        return run_complain(run, broker, "nothing was accepted at its peak", ERR_INVALID);
    plan.outstanding = LOAD_OUTSTANDING_MAX / 4;
    err = run_load(run, broker, &plan, rounds[NORMAL]);
    if (err == 0)
        err = measure_overload(run, broker, peak_per_s, rounds);
    if (err == 0)
        err = run_load(run, broker, &plan, rounds[AFTER]);
    return err;
}

static const char *const variants[] = {
    [PEAK] = " peak",        [NORMAL] = " at 70 %", [OVERLOAD] = " overload",
    [BESIDE] = " beside it", [AFTER] = " after",
};

const struct scenario scenario_overload = {
    .name = "overload",
    .text = "goodput, refusals and innocent connections at a multiple of the peak",
    .help =
        "Finds the peak of the given connections in closed loop, offers --factor percent of it,\n"
        "then 70 % of it, while one more connection sends 100 messages a second.",
    .variants = variants,
    .variant_count = 5,
    .measures_floor = true,
    .measure = measure,
};
