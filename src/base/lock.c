#include "base/lock.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

void lock_init(struct lock *lock, enum lock_place place)
{
    pthread_mutex_init(&lock->mutex, NULL);
#ifdef LOCK_CHECKS
    lock->place = place;
#else
    (void)place;
#endif
}

void lock_fini(struct lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

void lock_wait(struct lock *lock, pthread_cond_t *cond)
{
    assert(lock_is_last(lock));
    pthread_cond_wait(cond, &lock->mutex);
}

bool lock_wait_until(struct lock *lock, pthread_cond_t *cond, int64_t due_ns)
{
    assert(lock_is_last(lock));
    struct timespec due = { .tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000 };
    return pthread_cond_clockwait(cond, &lock->mutex, CLOCK_MONOTONIC, &due) != ETIMEDOUT;
}

#ifdef LOCK_CHECKS

_Thread_local struct locks_held locks_held;

void lock_check_order(const struct lock *lock)
{
    for (int i = 0; i < locks_held.count; i++)
        assert(locks_held.locks[i]->place < lock->place);
}

void lock_note_taken(const struct lock *lock)
{
    assert(locks_held.count < LOCKS_HELD_MAX);
    locks_held.locks[locks_held.count++] = lock;
}

void lock_note_released(const struct lock *lock)
{
    assert(lock_is_held(lock));
    int i = locks_held.count - 1;
    while (locks_held.locks[i] != lock)
        i--;
    for (; i + 1 < locks_held.count; i++)
        locks_held.locks[i] = locks_held.locks[i + 1];
    locks_held.count--;
}

bool lock_is_held(const struct lock *lock)
{
    for (int i = 0; i < locks_held.count; i++)
        if (locks_held.locks[i] == lock)
            return true;
    return false;
}

bool lock_is_last(const struct lock *lock)
{
    return locks_held.count > 0 && locks_held.locks[locks_held.count - 1] == lock;
}

#endif
