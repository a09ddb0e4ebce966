/* stats_series.c - how often something was counted in the last minute, hour and day. */
#include "broker/stats_series.h"

#include <assert.h>
#include <string.h>

enum { TICK_S = 10 };

static const struct window_row {
    int first; /* in slots[] */
    int count;
    int ticks; /* in a slot */
} window_rows[STATS_WINDOWS] = {
    [STATS_MINUTE] = { 0, STATS_MINUTE_SLOTS, 1 },
    [STATS_HOUR] = { STATS_MINUTE_SLOTS, STATS_HOUR_SLOTS, 60 },
    [STATS_DAY] = { STATS_MINUTE_SLOTS + STATS_HOUR_SLOTS, STATS_DAY_SLOTS, 360 },
};

static int64_t tick_of(int64_t now_ns)
{
    return now_ns / (TICK_S * INT64_C(1000000000));
}

static uint8_t slot_index(const struct window_row *window, int64_t tick)
{
    int64_t place = tick / window->ticks % window->count;
    assert(place >= 0 && place < window->count);
    return (uint8_t)(window->first + place);
}

static void go_to(struct stats_series *series, int64_t tick)
{
    series->tick = tick;
    for (int w = 0; w < STATS_WINDOWS; w++)
        series->at[w] = slot_index(&window_rows[w], tick);
}

void stats_series_init(struct stats_series *series, int64_t now_ns)
{
    memset(series, 0, sizeof *series);
    series->born_ns = now_ns;
    go_to(series, tick_of(now_ns));
}

/* Clears what lies between the latest count and now. */
static void advance(struct stats_series *series, int64_t now_ns)
{
    int64_t tick = tick_of(now_ns);
    assert(tick >= series->tick);
    if (tick == series->tick)
        return;
    for (int w = 0; w < STATS_WINDOWS; w++) {
        const struct window_row *window = &window_rows[w];
        int64_t passed = tick / window->ticks - series->tick / window->ticks;
        if (passed > window->count)
            passed = window->count;
        for (int64_t back = 0; back < passed; back++)
            series->slots[slot_index(window, tick - back * window->ticks)] =
                (struct stats_slot){ 0 };
    }
    go_to(series, tick);
}

void stats_series_add(struct stats_series *series, struct stats_slot count, int64_t now_ns)
{
    advance(series, now_ns);
    for (int w = 0; w < STATS_WINDOWS; w++) {
        struct stats_slot *slot = &series->slots[series->at[w]];
        slot->bytes += count.bytes;
        slot->messages += count.messages;
        slot->took_ms += count.took_ms;
        slot->times += count.times;
    }
}

static int64_t column_of(const struct stats_slot *slot, enum stats_column column)
{
    switch (column) {
    case STATS_MESSAGES:
        return slot->messages;
    case STATS_BYTES:
        return slot->bytes;
    case STATS_TOOK_MS:
        return slot->took_ms;
    case STATS_COLUMNS:
        break;
    }
    assert(!"a column");
    return 0;
}

struct stats_sum stats_series_sum(struct stats_series *series, enum stats_window window,
                                  enum stats_column column, int64_t now_ns)
{
    const struct window_row *row = &window_rows[window];
    int64_t slot_ns = row->ticks * TICK_S * INT64_C(1000000000);
    struct stats_sum sum = { 0 };
    int64_t times = 0;
    advance(series, now_ns);
    for (int i = 0; i < row->count; i++) {
        sum.sum += column_of(&series->slots[row->first + i], column);
        times += series->slots[row->first + i].times;
    }
    int64_t start_ns = (now_ns / slot_ns - (row->count - 1)) * slot_ns;
    if (start_ns < series->born_ns)
        start_ns = series->born_ns;
    int64_t elapsed_ns = now_ns - start_ns < slot_ns ? slot_ns : now_ns - start_ns;
    sum.per_second = (double)sum.sum * 1e9 / (double)elapsed_ns;
    sum.per_time = times == 0 ? 0 : (double)sum.sum / (double)times;
    return sum;
}
