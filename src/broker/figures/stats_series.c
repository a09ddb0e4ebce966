/* stats_series.c - how often something was counted in the last minute, hour and day. */
#include "broker/figures/stats_series.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_S = 10 };
#define TICK_NS (TICK_S * INT64_C(1000000000))
enum { NO_SLOT = UINT8_MAX };

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
    return now_ns / TICK_NS;
}

static uint8_t place_of(const struct window_row *window, int64_t tick)
{
    int64_t place = tick / window->ticks % window->count;
    assert(place >= 0 && place < window->count);
    return (uint8_t)(window->first + place);
}

/* Where in slots[] it is; NO_SLOT: nothing was counted there. */
static uint8_t find(const struct stats_series *series, uint8_t place)
{
    for (uint8_t i = 0; i < series->slot_count; i++)
        if (series->slots[i].place == place)
            return i;
    return NO_SLOT;
}

static void set_cap(struct stats_series *series, uint8_t cap)
{
    assert(cap >= series->slot_count);
    struct stats_slot *slots = realloc(series->slots, cap * sizeof *slots);
    if (slots == NULL)
        abort();
    series->slots = slots;
    series->slot_cap = cap;
}

static uint8_t add_slot(struct stats_series *series, uint8_t place)
{
    assert(series->slot_count < STATS_SLOTS);
    if (series->slot_count == series->slot_cap)
        set_cap(series, series->slot_cap == 0 ? STATS_WINDOWS : series->slot_cap + 4);
    series->slots[series->slot_count] = (struct stats_slot){ .place = place };
    return series->slot_count++;
}

static void clear_slot(struct stats_series *series, uint8_t place)
{
    uint8_t i = find(series, place);
    if (i != NO_SLOT)
        series->slots[i] = series->slots[--series->slot_count];
}

void stats_series_init(struct stats_series *series, int64_t now_ns)
{
    memset(series, 0, sizeof *series);
    series->born_ns = now_ns;
    series->tick = tick_of(now_ns);
}

void stats_series_fini(struct stats_series *series)
{
    free(series->slots);
    series->slots = NULL;
}

static void add(struct stats_slot *slot, const struct stats_slot *count)
{
    slot->bytes += count->bytes;
    slot->messages += count->messages;
    slot->took_ms += count->took_ms;
    slot->times += count->times;
}

static bool is_empty(const struct stats_slot *slot)
{
    return slot->bytes == 0 && slot->messages == 0 && slot->took_ms == 0 && slot->times == 0;
}

/* Gives the windows what they do not have yet. */
static void fold(struct stats_series *series)
{
    if (is_empty(&series->at_hand))
        return;
    for (int w = 0; w < STATS_WINDOWS; w++) {
        uint8_t place = place_of(&window_rows[w], series->tick);
        uint8_t at = find(series, place);
        if (at == NO_SLOT)
            at = add_slot(series, place);
        add(&series->slots[at], &series->at_hand);
    }
    memset(&series->at_hand, 0, sizeof series->at_hand);
}

/* The tick at hand is over: clears what lies between it and now. */
static void go_on(struct stats_series *series, int64_t now_ns)
{
    int64_t tick = tick_of(now_ns);
    assert(tick > series->tick);
    fold(series);
    for (int w = 0; w < STATS_WINDOWS; w++) {
        const struct window_row *window = &window_rows[w];
        int64_t passed = tick / window->ticks - series->tick / window->ticks;
        if (passed > window->count)
            passed = window->count;
        for (int64_t back = 0; back < passed; back++)
            clear_slot(series, place_of(window, tick - back * window->ticks));
    }
    if (series->slot_cap > 2 * STATS_WINDOWS && series->slot_count <= STATS_WINDOWS)
        set_cap(series, STATS_WINDOWS);
    series->tick = tick;
}

static void advance(struct stats_series *series, int64_t now_ns)
{
    assert(now_ns >= series->tick * TICK_NS);
    if (now_ns >= (series->tick + 1) * TICK_NS)
        go_on(series, now_ns);
}

void stats_series_add(struct stats_series *series, struct stats_slot count, int64_t now_ns)
{
    advance(series, now_ns);
    add(&series->at_hand, &count);
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
    int64_t slot_ns = row->ticks * TICK_NS;
    struct stats_sum sum = { 0 };
    int64_t times = 0;
    advance(series, now_ns);
    fold(series);
    for (int i = 0; i < series->slot_count; i++) {
        const struct stats_slot *slot = &series->slots[i];
        if (slot->place < row->first || slot->place >= row->first + row->count)
            continue;
        sum.sum += column_of(slot, column);
        times += slot->times;
    }
    int64_t start_ns = (now_ns / slot_ns - (row->count - 1)) * slot_ns;
    if (start_ns < series->born_ns)
        start_ns = series->born_ns;
    int64_t elapsed_ns = now_ns - start_ns < slot_ns ? slot_ns : now_ns - start_ns;
    sum.per_second = (double)sum.sum * 1e9 / (double)elapsed_ns;
    sum.per_time = times == 0 ? 0 : (double)sum.sum / (double)times;
    return sum;
}
