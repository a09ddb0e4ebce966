#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/lock.h"

enum { ADDS = 10000, THREADS = 3 };

static struct lock first, second, twin;
static int64_t sum;

static int set_up(void **state)
{
    (void)state;
    lock_init(&first, LOCK_QUEUES);
    lock_init(&second, LOCK_QUEUE);
    lock_init(&twin, LOCK_QUEUE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lock_fini(&first);
    lock_fini(&second);
    lock_fini(&twin);
    return 0;
}

static void *add(void *arg)
{
    (void)arg;
    for (int i = 0; i < ADDS; i++) {
        lock_take(&first);
        sum++;
        lock_release(&first);
    }
    return NULL;
}

/* Goal: what a lock guards is changed by one thread at a time. */
static void one_thread_at_a_time(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(sum, THREADS * ADDS);
}

static void *try_second(void *arg)
{
    *(bool *)arg = lock_try(&second);
    if (*(bool *)arg)
        lock_release(&second);
    return NULL;
}

static bool another_can_have_second(void)
{
    bool had = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, try_second, &had), 0);
    pthread_join(thread, NULL);
    return had;
}

/* Goal: a try does not wait, and says whether it was had. */
static void a_try_does_not_wait(void **state)
{
    (void)state;
    assert_true(lock_try(&second));
    assert_false(another_can_have_second());
    lock_release(&second);
    assert_true(another_can_have_second());
}

/* Goal: a wait with an end ends, and the lock is had again. */
static void a_wait_ends_when_its_time_is_over(void **state)
{
    (void)state;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    lock_take(&second);
    int64_t due_ns = clock_monotonic_ns() + 1000000;
    while (lock_wait_until(&second, &cond, due_ns))
        ;
    assert_true(clock_monotonic_ns() >= due_ns);
    assert_false(another_can_have_second());
    lock_release(&second);
}

#ifdef LOCK_CHECKS

static void take_backwards(void)
{
    lock_take(&second);
    lock_take(&first);
}

static void take_two_of_one_place(void)
{
    lock_take(&second);
    lock_take(&twin);
}

static void try_backwards(void)
{
    lock_take(&second);
    (void)lock_try(&first);
}

static void release_what_is_not_held(void)
{
    lock_release(&first);
}

static void wait_below_another(void)
{
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    lock_take(&first);
    lock_take(&second);
    lock_wait_until(&first, &cond, 0);
}

/* In a process of its own, which says nothing. */
static bool stops_the_program(void (*what)(void))
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        what();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* Goal: each breach of the order is met the first time, with no other thread near. */
static void a_breach_stops_the_program(void **state)
{
    (void)state;
    assert_true(stops_the_program(take_backwards));
    assert_true(stops_the_program(take_two_of_one_place));
    assert_true(stops_the_program(try_backwards));
    assert_true(stops_the_program(release_what_is_not_held));
    assert_true(stops_the_program(wait_below_another));
}

/* Goal: held is what this thread holds, in whatever order it is given back. */
static void a_thread_knows_what_it_holds(void **state)
{
    (void)state;
    lock_take(&first);
    lock_take(&second);
    assert_true(lock_is_held(&first) && lock_is_held(&second));
    assert_true(lock_is_last(&second) && !lock_is_last(&first));
    lock_release(&first);
    assert_true(!lock_is_held(&first) && lock_is_held(&second));
    lock_release(&second);
    assert_true(!lock_is_held(&second) && !lock_is_last(&second));
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_at_a_time),
        cmocka_unit_test(a_try_does_not_wait),
        cmocka_unit_test(a_wait_ends_when_its_time_is_over),
#ifdef LOCK_CHECKS
        cmocka_unit_test(a_breach_stops_the_program),
        cmocka_unit_test(a_thread_knows_what_it_holds),
#endif
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
