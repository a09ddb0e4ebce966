/* What may block while a loop goes on: errands, and the deputy that runs the loop meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/poller.h"

static struct loop *loop;
static struct loop_task begin;
static struct loop_task meanwhile;
static struct loop_errand errand;
static struct loop_timer timer;
static struct loop_deferred behind;
static sem_t may_come_back;
static int runs, dones, timers_run, behind_run;
static bool is_on_loop; /* a callback runs: never two at once */

static int setup(void **state)
{
    (void)state;
    runs = dones = timers_run = behind_run = 0;
    is_on_loop = false;
    errand = (struct loop_errand){ 0 };
    sem_init(&may_come_back, 0, 0);
    return loop_new("test", &loop);
}

static int teardown(void **state)
{
    (void)state;
    sem_destroy(&may_come_back);
    loop_free(loop);
    return 0;
}

static void enter(void)
{
    assert_true(loop_is_current(loop));
    assert_false(is_on_loop);
    is_on_loop = true;
}

static void leave(void)
{
    is_on_loop = false;
}

static void begin_with_errand(struct loop_task *task)
{
    (void)task;
    enter();
    assert_int_equal(loop_add_deputy(loop), 0);
    assert_true(loop_has_deputy(loop));
    loop_errand_ask(loop, &errand, 0);
    loop_errand_ask(loop, &errand, 0);
    leave();
}

/* ---- one that lasts ---- */

static void wait_to_come_back(struct loop_errand *e)
{
    (void)e;
    runs++;
    loop_post(loop, &meanwhile);
    while (sem_wait(&may_come_back) != 0)
        ;
}

static void let_come_back(struct loop_task *task)
{
    (void)task;
    enter();
    assert_int_equal(runs, 1);
    assert_int_equal(dones, 0);
    sem_post(&may_come_back);
    leave();
}

static void on_timer(struct loop_timer *t)
{
    (void)t;
    enter();
    timers_run++;
    loop_stop(loop);
    leave();
}

static void on_behind(struct loop_deferred *d)
{
    (void)d;
    enter();
    behind_run++;
    leave();
}

static void start_timer(struct loop_errand *e)
{
    (void)e;
    enter();
    dones++;
    loop_defer(loop, &behind);
    loop_timer_start(loop, &timer, 1);
    leave();
}

/* Goal: an errand that lasts does not keep the loop; what is done behind it counts, though the
 * other thread sleeps already.
 * Method: it comes back when a task was run that was posted during it; then a timer is started. */
static void a_lasting_errand_leaves_the_loop_to_the_deputy(void **state)
{
    (void)state;
    begin = (struct loop_task){ .run = begin_with_errand };
    meanwhile = (struct loop_task){ .run = let_come_back };
    errand = (struct loop_errand){ wait_to_come_back, start_timer };
    loop_timer_init(&timer, on_timer);
    loop_deferred_init(&behind, on_behind);
    loop_post(loop, &begin);
    loop_run(loop);
    assert_int_equal(runs, 1);
    assert_int_equal(dones, 1);
    assert_int_equal(behind_run, 1);
    assert_int_equal(timers_run, 1);
    assert_false(loop_has_deputy(loop));
}

/* ---- the end ---- */

static void stop_and_let_come_back(struct loop_task *task)
{
    loop_stop(loop);
    let_come_back(task);
}

static void count_done(struct loop_errand *e)
{
    (void)e;
    enter();
    dones++;
    leave();
}

/* Goal: a loop ends when its errand is over, not before.
 * Method: stopped by the deputy while the other thread is away. */
static void a_loop_that_is_stopped_waits_for_its_errand(void **state)
{
    (void)state;
    begin = (struct loop_task){ .run = begin_with_errand };
    meanwhile = (struct loop_task){ .run = stop_and_let_come_back };
    errand = (struct loop_errand){ wait_to_come_back, count_done };
    loop_post(loop, &begin);
    loop_run(loop);
    assert_int_equal(runs, 1);
    assert_int_equal(dones, 1);
}

/* ---- many ---- */

enum { ERRANDS = 2000 };
static int ticks;

