#include "main/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of the whole run: signals are blocked once, before there is a second thread. */
static struct process process;

static int set_up(void **state)
{
    (void)state;
    return process_init(&process);
}

static int tear_down(void **state)
{
    (void)state;
    process_end_workers(&process);
    process_fini(&process);
    return 0;
}

struct seen {
    pthread_t thread;
    int calls;
};

static int look(void *ctx)
{
    struct seen *seen = ctx;
    seen->thread = pthread_self();
    return 40 + ++seen->calls;
}

static void a_call_runs_on_the_loop_and_gives_its_result(void **state)
{
    (void)state;
    struct loop_thread *thread;
    struct seen seen = { 0 };
    assert_int_equal(loop_thread_start("seen", &thread), 0);
    assert_int_equal(loop_thread_call(thread, look, &seen), 41);
    assert_false(pthread_equal(seen.thread, pthread_self()));
    pthread_t first = seen.thread;
    assert_int_equal(loop_thread_call(thread, look, &seen), 42);
    assert_true(pthread_equal(seen.thread, first));
    loop_thread_stop(thread);
}

/* Goal: a signal that came before anybody waited for it is not lost; any thread may have got it. */
static void a_signal_that_came_early_ends_the_wait(void **state)
{
    (void)state;
    static const int ends[] = { SIGTERM, SIGINT };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        assert_int_equal(kill(getpid(), ends[i]), 0);
        process_wait_for_end();
    }
}

static void all_descriptors_that_are_allowed_may_be_used(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_cur == limit.rlim_max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_runs_on_the_loop_and_gives_its_result),
        cmocka_unit_test(a_signal_that_came_early_ends_the_wait),
        cmocka_unit_test(all_descriptors_that_are_allowed_may_be_used),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
