#include "base/fault.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"

enum { POINTS_MAX = 16, NAME_BYTES = 48 };

enum kind { FAILS, PAUSES, MEASURES };

struct point {
    char name[NAME_BYTES];
    enum kind kind;
    int64_t skip;
    int64_t times;
    int64_t what; /* error, milliseconds or value */
};

atomic_int fault_armed;

/* Guards all of these; taken only while a test has armed something. */
static struct lock points_lock = LOCK_INIT(LOCK_FAULTS);
static pthread_cond_t disarmed = PTHREAD_COND_INITIALIZER;
static struct point points[POINTS_MAX];
static unsigned disarm_count;
static int pausing;

/* The armed point of this name that measures; NULL: none. Under the lock. */
static struct point *find_measuring(const char *name)
{
    assert(lock_is_held(&points_lock));
    for (int i = 0; i < atomic_load(&fault_armed); i++)
        if (points[i].kind == MEASURES && strcmp(points[i].name, name) == 0)
            return &points[i];
    return NULL;
}

static void arm(const char *name, const struct point *how)
{
    lock_take(&points_lock);
    int armed = atomic_load(&fault_armed);
    struct point *again = how->kind == MEASURES ? find_measuring(name) : NULL;
    if (again != NULL) {
        again->what = how->what;
    } else {
        assert(armed < POINTS_MAX);
        points[armed] = *how;
        snprintf(points[armed].name, NAME_BYTES, "%s", name);
        atomic_store(&fault_armed, armed + 1);
    }
    lock_release(&points_lock);
}

void fault_arm(const char *point, int64_t skip, int64_t times, int err)
{
    arm(point, &(struct point){ .kind = FAILS, .skip = skip, .times = times, .what = err });
}

void fault_arm_pause(const char *point, int64_t skip, int64_t times, int64_t pause_ms)
{
    arm(point, &(struct point){ .kind = PAUSES, .skip = skip, .times = times, .what = pause_ms });
}

void fault_arm_value(const char *point, int64_t value)
{
    arm(point, &(struct point){ .kind = MEASURES, .what = value });
}

void fault_disarm_all(void)
{
    lock_take(&points_lock);
    atomic_store(&fault_armed, 0);
    disarm_count++;
    pthread_cond_broadcast(&disarmed);
    lock_release(&points_lock);
}

/* Is this pass one that it was armed for? Under the lock. */
static bool is_hit(struct point *p)
{
    assert(lock_is_held(&points_lock));
    if (p->skip > 0) {
        p->skip--;
        return false;
    }
    return p->times > 0 && p->times-- > 0;
}

/* Until the time is over or all is disarmed. Under the lock, let go of meanwhile. */
static void pause_for(int64_t pause_ms)
{
    unsigned count = disarm_count;
    int64_t due_ns = clock_monotonic_ns() + pause_ms * 1000000;
    assert(lock_is_held(&points_lock));
    pausing++;
    while (disarm_count == count && lock_wait_until(&points_lock, &disarmed, due_ns))
        ;
    pausing--;
}

int fault_pausing(void)
{
    lock_take(&points_lock);
    int count = pausing;
    lock_release(&points_lock);
    return count;
}

int fault_check_slow(const char *point)
{
    int err = 0;
    int64_t pause_ms = 0;
    lock_take(&points_lock);
    for (int i = 0; i < atomic_load(&fault_armed) && err == 0; i++) {
        struct point *p = &points[i];
        if (p->kind == MEASURES || strcmp(p->name, point) != 0 || !is_hit(p))
            continue;
        if (p->kind == FAILS)
            err = (int)p->what;
        else
            pause_ms += p->what;
    }
    if (pause_ms > 0) {
        log_warn("fault_pauses point=%s", point);
        pause_for(pause_ms);
    }
    lock_release(&points_lock);
    return err;
}

int64_t fault_value_slow(const char *point, int64_t measured)
{
    lock_take(&points_lock);
    const struct point *p = find_measuring(point);
    int64_t value = p == NULL ? measured : p->what;
    lock_release(&points_lock);
    return value;
}
