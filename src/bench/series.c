#include "bench/series.h"

#include <assert.h>
#include <string.h>

/* Shorter slots would hold too few messages to have percentiles. */
#define SLOT_LEAST_NS INT64_C(10000000)

void series_init(struct series *s, int64_t start_ns, int64_t duration_ns)
{
    assert(duration_ns > 0);
    memset(s, 0, sizeof *s);
    s->start_ns = start_ns;
    s->slot_ns = (duration_ns + SERIES_SLOTS - 1) / SERIES_SLOTS;
    if (s->slot_ns < SLOT_LEAST_NS)
        s->slot_ns = SLOT_LEAST_NS;
}

static void complete_slot(struct series *s)
{
    const struct histogram *h = &s->filling;
    s->slots[s->slot_count++] = (struct series_slot){
        .count = h->count,
        .p50_ns = histogram_percentile(h, 50),
        .p90_ns = histogram_percentile(h, 90),
        .p99_ns = histogram_percentile(h, 99),
        .p99_9_ns = histogram_percentile(h, 99.9),
        .max_ns = h->max_ns,
    };
    memset(&s->filling, 0, sizeof s->filling);
}

void series_record(struct series *s, int64_t at_ns, int64_t elapsed_ns)
{
    int64_t slot = (at_ns - s->start_ns) / s->slot_ns;
    if (slot > SERIES_SLOTS - 1)
        slot = SERIES_SLOTS - 1;
    while (s->slot_count < slot)
        complete_slot(s);
    histogram_record(&s->filling, elapsed_ns);
}

void series_end(struct series *s)
{
    if (s->filling.count > 0)
        complete_slot(s);
}
