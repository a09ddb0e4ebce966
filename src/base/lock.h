/* lock.h - a lock that knows its place in the order of locks, and who holds it.
 *
 * Both are known where LOCK_CHECKS is defined, in every build but the release. There a thread stops
 * the program that takes a lock which stands before one it holds, or gives back what it does not
 * hold: each time, not only when two threads meet. In the release a lock is a pthread_mutex_t and
 * nothing else.
 *
 * Units      due_ns: monotonic.
 * Ownership  a lock lies in the struct that it guards; nobody holds it when it ends.
 * Threads    any. Who takes a lock releases it.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The order. A thread takes what stands behind all that it holds; never two of one place. What each
 * guards stands where it is declared, and in docs/architecture.md. */
enum lock_place {
    LOCK_TURN,             /* net/loop: who runs the loop */
    LOCK_STORE_SYNC,       /* store: sync_lock */
    LOCK_COMPACTIONS,      /* store/compaction: which topics and queues there are */
    LOCK_COMPACTION_QUEUE, /* of one queue */
    LOCK_QUEUES,           /* store/queues: which queues are open */
    LOCK_QUEUE_FILE,       /* store/consume_queue: file_lock */
    LOCK_APPEND,           /* store: append_lock */
    LOCK_INDEX_FILES,      /* store/indexer */
    LOCK_QUEUE,            /* store/consume_queue: its tail; a queue is mended by the log */
    LOCK_LOG_FILES,        /* store/commit_log */
    LOCK_LEAF,             /* wishes, wake-ups, lists: nothing is taken under one */
    LOCK_FAULTS,           /* base/fault: its points stand anywhere */
};

struct lock {
    pthread_mutex_t mutex;
#ifdef LOCK_CHECKS
    enum lock_place place;
#endif
};

#ifdef LOCK_CHECKS
#define LOCK_INIT(at)                                                                              \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, at                                                              \
    }

enum { LOCKS_HELD_MAX = 8 };
/* What the calling thread holds, as it took it. Who runs several threads on one (tests/crash/sim)
 * exchanges it with them. */
struct locks_held {
    const struct lock *locks[LOCKS_HELD_MAX];
    int count;
};
extern _Thread_local struct locks_held locks_held;

void lock_check_order(const struct lock *lock);
void lock_note_taken(const struct lock *lock);
void lock_note_released(const struct lock *lock);
/* Does the calling thread hold it? For assertions. */
bool lock_is_held(const struct lock *lock);
/* Is it the last in the order of those held, as one must be that is let go of for a wait? */
bool lock_is_last(const struct lock *lock);
#else
#define LOCK_INIT(at)                                                                              \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }
#define lock_check_order(lock) ((void)(lock))
#define lock_note_taken(lock) ((void)(lock))
#define lock_note_released(lock) ((void)(lock))
#define lock_is_held(lock) ((void)(lock), true)
#define lock_is_last(lock) ((void)(lock), true)
#endif

void lock_init(struct lock *lock, enum lock_place place);
void lock_fini(struct lock *lock);

static inline void lock_take(struct lock *lock)
{
    lock_check_order(lock);
    pthread_mutex_lock(&lock->mutex);
    lock_note_taken(lock);
}

/* Without waiting; false: another thread has it. The order is kept all the same. */
static inline bool lock_try(struct lock *lock)
{
    lock_check_order(lock);
    if (pthread_mutex_trylock(&lock->mutex) != 0)
        return false;
    lock_note_taken(lock);
    return true;
}

static inline void lock_release(struct lock *lock)
{
    lock_note_released(lock);
    pthread_mutex_unlock(&lock->mutex);
}

/* Lets the lock go until `cond` is signalled, or for no reason at all. */
void lock_wait(struct lock *lock, pthread_cond_t *cond);
/* The same, at most until due_ns. False: that has passed. */
bool lock_wait_until(struct lock *lock, pthread_cond_t *cond, int64_t due_ns);

#endif
