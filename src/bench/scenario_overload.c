/* scenario_overload.c - more than the broker can take, and what becomes of everyone meanwhile.
 *
 *     peak            closed loop: what it can take
 *     at 70 %         open loop at 70 % of that: how it answers when all is well
 *     overload        open loop at --factor percent of the peak; latencies count from the write,
 *                     and nothing is put while the socket is full
 *     beside          one patient connection, meanwhile: 100 messages a second
 *     after           at 70 % again, from the moment the overload ends
 *     peak again      what it can take by then: pages of memory become dearer and cheaper within
 *                     seconds, so that the overload is compared with what was before and behind it
 */
#include <stdlib.h>

#include "bench/beside.h"
#include "bench/run.h"

enum { PEAK, NORMAL, OVERLOAD, BESIDE, AFTER, PEAK_AGAIN };
enum { BESIDE_RATE = 100, NORMAL_PERCENT = 70 };
/* Of what is in open loop. What waits in the sender's own kernel is neither the broker's nor on the
 * wire; and on one machine it is sent by whoever reads at the other end: the broker would work for
 * its clients. */
enum { UNSENT_BYTES = 16384 };

static int measure_overload(struct run *run, const struct run_broker *broker, double peak_per_s,
                            struct round **rounds)
{
    struct load_plan plan = run_plan(run, broker), innocent = plan;
    plan.rate_per_s = (int64_t)(peak_per_s * run->settings.factor_percent / 100);
    plan.outstanding = LOAD_OUTSTANDING_MAX / 4;
    plan.counts_from_send = true;
    plan.unsent_bytes = UNSENT_BYTES;
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
    struct load_plan closed = run_plan(run, broker), normal;
    closed.rate_per_s = 0;
    int err = run_load(run, broker, &closed, rounds[PEAK]);
    if (err != 0)
        return err;
    double peak_per_s = load_rate(&rounds[PEAK]->load);
    normal = closed;
    normal.rate_per_s = (int64_t)(peak_per_s * NORMAL_PERCENT / 100);
    if (normal.rate_per_s == 0)
        return run_complain(run, broker, "nothing was accepted at its peak", ERR_INVALID);
    normal.outstanding = LOAD_OUTSTANDING_MAX / 4;
    normal.unsent_bytes = UNSENT_BYTES;
    err = run_load(run, broker, &normal, rounds[NORMAL]);
    if (err == 0)
        err = measure_overload(run, broker, peak_per_s, rounds);
    if (err == 0)
        err = run_load(run, broker, &normal, rounds[AFTER]);
    if (err == 0)
        err = run_load(run, broker, &closed, rounds[PEAK_AGAIN]);
    return err;
}

static const char *const variants[] = {
    [PEAK] = " peak",        [NORMAL] = " at 70 %", [OVERLOAD] = " overload",
    [BESIDE] = " beside it", [AFTER] = " after",    [PEAK_AGAIN] = " peak again",
};

const struct scenario scenario_overload = {
    .name = "overload",
    .text = "goodput, refusals and innocent connections at a multiple of the peak",
    .help =
        "Finds the peak of the given connections in closed loop, offers 70 % of it, then --factor\n"
        "percent while one more connection sends 100 messages a second, 70 % and the peak again.",
    .variants = variants,
    .variant_count = 6,
    .measures_floor = true,
    .measure = measure,
};
