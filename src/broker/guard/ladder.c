#include "broker/guard/ladder.h"

#include <assert.h>

#include "base/clock.h"

const char *rung_name(enum rung rung)
{
    static const char *const names[RUNG_COUNT] = {
        [RUNG_NONE] = "none",
        [RUNG_TRACE] = "trace",
        [RUNG_INDEX] = "index",
        [RUNG_STATISTICS] = "statistics",
        [RUNG_COLD_READS] = "cold_reads",
        [RUNG_TIMER_CATCH_UP] = "timer_catch_up",
        [RUNG_LOW_PRIORITY] = "low_priority_topics",
    };
    assert(rung >= RUNG_NONE && rung < RUNG_COUNT);
    return names[rung];
}

/* Has `holds` been true for `long_ns`? A period that is over begins anew: one step each. */
static bool has_lasted(bool holds, int64_t *since_ns, int64_t long_ns, int64_t now_ns)
{
    if (!holds) {
        *since_ns = 0;
        return false;
    }
    if (*since_ns == 0)
        *since_ns = now_ns;
    if (now_ns - *since_ns < long_ns)
        return false;
    *since_ns = now_ns;
    return true;
}

bool ladder_measure(struct ladder *ladder, int64_t delay_ns, int64_t limit_ns, int64_t now_ns)
{
    assert(now_ns > 0);
    enum rung before = ladder->rung;
    if (limit_ns <= 0) {
        *ladder = (struct ladder){ .rung = RUNG_NONE };
        return before != RUNG_NONE;
    }
    bool up = has_lasted(delay_ns > limit_ns, &ladder->above_since_ns, LADDER_CLIMB_NS, now_ns);
    bool down =
        has_lasted(delay_ns <= limit_ns / 2, &ladder->below_since_ns, LADDER_DESCEND_NS, now_ns);
    assert(!up || !down);
    if (up && ladder->rung < RUNG_COUNT - 1)
        ladder->rung++;
    if (down && ladder->rung > RUNG_NONE)
        ladder->rung--;
    return ladder->rung != before;
}

bool ladder_is_moving(const struct ladder *ladder)
{
    return ladder->rung != RUNG_NONE || ladder->above_since_ns != 0;
}

bool rate_limit_take(struct rate_limit *limit, int64_t per_s, int64_t now_ns)
{
    if (per_s <= 0)
        return true;
    if (limit->due_ns < now_ns)
        limit->due_ns = now_ns;
    if (limit->due_ns - now_ns >= NS_PER_S)
        return false;
    limit->due_ns += NS_PER_S / per_s;
    return true;
}
