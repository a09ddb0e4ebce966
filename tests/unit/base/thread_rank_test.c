#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/thread_rank.h"

static int nice_of_thread(void)
{
    return getpriority(PRIO_PROCESS, (id_t)gettid());
}

static void *stand_back(void *arg)
{
    int *nice = arg;
    thread_stand_back();
    *nice = nice_of_thread();
    return NULL;
}

/* Goal: a thread that stands back does so alone, behind the one that made it. */
static void a_thread_stands_back_alone(void **state)
{
    (void)state;
    pthread_t thread;
    int before = nice_of_thread(), inside = before;
    assert_int_equal(pthread_create(&thread, NULL, stand_back, &inside), 0);
    pthread_join(thread, NULL);
    assert_true(inside > before || before >= 19);
    assert_int_equal(nice_of_thread(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_thread_stands_back_alone) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
