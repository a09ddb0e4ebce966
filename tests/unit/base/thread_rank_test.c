#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
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

struct rank {
    int policy;
    int nice;
};

static struct rank own_rank(void)
{
    return (struct rank){ sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, nice_of_thread() };
}

static void *note_rank(void *arg)
{
    *(struct rank *)arg = own_rank();
    return NULL;
}

static void *go_first(void *arg)
{
    struct rank *ranks = arg;
    pthread_t thread;
    thread_go_first();
    thread_go_first();
    ranks[0] = own_rank();
    if (pthread_create(&thread, NULL, note_rank, &ranks[1]) == 0)
        pthread_join(thread, NULL);
    return NULL;
}

/* Goal: a thread that goes first takes no more than it had, it only asks for it in short turns; and
 * what it starts may stand back. */
static void who_goes_first_keeps_its_share(void **state)
{
    (void)state;
    pthread_t thread;
    struct rank ranks[2], before = own_rank();
    assert_int_equal(pthread_create(&thread, NULL, go_first, ranks), 0);
    pthread_join(thread, NULL);
    assert_int_equal(ranks[0].policy, before.policy);
    assert_int_equal(ranks[0].nice, before.nice);
    assert_int_equal(ranks[1].policy, before.policy);
    assert_true(ranks[1].nice == before.nice || before.nice < 0);
}

static void *give_way(void *arg)
{
    struct rank *ranks = arg;
    thread_stand_back();
    ranks[0] = own_rank();
    thread_take_short_turns();
    thread_give_way();
    ranks[1] = own_rank();
    return NULL;
}

/* Goal: short turns do not take back what a thread that stands back gave up. */
static void short_turns_are_turns_of_the_same_share(void **state)
{
    (void)state;
    pthread_t thread;
    struct rank ranks[2];
    assert_int_equal(pthread_create(&thread, NULL, give_way, ranks), 0);
    pthread_join(thread, NULL);
    assert_int_equal(ranks[1].policy, ranks[0].policy);
    assert_int_equal(ranks[1].nice, ranks[0].nice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_stands_back_alone),
        cmocka_unit_test(who_goes_first_keeps_its_share),
        cmocka_unit_test(short_turns_are_turns_of_the_same_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