static void short_run(struct loop_errand *e)
{
    (void)e;
    if (dones % 100 == 99) /* some last: the other one takes over */
        wait_to_come_back(e);
    else
        runs++;
}

static void ask_again(struct loop_errand *e)
{
    enter();
    dones++;
    assert_int_equal(dones, runs);
    if (dones < ERRANDS)
        loop_errand_ask(loop, e, 0);
    else
        loop_stop(loop);
    leave();
}

static void let_long_one_come_back(struct loop_task *task)
{
    (void)task;
    enter();
    ticks++;
    sem_post(&may_come_back);
    leave();
}

/* Goal: errands come one at a time, each once, whoever goes; the loop's callbacks never run at
 * once. Method: each asks for the next; one in a hundred lasts until the other thread has run a
 * task. */
static void errands_come_one_at_a_time(void **state)
{
    (void)state;
    ticks = 0;
    begin = (struct loop_task){ .run = begin_with_errand };
    meanwhile = (struct loop_task){ .run = let_long_one_come_back };
    errand = (struct loop_errand){ short_run, ask_again };
    loop_post(loop, &begin);
    loop_run(loop);
    assert_int_equal(dones, ERRANDS);
    assert_true(ticks > 0);
}

/* ---- patience ---- */

static int rounds;

static void post_again(struct loop_task *task)
{
    enter();
    rounds++;
    if (dones == 0)
        loop_post(loop, task);
    else
        loop_stop(loop);
    leave();
}

static void count_run(struct loop_errand *e)
{
    (void)e;
    runs++;
}

static void begin_with_patience(struct loop_task *task)
{
    (void)task;
    enter();
    assert_int_equal(loop_add_deputy(loop), 0);
    loop_errand_ask(loop, &errand, 2000000);
    loop_post(loop, &meanwhile);
    leave();
}

/* Goal: a loop that always has something to do goes on its errand all the same, when its patience
 * is over. Method: a task that posts itself until the errand is done. */
static void a_busy_loop_goes_on_its_errand(void **state)
{
    (void)state;
    rounds = 0;
    begin = (struct loop_task){ .run = begin_with_patience };
    meanwhile = (struct loop_task){ .run = post_again };
    errand = (struct loop_errand){ count_run, count_done };
    loop_post(loop, &begin);
    loop_run(loop);
    assert_int_equal(dones, 1);
    assert_true(rounds > 1);
}

/* ---- the poller ---- */

static int calls;

static void count_call(struct loop_watch *watch, uint32_t ready)
{
    (void)watch;
    (void)ready;
    calls++;
}

/* Goal: a watch that is removed while a thread waits is not called by what that wait brought.
 * Method: both descriptors are ready and waited for; then one goes. */
static void what_goes_during_a_wait_is_not_called(void **state)
{
    (void)state;
    struct poller *poller;
    struct loop_watch stays = { count_call, eventfd(1, EFD_CLOEXEC), EPOLLIN };
    struct loop_watch goes = { count_call, eventfd(1, EFD_CLOEXEC), EPOLLIN };
    calls = 0;
    assert_int_equal(poller_new(&poller), 0);
    assert_int_equal(poller_add(poller, &stays), 0);
    assert_int_equal(poller_add(poller, &goes), 0);
    for (int round = 1; round <= 2; round++) {
        poller_expect(poller);
        int ready = poller_wait(poller, true);
        assert_int_equal(ready, round == 1 ? 2 : 1);
        if (round == 1)
            poller_remove(poller, &goes);
        poller_run(poller, ready);
        assert_int_equal(calls, round);
    }
    poller_remove(poller, &stays);
    close(stays.fd);
    close(goes.fd);
    poller_free(poller);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(a_lasting_errand_leaves_the_loop_to_the_deputy),
        LOOP_TEST(a_loop_that_is_stopped_waits_for_its_errand),
        LOOP_TEST(errands_come_one_at_a_time),
        LOOP_TEST(a_busy_loop_goes_on_its_errand),
        cmocka_unit_test(what_goes_during_a_wait_is_not_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
