/* machine.c - fibers in place of threads, and memory that goes with the process.
 *
 * A fiber runs until it waits or an event lets another one go on. Mutexes and condition variables
 * are kept in the memory of the pthread types. When nobody can run, the clock jumps to the first
 * deadline. Memory comes from one arena that is emptied when the machine stops, so that a million
 * killed stores leave nothing behind.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

#include "base/lock.h"
#include "sim.h"

enum { FIBERS_MAX = 24, STACK_BYTES = 512 << 10, ARENA_BYTES = 96 << 20 };
enum { START_S = 1700000000 }; /* of the epoch, when every history begins */

/* ---- chance ---------------------------------------------------------------------------------- */

static uint64_t chance_state;

void chance_seed(uint64_t seed)
{
    chance_state = seed * 0x9E3779B97F4A7C15u + 1;
}

uint64_t chance_next(void)
{
    uint64_t z = (chance_state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint32_t chance_below(uint32_t bound)
{
    return (uint32_t)(((chance_next() >> 32) * bound) >> 32);
}

bool chance_one_in(uint32_t n)
{
    return n > 0 && chance_below(n) == 0;
}

/* ---- fibers ---------------------------------------------------------------------------------- */

enum fiber_state { FIBER_FREE, FIBER_RUNNABLE, FIBER_WAITING, FIBER_ENDED };

struct fiber {
    ucontext_t context; /* to start it; afterwards it is switched by its jump buffer */
    sigjmp_buf at;
    bool has_started;
    char *stack;
    enum fiber_state state;
    const void *waits_for; /* a mutex, a condition, a fiber; NULL: time only */
    int64_t due_ns;        /* -1: no deadline */
    bool timed_out;
    void *(*run)(void *arg);
    void *arg;
#ifdef LOCK_CHECKS
    struct locks_held held; /* while another fiber runs */
#endif
};

static struct fiber fibers[FIBERS_MAX];
static int current = -1; /* -1: the driver */
static sigjmp_buf driver_at;
static ucontext_t driver_context;
static int64_t now_ns;
static uint64_t events;
static uint64_t stop_at;
static enum machine_end stop_how;
static void (*first_work)(void);
static uint64_t boot_number;
static uint8_t boot_id[36];
static bool has_boot_id;

bool machine_is_in_fiber(void)
{
    return current >= 0;
}

int64_t machine_now_ns(void)
{
    return now_ns;
}

uint64_t machine_events(void)
{
    return events;
}

void machine_boot(void)
{
    boot_number++;
}

static void go_to(int to)
{
    struct fiber *fiber = &fibers[to];
    current = to;
#ifdef LOCK_CHECKS
    locks_held = fiber->held;
#endif
    if (fiber->has_started)
        siglongjmp(fiber->at, 1);
    fiber->has_started = true;
    setcontext(&fiber->context);
}

/* The first deadline of those that wait; -1: none. */
static int64_t next_due(void)
{
    int64_t due = -1;
    for (int i = 0; i < FIBERS_MAX; i++)
        if (fibers[i].state == FIBER_WAITING && fibers[i].due_ns >= 0 &&
            (due < 0 || fibers[i].due_ns < due))
            due = fibers[i].due_ns;
    return due;
}

static void wake_due(void)
{
    for (int i = 0; i < FIBERS_MAX; i++) {
        struct fiber *fiber = &fibers[i];
        if (fiber->state == FIBER_WAITING && fiber->due_ns >= 0 && fiber->due_ns <= now_ns) {
            fiber->state = FIBER_RUNNABLE;
            fiber->timed_out = true;
        }
    }
}

static int pick(void)
{
    for (;;) {
        int runnable[FIBERS_MAX];
        int count = 0;
        wake_due();
        for (int i = 0; i < FIBERS_MAX; i++)
            if (fibers[i].state == FIBER_RUNNABLE)
                runnable[count++] = i;
        if (count > 0)
            return runnable[count == 1 ? 0 : chance_below((uint32_t)count)];
        int64_t due = next_due();
        if (due < 0)
            violation("deadlock: every fiber waits for another");
        now_ns = due;
    }
}

/* Lets another fiber, or this one, go on. */
static __attribute__((noinline)) void switch_fiber(void)
{
    int to = pick();
    if (to == current)
        return;
#ifdef LOCK_CHECKS
    fibers[current].held = locks_held;
#endif
    if (sigsetjmp(fibers[current].at, 0) == 0)
        go_to(to);
}

static void stop(int how)
{
    current = -1;
    siglongjmp(driver_at, how + 1);
}

void machine_event(void)
{
    if (current < 0)
        return;
    events++;
    now_ns += 1000 + chance_below(4000);
    if (stop_at > 0 && events >= stop_at)
        stop((int)stop_how);
    if (chance_one_in(6))
        switch_fiber();
}

static void wait_for(const void *what, int64_t due_ns)
{
    struct fiber *self = &fibers[current];
    self->state = FIBER_WAITING;
    self->waits_for = what;
    self->due_ns = due_ns;
    self->timed_out = false;
    switch_fiber();
}

static void wake(const void *what, bool all)
{
    int waiting[FIBERS_MAX];
    int count = 0;
    for (int i = 0; i < FIBERS_MAX; i++)
        if (fibers[i].state == FIBER_WAITING && fibers[i].waits_for == what)
            waiting[count++] = i;
    for (int i = 0; i < count; i++)
        if (all)
            fibers[waiting[i]].state = FIBER_RUNNABLE;
    if (!all && count > 0)
        fibers[waiting[chance_below((uint32_t)count)]].state = FIBER_RUNNABLE;
}

void machine_sleep_ms(int64_t ms)
{
    machine_event();
    wait_for(NULL, now_ns + ms * 1000000);
}

void machine_settle(void)
{
    for (;;) {
        bool is_busy = false;
        for (int i = 0; i < FIBERS_MAX; i++)
            is_busy |= i != current && fibers[i].state == FIBER_RUNNABLE;
        if (!is_busy)
            return;
        switch_fiber();
    }
}

static void run_fiber(void)
{
    struct fiber *self = &fibers[current];
    if (self->run == NULL) {
        first_work();
        stop(MACHINE_DONE);
    }
    self->run(self->arg);
    self->state = FIBER_ENDED;
    wake(self, true);
    switch_fiber();
    abort();
}

static __attribute__((noinline)) void prepare(struct fiber *fiber)
{
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = &driver_context;
    makecontext(&fiber->context, run_fiber, 0);
}

static int make_fiber(void *(*run)(void *arg), void *arg)
{
    for (int i = 0; i < FIBERS_MAX; i++) {
        struct fiber *fiber = &fibers[i];
        if (fiber->state != FIBER_FREE)
            continue;
        char *stack = fiber->stack;
        *fiber = (struct fiber){ .state = FIBER_RUNNABLE, .run = run, .arg = arg, .due_ns = -1 };
        fiber->stack = stack;
#ifdef __SANITIZE_ADDRESS__ /* the frames of a fiber that was killed are still marked */
        __asan_unpoison_memory_region(stack, STACK_BYTES);
#endif
        prepare(fiber);
        return i;
    }
    violation("more than %d fibers", FIBERS_MAX);
}

/* ---- memory ---------------------------------------------------------------------------------- */

void *__real_malloc(size_t bytes);
void __real_free(void *memory);
void *__real_realloc(void *memory, size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_malloc(size_t bytes);
void __wrap_free(void *memory);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_reallocarray(void *memory, size_t count, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);

enum { CLASSES = 32, HEAD_BYTES = 16 };
static char *arena;
static size_t arena_used;
static void *free_lists[CLASSES];

static bool is_in_arena(const void *memory)
{
    return (const char *)memory >= arena && (const char *)memory < arena + ARENA_BYTES;
}

static int class_of(size_t bytes)
{
    int class = 5;
    while (((size_t)1 << class) < bytes)
        class ++;
    return class;
}

void *__wrap_malloc(size_t bytes)
{
    if (current < 0)
        return __real_malloc(bytes);
    int class = class_of(bytes);
    void *memory = free_lists[class];
    if (memory != NULL) {
        memcpy(&free_lists[class], memory, sizeof(void *));
        return memory;
    }
    size_t all = HEAD_BYTES + ((size_t)1 << class);
    if (arena_used + all > ARENA_BYTES)
        violation("the arena is used up");
    char *head = arena + arena_used;
    arena_used += all;
    memcpy(head, &class, sizeof class);
    return head + HEAD_BYTES;
}

void __wrap_free(void *memory)
{
    if (memory == NULL)
        return;
    if (!is_in_arena(memory)) {
        __real_free(memory);
        return;
    }
    int class;
    memcpy(&class, (char *)memory - HEAD_BYTES, sizeof class);
    memset(memory, 0xEE, (size_t)1 << (class < 10 ? class : 10)); /* who reads it, is seen */
    memcpy(memory, &free_lists[class], sizeof(void *));
    free_lists[class] = memory;
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    if (current < 0)
        return __real_calloc(count, bytes);
    void *memory = __wrap_malloc(count * bytes);
    memset(memory, 0, count * bytes);
    return memory;
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    if (memory == NULL)
        return __wrap_malloc(bytes);
    if (!is_in_arena(memory))
        return __real_realloc(memory, bytes);
    int class;
    memcpy(&class, (char *)memory - HEAD_BYTES, sizeof class);
    if (((size_t)1 << class) >= bytes)
        return memory;
    void *grown = __wrap_malloc(bytes);
    memcpy(grown, memory, (size_t)1 << class);
    __wrap_free(memory);
    return grown;
}

void *__wrap_reallocarray(void *memory, size_t count, size_t bytes)
{
    return __wrap_realloc(memory, count * bytes);
}

char *__wrap_strndup(const char *text, size_t most)
{
    size_t bytes = strnlen(text, most);
    char *copy = __wrap_malloc(bytes + 1);
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    return copy;
}

char *__wrap_strdup(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = __wrap_malloc(bytes);
    memcpy(copy, text, bytes);
    return copy;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Comes back twice: the second time when the machine has stopped. */
static __attribute__((noinline)) enum machine_end start(void)
{
    int ended = sigsetjmp(driver_at, 0);
    if (ended == 0)
        go_to(0);
    current = -1;
    return (enum machine_end)(ended - 1);
}

void machine_kill_soon(void)
{
    if (current < 0)
        return;
    stop_at = events + 1 + chance_below(3);
    stop_how = MACHINE_KILLED;
}

enum machine_end machine_run(void (*work)(void), uint64_t event_count, enum machine_end how)
{
    if (arena == NULL) {
        arena = __real_malloc(ARENA_BYTES);
        for (int i = 0; i < FIBERS_MAX; i++)
            fibers[i].stack = __real_malloc(STACK_BYTES);
    }
    for (int i = 0; i < FIBERS_MAX; i++)
        fibers[i].state = FIBER_FREE;
    arena_used = 0;
    memset(free_lists, 0, sizeof free_lists);
    events = 0;
    stop_at = event_count;
    stop_how = how;
    first_work = work;
    make_fiber(NULL, NULL);
    return start();
}

void machine_reset(void)
{
    machine_reset_to((int64_t)START_S * 1000000000);
}

void machine_reset_to(int64_t ns)
{
    now_ns = ns;
    boot_number = 1;
    has_boot_id = false;
}

void machine_stay_booted(const uint8_t id[36])
{
    memcpy(boot_id, id, sizeof boot_id);
    has_boot_id = true;
}

/* ---- pthread --------------------------------------------------------------------------------- */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *arg), void *arg);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_setname_np(pthread_t thread, const char *name);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int __wrap_pthread_cond_destroy(pthread_cond_t *cond);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
                                  const struct timespec *due);
int __wrap_pthread_cond_signal(pthread_cond_t *cond);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);
int64_t __wrap_clock_wall_ms(void);
int64_t __wrap_clock_monotonic_ns(void);
int64_t __wrap_clock_thread_cpu_ns(void);
void __wrap_disk_boot_id(uint8_t id[36]);
bool __wrap_disk_is_of_this_boot(const char *path);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *arg), void *arg)
{
    (void)attributes;
    machine_event();
    *thread = (pthread_t)make_fiber(run, arg);
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    (void)result;
    struct fiber *fiber = &fibers[thread];
    while (fiber->state != FIBER_ENDED)
        wait_for(fiber, -1);
    fiber->state = FIBER_FREE;
    machine_event();
    return 0;
}

