#include "base/fault.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

enum { POINTS_MAX = 16 };

struct point {
    const char *name;
    int64_t skip;
    int64_t times;
    int err;
};

atomic_int fault_armed;

/* Guards points; taken only while a test has armed something. */
static pthread_mutex_t points_lock = PTHREAD_MUTEX_INITIALIZER;
static struct point points[POINTS_MAX];

void fault_arm(const char *point, int64_t skip, int64_t times, int err)
{
    pthread_mutex_lock(&points_lock);
    int armed = atomic_load(&fault_armed);
    assert(armed < POINTS_MAX);
    points[armed] = (struct point){ point, skip, times, err };
    atomic_store(&fault_armed, armed + 1);
    pthread_mutex_unlock(&points_lock);
}

void fault_disarm_all(void)
{
    pthread_mutex_lock(&points_lock);
    atomic_store(&fault_armed, 0);
    pthread_mutex_unlock(&points_lock);
}

int fault_check_slow(const char *point)
{
    int err = 0;
    pthread_mutex_lock(&points_lock);
    for (int i = 0; i < atomic_load(&fault_armed) && err == 0; i++) {
        struct point *p = &points[i];
        if (strcmp(p->name, point) != 0)
            continue;
        if (p->skip > 0)
            p->skip--;
        else if (p->times > 0 && p->times-- > 0)
            err = p->err;
    }
    pthread_mutex_unlock(&points_lock);
    return err;
}
