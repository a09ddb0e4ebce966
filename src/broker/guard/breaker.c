#include "broker/guard/breaker.h"

#include <assert.h>

const char *breaker_name(enum breaker_state state)
{
    static const char *const names[BREAKER_STATES] = {
        [BREAKER_CLOSED] = "closed",
        [BREAKER_OPEN] = "open",
        [BREAKER_HALF_OPEN] = "half open",
    };
    assert(state < BREAKER_STATES);
    return names[state];
}

static enum breaker_state next_state(const struct breaker *b, bool is_late,
                                     int64_t flushed_phy_offset)
{
    if (is_late)
        return BREAKER_OPEN;
    if (b->state == BREAKER_OPEN)
        return BREAKER_HALF_OPEN;
    bool has_passed = flushed_phy_offset > b->half_open_phy_offset;
    return b->state == BREAKER_HALF_OPEN && !has_passed ? BREAKER_HALF_OPEN : BREAKER_CLOSED;
}

int64_t breaker_wait(struct breaker *b, int64_t waited_ns, int64_t now_ns, int64_t due_ns,
                     int64_t limit_ns)
{
    enum { LATE_PART = 4 };
    assert(waited_ns >= 0 && now_ns >= b->resumed_ns);
    if (due_ns != 0 && now_ns - due_ns >= limit_ns / LATE_PART)
        b->resumed_ns = now_ns;
    int64_t since_ns = now_ns - b->resumed_ns;
    return b->resumed_ns != 0 && since_ns < waited_ns ? since_ns : waited_ns;
}

bool breaker_measure(struct breaker *b, int64_t waited_ns, int64_t flushed_phy_offset,
                     int64_t limit_ns)
{
    assert(waited_ns >= 0 && flushed_phy_offset >= 0);
    enum breaker_state before = b->state;
    b->state =
        limit_ns <= 0 ? BREAKER_CLOSED : next_state(b, waited_ns >= limit_ns, flushed_phy_offset);
    if (b->state == BREAKER_HALF_OPEN && before != BREAKER_HALF_OPEN)
        b->half_open_phy_offset = flushed_phy_offset;
    return b->state != before;
}

bool breaker_admits(const struct breaker *b, int64_t waited_ns)
{
    return b->state == BREAKER_CLOSED || (b->state == BREAKER_HALF_OPEN && waited_ns == 0);
}
