/* loop_timer.c - timers of a loop: a binary heap by due time. */
#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/loop_internal.h"

/* The wall clock may be set: who waits for a time of it looks again after so long. */
#define LOOK_AT_LEAST_NS INT64_C(60000000000)

static void place(struct loop *loop, struct loop_timer *timer, uint32_t i)
{
    loop->timers[i] = timer;
    timer->at = i + 1;
}

static void sift_up(struct loop *loop, struct loop_timer *timer, uint32_t i)
{
    while (i > 0 && loop->timers[(i - 1) / 2]->due_ns > timer->due_ns) {
        place(loop, loop->timers[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(loop, timer, i);
}

static void sift_down(struct loop *loop, struct loop_timer *timer, uint32_t i)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= loop->timer_count)
            break;
        if (child + 1 < loop->timer_count &&
            loop->timers[child + 1]->due_ns < loop->timers[child]->due_ns)
            child++;
        if (loop->timers[child]->due_ns >= timer->due_ns)
            break;
        place(loop, loop->timers[child], i);
        i = child;
    }
    place(loop, timer, i);
}

void loop_timer_init(struct loop_timer *t, void (*run)(struct loop_timer *t))
{
    *t = (struct loop_timer){ .run = run };
}

void loop_timer_stop(struct loop_timer *t)
{
    if (t->at == 0)
        return;
    struct loop *loop = t->loop;
    assert(loop_is_current(loop));
    uint32_t i = t->at - 1;
    assert(i < loop->timer_count && loop->timers[i] == t);
    t->at = 0;
    struct loop_timer *last = loop->timers[--loop->timer_count];
    if (last == t)
        return;
    sift_up(loop, last, i);
    sift_down(loop, last, last->at - 1);
}

static void arm(struct loop *loop, struct loop_timer *t, int64_t due_ns)
{
    assert(loop_is_current(loop));
    loop_timer_stop(t);
    MEMORY_GROW(loop->timers, loop->timer_count, loop->timer_cap, 64);
    t->loop = loop;
    t->due_ns = due_ns;
    loop->timer_count++;
    sift_up(loop, t, loop->timer_count - 1);
}

/* When it is due that is to wait so long. The pass's clock may be stale by the length of the pass;
 * a timer must not be early by that. */
static int64_t due_after(const struct loop *loop, int64_t wait_ns)
{
    int64_t now_ns = clock_monotonic_ns();
    if (wait_ns <= 0)
        return loop->now_ns + 1; /* not in this pass, in the next */
    return wait_ns > INT64_MAX - now_ns ? INT64_MAX : now_ns + wait_ns;
}

void loop_timer_start(struct loop *loop, struct loop_timer *t, int64_t delay_ms)
{
    int64_t most_ms = INT64_MAX / 1000000;
    arm(loop, t, due_after(loop, (delay_ms > most_ms ? most_ms : delay_ms) * 1000000));
}

void loop_timer_start_at(struct loop *loop, struct loop_timer *t, int64_t wall_ms)
{
    int64_t most_ms = INT64_MAX / 1000000;
    int64_t wall_ns = wall_ms < 0 ? 0 : (wall_ms > most_ms ? most_ms : wall_ms) * 1000000;
    int64_t wait_ns = wall_ns - clock_wall_ns();
    arm(loop, t, due_after(loop, wait_ns < LOOK_AT_LEAST_NS ? wait_ns : LOOK_AT_LEAST_NS));
}

void loop_set_due(struct loop *loop)
{
    if (loop->timer_count > 0)
        poller_set_due(loop->poller, loop->timers[0]->due_ns);
}

void loop_run_due_timers(struct loop *loop)
{
    while (loop->timer_count > 0 && loop->timers[0]->due_ns <= loop->now_ns) {
        struct loop_timer *timer = loop->timers[0];
        loop_timer_stop(timer);
        timer->run(timer);
    }
}
