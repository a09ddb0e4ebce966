#include "base/thread_rank.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

enum { STEPS_BACK = 5 };
#define SHORTEST_TURN_NS UINT64_C(100000) /* the kernel's least */

/* What sched_setattr(2) takes: the C library has no name for it yet, and the kernel's header cannot
 * stand beside the library's. */
struct turn_wish {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* of an ordinary thread: how long a turn it asks for */
    uint64_t deadline_ns;
    uint64_t period_ns;
};

/* On Linux the nice value is a thread's. */
static int own_nice(void)
{
    return getpriority(PRIO_PROCESS, (id_t)gettid());
}

static void ask_for_turns(uint64_t runtime_ns)
{
    struct turn_wish wish = {
        .size = sizeof wish,
        .policy = SCHED_OTHER,
        .flags = SCHED_FLAG_RESET_ON_FORK,
        .nice = own_nice(),
        .runtime_ns = runtime_ns,
    };
    if (sched_getscheduler(0) != SCHED_OTHER)
        return;
    if (syscall(SYS_sched_setattr, 0, &wish, 0) != 0)
        log_warn("thread_turn_not_set errno=%s", err_errno_name(errno));
}

void thread_go_first(void)
{
    ask_for_turns(SHORTEST_TURN_NS);
}

void thread_take_short_turns(void)
{
    ask_for_turns(2 * SHORTEST_TURN_NS);
}

void thread_give_way(void)
{
    sched_yield();
}

void thread_stand_back(void)
{
    int nice = own_nice();
    if (setpriority(PRIO_PROCESS, (id_t)gettid(), nice + STEPS_BACK) != 0)
        log_warn("thread_priority_not_set nice=%d errno=%s", nice + STEPS_BACK,
                 err_errno_name(errno));
}
