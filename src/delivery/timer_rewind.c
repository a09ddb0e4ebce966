/* timer_rewind.c - the clock was set back: ticks that were over come once more.
 *
 *        |<-- over: all of it was delivered -->|
 *   ─────┼─────────────────────────────────────┼───────────────> ticks
 *       now                                   first tick that is not over, by the clock as it was
 *
 * What is sent from then on lies in those ticks; taken for late, it would lie in the one behind
 * them, and be found by a restart when the clock gets there again: years later after a clock that
 * was years ahead. So reading goes back to the clock's time, and the slots in between are emptied,
 * or what they lead to would be delivered once more. What is in memory is let go: it is of the
 * ticks behind, and loaded again in its time.
 */
#include <assert.h>

#include "base/log.h"
#include "delivery/timer_internal.h"

/* ---- the loop's half ------------------------------------------------------------------------- */

/* In the first tick that is not over waits one whose own tick is. */
static bool has_late(const struct timer *t)
{
    int64_t first_ms = timer_tick_ms(t, t->due.first_tick);
    for (size_t i = 0; i < t->due.count; i++)
        if (t->due.heap[i].due_ms <= first_ms)
            return true;
    return false;
}

static void note_rewound(struct timer *t, int64_t now_tick, const struct timer_check *was)
{
    struct timer_work *w = &t->work;
    int64_t precision_ms = t->options.precision_ms;
    int64_t first_tick = was->read_ms / precision_ms;
    assert(now_tick < first_tick);
    if (was->exact_ms == was->read_ms + precision_ms) { /* nothing waits in that one either */
        first_tick++;
        w->has_late = false;
    }
    w->rewound_from = now_tick;
    w->rewound_to = first_tick;
    log_warn("timers_rewound from=%lld to=%lld: the clock was set back",
             (long long)(w->rewound_to * precision_ms), (long long)(now_tick * precision_ms));
}

void timer_rewind_opened(struct timer *t)
{
    const struct timer_check *check = &t->work.check;
    if (!check->is_sealed || check->read_ms / t->options.precision_ms <= t->base_tick)
        return;
    t->work.has_late = true;
    note_rewound(t, t->base_tick, check);
}

/* What was to be tried again, or taken in, a moment later by the clock as it was. */
void timer_notice_clock(struct timer *t, int64_t now_ms)
{
    bool is_set_back = now_ms < t->seen_ms;
    t->seen_ms = now_ms;
    if (!is_set_back)
        return;
    int64_t *const waits_ms[] = { &t->retry_ms, &t->work_retry_ms, &t->arrived_due_ms,
                                  &t->metrics_due_ms };
    for (size_t i = 0; i < sizeof waits_ms / sizeof waits_ms[0]; i++)
        if (*waits_ms[i] != INT64_MAX && *waits_ms[i] > now_ms + TIMER_RETRY_MS)
            *waits_ms[i] = now_ms + TIMER_RETRY_MS;
}

bool timer_rewind(struct timer *t, int64_t now_ms)
{
    struct timer_work *w = &t->work;
    int64_t now_tick = now_ms / t->options.precision_ms;
    const struct timer_item *first = timer_due_first(&t->due);
    assert(!t->is_working);
    if (now_tick >= t->base_tick + t->due.first_tick)
        return true;
    if (!w->is_recovered || w->rewound_from < w->rewound_to || t->cold_count > 0 ||
        (first != NULL && first->due_ms <= now_ms))
        return false;
    const struct timer_check was = timer_progress(t);
    w->has_late = has_late(t);
    note_rewound(t, now_tick, &was);
    w->check = was;
    t->base_tick = now_tick;
    timer_due_fini(&t->due);
    timer_due_init(&t->due);
    t->loaded_to = w->loaded_to = w->empty_to = 0;
    w->displaced_ms = t->displaced_ms = INT64_MAX;
    w->displaced_tick = 0;
    w->is_loading = false;
    w->chain_pos = TIMER_NO_POS;
    t->has_delivered = false;
    t->has_delivered_since = true; /* the check point is to follow */
    return true;
}

/* ---- the worker's half ----------------------------------------------------------------------- */

/* Writes a second unit, in its own tick, for each timer of the slot whose own tick comes again. */
static int copy_late(struct timer *t)
{
    struct timer_work *w = &t->work;
    struct timer_slot slot;
    int64_t precision_ms = t->options.precision_ms;
    int err = timer_wheel_get(&w->wheel, w->rewound_to, &slot);
    for (int64_t pos = slot.last_pos; err == 0 && pos >= 0;) {
        struct timer_unit unit;
        struct record record;
        int64_t own_tick_ms;
        if (timer_log_read(w->log, pos, &unit) != 0 || !timer_unit_is_of(t, &unit, w->rewound_to) ||
            unit.prev_pos >= pos)
            break; /* told when the tick is loaded */
        pos = unit.prev_pos;
        err = timer_read_record(t, &unit, &record, &own_tick_ms);
        int64_t tick = err == 0 ? own_tick_ms / precision_ms : w->rewound_to;
        if (err == ERR_CORRUPT)
            err = 0;
        if (err != 0 || tick >= w->rewound_to || (unit.magic & TIMER_MAGIC_ROLL) != 0)
            continue;
        tick = tick < w->rewound_from ? w->rewound_from : tick;
        unit.write_ms = w->rewound_from * precision_ms;
        unit.delay_ms = (int32_t)((tick - w->rewound_from) * precision_ms);
        if (unit.delay_ms / precision_ms == tick - w->rewound_from)
            err = timer_write_unit(t, &tick, &unit);
    }
    return err;
}

int timer_rewind_work(struct timer *t)
{
    struct timer_work *w = &t->work;
    if (w->rewound_from >= w->rewound_to)
        return 0;
    int err = timer_wheel_clear(&w->wheel, w->rewound_from, w->rewound_to);
    if (err == 0 && w->has_late)
        err = copy_late(t);
    if (err != 0)
        return err;
    w->rewound_from = w->rewound_to = 0;
    w->has_late = false;
    return 0;
}