int __wrap_pthread_setname_np(pthread_t thread, const char *name)
{
    (void)thread;
    (void)name;
    return 0;
}

/* The first bytes of a mutex: the fiber that has it, plus one. */
static int *owner_of(pthread_mutex_t *mutex)
{
    return (int *)mutex;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    *owner_of(mutex) = 0;
    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}

static void take(pthread_mutex_t *mutex)
{
    while (*owner_of(mutex) != 0) {
        if (*owner_of(mutex) == current + 1)
            violation("a fiber takes a lock that it has");
        wait_for(mutex, -1);
    }
    *owner_of(mutex) = current + 1;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    machine_event();
    take(mutex);
    return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    if (*owner_of(mutex) != 0)
        return EBUSY;
    *owner_of(mutex) = current + 1;
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (*owner_of(mutex) != current + 1)
        violation("a fiber gives back a lock that it has not");
    *owner_of(mutex) = 0;
    wake(mutex, false);
    return 0;
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    (void)cond;
    (void)attributes;
    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *cond)
{
    (void)cond;
    return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    __wrap_pthread_mutex_unlock(mutex);
    wait_for(cond, -1);
    take(mutex);
    return 0;
}

int __wrap_pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
                                  const struct timespec *due)
{
    (void)clock;
    __wrap_pthread_mutex_unlock(mutex);
    wait_for(cond, (int64_t)due->tv_sec * 1000000000 + due->tv_nsec);
    bool timed_out = fibers[current].timed_out;
    take(mutex);
    return timed_out ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
    wake(cond, false);
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
    wake(cond, true);
    return 0;
}

