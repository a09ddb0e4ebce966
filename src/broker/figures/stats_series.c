/* stats_series.c - how often something was counted in the last minute, hour and day. */
#include "broker/figures/stats_series.h"

#include <assert.h>
#include <string.h>

enum { TICK_S = 10 };

static const struct window_row {
    uint32_t ticks; /* in a slot */
    uint32_t count;
} window_rows[STATS_WINDOWS] = {
    [STATS_MINUTE] = { 1, STATS_MINUTE_SLOTS },
    [STATS_HOUR] = { 60, STATS_HOUR_SLOTS },
    [STATS_DAY] = { 360, STATS_DAY_SLOTS },
};

static uint32_t tick_of(int64_t now_ns)
{
    return (uint32_t)(now_ns / (TICK_S * INT64_C(1000000000)));
}

static bool is_in(enum stats_window window, uint32_t tick, uint32_t now_tick)
{
    const struct window_row *row = &window_rows[window];
    return now_tick / row->ticks - tick / row->ticks < row->count;
}

static bool are_of_one_slot(enum stats_window window, uint32_t a, uint32_t b)
{
    return a / window_rows[window].ticks == b / window_rows[window].ticks;
}

/* By age, the oldest first. */
static const struct stats_slot *slot_at(const struct stats_series *series, int i)
{
    return i == series->slot_count - 1 ? &series->newest : &series->others[i];
}

static size_t others_bytes(int count)
{
    return (size_t)count * sizeof(struct stats_slot);
}

/* Room for so many others, or some more. */
static void set_other_cap(struct stats_series *series, struct slab *slab, int cap)
{
    size_t bytes = slab_piece_bytes(others_bytes(cap));
    assert(cap + 1 >= series->slot_count);
    series->others = slab_resize(slab, series->others, others_bytes(series->other_cap), bytes);
    series->other_cap = (uint8_t)(bytes / sizeof(struct stats_slot));
    assert(slab_piece_bytes(others_bytes(series->other_cap)) == bytes);
}

static void free_others(struct stats_series *series, struct slab *slab)
{
    slab_give_back(slab, series->others, others_bytes(series->other_cap));
    series->others = NULL;
    series->other_cap = 0;
}

/* The slot at hand. */
static void add_slot(struct stats_series *series, struct slab *slab, uint32_t tick)
{
    assert(series->slot_count < STATS_SLOTS);
    if (series->slot_count > series->other_cap)
        set_other_cap(series, slab, series->slot_count);
    if (series->slot_count > 0)
        series->others[series->slot_count - 1] = series->newest;
    series->newest = (struct stats_slot){ .tick = tick };
    series->slot_count++;
}

static void add_to(struct stats_slot *slot, const struct stats_slot *count)
{
    slot->bytes += count->bytes;
    slot->messages += count->messages;
    slot->took_ms += count->took_ms;
    slot->times += count->times;
}

/* No window tells the two apart any more; `a` is the older. */
static bool may_be_one(const struct stats_slot *a, const struct stats_slot *b, uint32_t now_tick)
{
    if (is_in(STATS_MINUTE, b->tick, now_tick))
        return false;
    return are_of_one_slot(STATS_HOUR, a->tick, b->tick) ||
           (!is_in(STATS_HOUR, b->tick, now_tick) && are_of_one_slot(STATS_DAY, a->tick, b->tick));
}

/* Drops and puts together what may be, in a tick without a count so far. */
static void advance(struct stats_series *series, struct slab *slab, uint32_t now_tick)
{
    struct stats_slot last = { 0 }; /* of those kept */
    int kept = 0;
    for (int i = 0; i < series->slot_count; i++) {
        const struct stats_slot slot = *slot_at(series, i);
        assert(slot.tick <= now_tick);
        if (!is_in(STATS_DAY, slot.tick, now_tick))
            continue;
        if (kept > 0 && may_be_one(&last, &slot, now_tick)) {
            add_to(&last, &slot);
            last.tick = slot.tick;
            continue;
        }
        if (kept > 0)
            series->others[kept - 1] = last;
        last = slot;
        kept++;
    }
    series->newest = last;
    series->slot_count = (uint8_t)kept;
    if (kept <= 1)
        free_others(series, slab);
    else if (series->other_cap > 2 * kept)
        set_other_cap(series, slab, kept);
}

static bool has_slot_at_hand(const struct stats_series *series, uint32_t now_tick)
{
    return series->slot_count > 0 && series->newest.tick == now_tick;
}

void stats_series_init(struct stats_series *series, int64_t now_ns)
{
    memset(series, 0, sizeof *series);
    series->born_ns = now_ns;
    series->is_begun = true;
}

void stats_series_fini(struct stats_series *series, struct slab *slab)
{
    free_others(series, slab);
}

void stats_series_add(struct stats_series *series, struct slab *slab,
                      const struct stats_slot *count, int64_t now_ns)
{
    uint32_t tick = tick_of(now_ns);
    assert(series->is_begun);
    if (!has_slot_at_hand(series, tick)) {
        advance(series, slab, tick);
        add_slot(series, slab, tick);
    }
    add_to(&series->newest, count);
}

void stats_series_settle(struct stats_series *series, struct slab *slab, int64_t now_ns)
{
    if (series->others != NULL && !has_slot_at_hand(series, tick_of(now_ns)))
        advance(series, slab, tick_of(now_ns));
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

struct stats_sum stats_series_sum(struct stats_series *series, struct slab *slab,
                                  enum stats_window window, enum stats_column column,
                                  int64_t now_ns)
{
    const struct window_row *row = &window_rows[window];
    int64_t slot_ns = row->ticks * TICK_S * INT64_C(1000000000);
    uint32_t tick = tick_of(now_ns);
    struct stats_sum sum = { 0 };
    int64_t times = 0;
    if (!has_slot_at_hand(series, tick))
        advance(series, slab, tick);
    for (int i = 0; i < series->slot_count; i++) {
        const struct stats_slot *slot = slot_at(series, i);
        if (!is_in(window, slot->tick, tick))
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
