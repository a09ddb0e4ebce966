/* put_times.c - how long puts took. */
#include "broker/figures/put_times.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/memory.h"

#define WINDOW_NS (60 * INT64_C(1000000000))

struct put_times {
    struct histogram windows[2];  /* by number of the minute */
    struct histogram_notes notes; /* of the window */
    int64_t window;               /* the minute of the latest look */
    struct histogram both;        /* merged to be read */
    struct put_totals totals;
};

struct put_times *put_times_new(int64_t now_ns)
{
    struct put_times *times = memory_zeroed(1, sizeof *times);
    times->window = now_ns / WINDOW_NS;
    return times;
}

static void advance(struct put_times *times, int64_t now_ns)
{
    int64_t window = now_ns / WINDOW_NS;
    if (window == times->window)
        return;
    histogram_write_notes(&times->notes);
    memset(&times->windows[window % 2], 0, sizeof times->windows[0]);
    if (window > times->window + 1)
        memset(&times->windows[(window + 1) % 2], 0, sizeof times->windows[0]);
    times->window = window;
}

void put_times_record(struct put_times *times, const struct puts *puts, int64_t now_ns)
{
    struct put_totals *totals = &times->totals;
    advance(times, now_ns);
    histogram_note(&times->notes, &times->windows[times->window % 2], puts->elapsed_ns,
                   (uint64_t)puts->count);
    totals->messages += puts->messages;
    totals->bytes += puts->bytes;
    if (puts->elapsed_ns > totals->max_ns)
        totals->max_ns = puts->elapsed_ns;
}

void put_times_failed(struct put_times *times)
{
    times->totals.failed++;
}

const struct put_totals *put_times_totals(const struct put_times *times)
{
    return &times->totals;
}

static const struct histogram *recent(struct put_times *times, int64_t now_ns)
{
    advance(times, now_ns);
    histogram_write_notes(&times->notes);
    memset(&times->both, 0, sizeof times->both);
    histogram_merge(&times->both, &times->windows[0]);
    histogram_merge(&times->both, &times->windows[1]);
    return &times->both;
}

int64_t put_times_percentile(struct put_times *times, double percent, int64_t now_ns)
{
    return histogram_percentile(recent(times, now_ns), percent);
}

void put_times_print(struct put_times *times, int64_t now_ns, struct buf *out)
{
    static const struct {
        const char *label;
        int64_t below_ms; /* the first that has no place here */
    } steps[] = {
        { "<=0ms", 1 },       { "0~10ms", 10 },     { "10~50ms", 50 },    { "50~100ms", 100 },
        { "100~200ms", 200 }, { "200~500ms", 500 }, { "500ms~1s", 1000 }, { "1~2s", 2000 },
        { "2~3s", 3000 },     { "3~4s", 4000 },     { "4~5s", 5000 },     { "5~10s", 10000 },
    };
    const struct histogram *h = recent(times, now_ns);
    uint64_t counted = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        uint64_t within = histogram_count_within(h, steps[i].below_ms * NS_PER_MS - 1);
        buf_printf(out, "[%s]:%llu ", steps[i].label, (unsigned long long)(within - counted));
        counted = within;
    }
    buf_printf(out, "[10s~]:%llu ", (unsigned long long)(h->count - counted));
}