/* ---- clock and kernel ------------------------------------------------------------------------ */

int64_t __wrap_clock_wall_ms(void)
{
    return now_ns / 1000000;
}

int64_t __wrap_clock_monotonic_ns(void)
{
    return now_ns;
}

int64_t __wrap_clock_thread_cpu_ns(void)
{
    return 0;
}

void __wrap_disk_boot_id(uint8_t id[36])
{
    memset(id, '-', 36);
    memcpy(id + 1, &boot_number, sizeof boot_number);
    id[0] = 'B';
    if (has_boot_id)
        memcpy(id, boot_id, sizeof boot_id);
}

/* It is asked of directories that the reference wrote to last. */
bool __wrap_disk_is_of_this_boot(const char *path)
{
    (void)path;
    return has_boot_id;
}

/* ---- copies that the process may die in ------------------------------------------------------ */

void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes);

static bool dies_in_copy(const void *to, size_t bytes)
{
    return current >= 0 && stop_at > 0 && bytes > 1 && bytes < 65536 && stop_at - events < 40 &&
           sim_disk_is_mapped(to) && chance_one_in(30);
}

/* A call of write: the kernel copies from the front to the back. */
void machine_copy_by_call(void *to, const void *from, size_t bytes)
{
    if (dies_in_copy(to, bytes)) {
        __real_memcpy(to, from, chance_below((uint32_t)bytes));
        stop((int)stop_how);
    }
    __real_memcpy(to, from, bytes);
}

/* A store through a mapping: some copy the first bytes last. */
void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
    if (dies_in_copy(to, bytes)) {
        size_t upto = chance_below((uint32_t)bytes);
        size_t from_at = upto > 64 && chance_one_in(3) ? 64 : 0;
        __real_memcpy((char *)to + from_at, (const char *)from + from_at, upto - from_at);
        stop((int)stop_how);
    }
    return __real_memcpy(to, from, bytes);
}
