#include "base/thread_rank.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

enum { STEPS_BACK = 5 };

/* On Linux the nice value is a thread's. */
void thread_stand_back(void)
{
    id_t self = (id_t)gettid();
    int nice = getpriority(PRIO_PROCESS, self);
    if (setpriority(PRIO_PROCESS, self, nice + STEPS_BACK) != 0)
        log_warn("thread_priority_not_set nice=%d errno=%d", nice + STEPS_BACK, errno);
}
