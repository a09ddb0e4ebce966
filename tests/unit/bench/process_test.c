#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/process.h"

static void *tell_id(void *id)
{
    *(pid_t *)id = gettid();
    return NULL;
}

/* A sanitizer starts a thread of its own beside the first one: let that be over before counting.
 * Who was joined is still counted for a moment. */
static void have_had_a_thread(void)
{
    pthread_t thread;
    pid_t id;
    char path[64];
    assert_int_equal(pthread_create(&thread, NULL, tell_id, &id), 0);
    pthread_join(thread, NULL);
    snprintf(path, sizeof path, "/proc/self/task/%d", (int)id);
    while (access(path, F_OK) == 0)
        sched_yield();
}

static void *wait_for_byte(void *arg)
{
    char byte;
    return read(*(int *)arg, &byte, 1) == 1 ? arg : NULL;
}

/* Goal: the figures are this process's: processor time grows with work, a thread more is a thread
 * more, waiting is counted as a switch. */
static void figures_follow_the_process(void **state)
{
    (void)state;
    struct process_usage before, after;
    pthread_t thread;
    int pipe_fds[2];
    have_had_a_thread();
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(process_usage(getpid(), &before), 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_byte, &pipe_fds[0]), 0);
    do /* until the work shows, and the thread waits for its byte */
        assert_int_equal(process_usage(getpid(), &after), 0);
    while (after.cpu_ns - before.cpu_ns < 2000000 ||
           after.context_switches <= before.context_switches);
    assert_int_equal(after.threads, before.threads + 1);
    assert_true(after.resident_kib > 0);
    assert_true(after.resident_anon_kib > 0);
    assert_true(after.resident_anon_kib <= after.resident_kib);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    pthread_join(thread, NULL);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void a_process_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct process_usage usage;
    assert_int_equal(process_usage(0x3FFFFFFF, &usage), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_follow_the_process),
        cmocka_unit_test(a_process_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
