#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/loop.h"

static struct loop *loop;
static char trace[256]; /* what ran, a letter each */
static int trace_len;

static void note(char letter)
{
    if (trace_len < (int)sizeof trace - 1)
        trace[trace_len++] = letter;
    trace[trace_len] = 0;
}

static int setup(void **state)
{
    (void)state;
    trace_len = 0;
    trace[0] = 0;
    return loop_new("test", &loop);
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

/* ---- timers ---- */

struct numbered_timer {
    struct loop_timer timer;
    int64_t delay_ms;
    int64_t started_ns;
    int64_t fired_ns;
};

static int64_t last_due_ns;
static int left;

static void on_numbered(struct loop_timer *timer)
{
    struct numbered_timer *t = list_entry(timer, struct numbered_timer, timer);
    t->fired_ns = clock_monotonic_ns();
    assert_true(timer->due_ns >= last_due_ns);
    last_due_ns = timer->due_ns;
    if (--left == 0)
        loop_stop(loop);
}

/* Goal: timers fire in the order they are due, each once, none early, and a stopped one never.
 * Method: two hundred timers of 0 to 49 ms; every third is moved, every fifth stopped. */
static void timers_fire_in_order_and_never_early(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static struct numbered_timer timers[COUNT];
    left = 0;
    last_due_ns = 0;
    for (int i = 0; i < COUNT; i++) {
        struct numbered_timer *t = &timers[i];
        *t = (struct numbered_timer){ .delay_ms = i * 37 % 50 };
        loop_timer_init(&t->timer, on_numbered);
        loop_timer_start(loop, &t->timer, i % 3 == 0 ? 100000 : t->delay_ms);
    }
    for (int i = 0; i < COUNT; i++) {
        struct numbered_timer *t = &timers[i];
        t->started_ns = clock_monotonic_ns();
        if (i % 5 == 0) {
            loop_timer_stop(&t->timer);
            loop_timer_stop(&t->timer);
        } else {
            loop_timer_start(loop, &t->timer, t->delay_ms);
            left++;
        }
    }
    loop_run(loop);
    for (int i = 0; i < COUNT; i++) {
        const struct numbered_timer *t = &timers[i];
        assert_int_equal(t->timer.at, 0);
        if (i % 5 == 0)
            assert_int_equal(t->fired_ns, 0);
        else if (t->delay_ms > 0)
            assert_true(t->fired_ns - t->started_ns >= t->delay_ms * 1000000);
    }
}

struct wall_timer {
    struct loop_timer timer;
    int64_t due_ms;
    bool was_early;
};

static void on_wall(struct loop_timer *timer)
{
    struct wall_timer *t = list_entry(timer, struct wall_timer, timer);
    t->was_early = loop_now_ms(loop) < t->due_ms;
    if (--left == 0)
        loop_stop(loop);
}

/* Goal: a timer by the wall clock fires when the loop's clock shows the moment, not before; one
 * whose moment has passed fires at once, and one at the end of time not at all. */
static void a_timer_by_the_wall_clock_is_never_early(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    static struct wall_timer timers[COUNT];
    struct loop_timer never;
    int64_t start_ms = clock_wall_ms();
    left = COUNT;
    for (int i = 0; i < COUNT; i++) {
        struct wall_timer *t = &timers[i];
        *t = (struct wall_timer){ .due_ms = start_ms - 10 + i };
        loop_timer_init(&t->timer, on_wall);
        loop_timer_start_at(loop, &t->timer, i == 0 ? INT64_MIN : t->due_ms);
    }
    loop_timer_init(&never, on_wall);
    loop_timer_start_at(loop, &never, INT64_MAX);
    loop_run(loop);
    for (int i = 0; i < COUNT; i++)
        assert_false(timers[i].was_early);
    assert_int_not_equal(never.at, 0);
    loop_timer_stop(&never);
}

static int passes_left;

static void on_again(struct loop_timer *timer)
{
    note('t');
    if (--passes_left == 0) {
        free(timer);
        loop_stop(loop);
    } else {
        loop_timer_start(loop, timer, 0);
    }
}

static void run_noting_task(struct loop_task *task)
{
    note('p');
    if (passes_left > 1)
        loop_post(loop, task);
}

/* Goal: a timer of 0 ms that starts itself again waits for the next pass, and a timer may free
 * itself. Method: beside a task that posts itself again each pass: both alternate. The last run
 * frees. */
static void a_timer_of_zero_waits_for_the_next_pass(void **state)
{
    (void)state;
    struct loop_timer *timer = malloc(sizeof *timer);
    struct loop_task task = { .run = run_noting_task };
    passes_left = 4;
    loop_timer_init(timer, on_again);
    loop_timer_start(loop, timer, 0);
    loop_post(loop, &task);
    loop_run(loop);
    assert_string_equal(trace, "ptptptpt");
}

/* ---- the order of a pass ---- */

static struct loop_deferred deferred_once, deferred_by_deferred;
static struct loop_timer pass_timer;
static struct loop_task pass_task;

static void run_second_deferred(struct loop_deferred *d)
{
    (void)d;
    note('e');
    loop_stop(loop);
}

static void run_first_deferred(struct loop_deferred *d)
{
    (void)d;
    note('d');
    loop_defer(loop, &deferred_by_deferred);
}

static void on_pass_timer(struct loop_timer *t)
{
    (void)t;
    note('t');
}

static void run_pass_task(struct loop_task *t)
{
    (void)t;
    note('p');
    loop_defer(loop, &deferred_once);
    loop_defer(loop, &deferred_once);
}

static void on_event(struct loop_watch *watch, uint32_t ready)
{
    uint64_t count;
    assert_true(ready & EPOLLIN);
    assert_int_equal(read(watch->fd, &count, sizeof count), sizeof count);
    note('r');
    loop_defer(loop, &deferred_once);
    loop_post(loop, &pass_task);
}

/* Goal: a pass runs what is ready, what was posted, what is due, then what was deferred, once each;
 * what is deferred meanwhile still belongs to it. Method: an event that posts and defers, a due
 * timer; the letters of what ran. */
static void a_pass_has_its_order(void **state)
{
    (void)state;
    loop_deferred_init(&deferred_once, run_first_deferred);
    loop_deferred_init(&deferred_by_deferred, run_second_deferred);
    loop_timer_init(&pass_timer, on_pass_timer);
    pass_task = (struct loop_task){ .run = run_pass_task };
    struct loop_watch watch = { on_event, eventfd(1, EFD_NONBLOCK), EPOLLIN };
    assert_int_equal(loop_watch_start(loop, &watch), 0);
    loop_timer_start(loop, &pass_timer, 0);
    loop_run(loop);
    assert_string_equal(trace, "rptde");
    loop_watch_stop(loop, &watch);
    close(watch.fd);
}

static void run_for_ever(struct loop_deferred *d)
{
    loop_defer(loop, d);
}

static void on_stop_timer(struct loop_timer *t)
{
    (void)t;
    loop_stop(loop);
}

/* Goal: deferred work that never ends does not keep timers from running.
 * Method: one that defers itself always, and a timer that stops the loop. */
static void endless_deferred_work_starves_nobody(void **state)
{
    (void)state;
    struct loop_deferred d;
    struct loop_timer timer;
    loop_deferred_init(&d, run_for_ever);
    loop_timer_init(&timer, on_stop_timer);
    loop_defer(loop, &d);
    loop_timer_start(loop, &timer, 1);
    loop_run(loop);
    loop_undefer(&d);
}

/* ---- descriptors ---- */

static struct loop_watch pair[2];

static void on_one_of_two(struct loop_watch *watch, uint32_t ready)
{
    (void)ready;
    note('r');
    struct loop_watch *other = watch == &pair[0] ? &pair[1] : &pair[0];
    loop_watch_stop(loop, other);
    close(other->fd);
    other->fd = -1;
    loop_watch_stop(loop, watch);
    close(watch->fd);
    loop_stop(loop);
}

/* Goal: a watch that is stopped is not called any more, even when it was ready in the same wait.
 * Method: two ready descriptors; whichever comes first stops and closes the other. */
static void a_stopped_watch_is_not_called(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        pair[i] = (struct loop_watch){ on_one_of_two, eventfd(1, EFD_NONBLOCK), EPOLLIN };
        assert_int_equal(loop_watch_start(loop, &pair[i]), 0);
    }
    loop_run(loop);
    assert_string_equal(trace, "r");
}

/* ---- posting ---- */

enum { POSTERS = 4, POSTS = 5000 };

struct numbered_task {
    struct loop_task task;
    int poster;
    int number;
};

static struct numbered_task tasks[POSTERS][POSTS];
static int seen[POSTERS];
static int seen_count;

static void run_numbered_task(struct loop_task *task)
{
    const struct numbered_task *t = list_entry(task, struct numbered_task, task);
    assert_true(loop_is_current(loop));
    assert_int_equal(t->number, seen[t->poster]);
    seen[t->poster]++;
    if (++seen_count == POSTERS * POSTS)
        loop_stop(loop);
}

static void *post_all(void *arg)
{
    struct numbered_task *own = arg;
    assert_false(loop_is_current(loop));
    for (int i = 0; i < POSTS; i++)
        loop_post(loop, &own[i].task);
    return NULL;
}

static void start_posters(struct loop_task *task)
{
    pthread_t *threads = (pthread_t *)(task + 1);
    for (int p = 0; p < POSTERS; p++)
        pthread_create(&threads[p], NULL, post_all, tasks[p]);
}

/* Goal: everything posted runs once, on the loop, in each poster's order, and no wake is lost.
 * Method: four threads post five thousand tasks each at a loop with nothing else to wake it. */
static void posted_tasks_run_once_and_in_order(void **state)
{
    (void)state;
    struct {
        struct loop_task task;
        pthread_t threads[POSTERS];
    } start = { .task = { .run = start_posters } };
    seen_count = 0;
    for (int p = 0; p < POSTERS; p++) {
        seen[p] = 0;
        for (int i = 0; i < POSTS; i++)
            tasks[p][i] = (struct numbered_task){ { run_numbered_task, NULL }, p, i };
    }
    loop_post(loop, &start.task);
    loop_run(loop);
    for (int p = 0; p < POSTERS; p++)
        pthread_join(start.threads[p], NULL);
    assert_int_equal(seen_count, POSTERS * POSTS);
}

/* Goal: a loop that was stopped may run again, and one stopped before it ran returns at once.
 * Method: stop, run, then a second life with a timer. */
static void a_stopped_loop_may_run_again(void **state)
{
    (void)state;
    loop_stop(loop);
    loop_run(loop);
    struct loop_timer timer;
    loop_timer_init(&timer, on_stop_timer);
    loop_timer_start(loop, &timer, 1);
    loop_run(loop);
    assert_int_equal(timer.at, 0);
}

/* ---- the backlog ---- */

static struct loop_deferred endless_step, other_step;

static void on_endless_step(struct loop_deferred *step)
{
    loop_go_on(loop, step);
}

static void on_other_step(struct loop_deferred *step)
{
    (void)step;
    note('o');
}

/* Goal: work that always goes on leaves every pass room for others: a timer fires, what is behind
 * it in the backlog has its turn. */
static void an_endless_backlog_starves_nobody(void **state)
{
    (void)state;
    struct loop_timer timer;
    loop_deferred_init(&endless_step, on_endless_step);
    loop_deferred_init(&other_step, on_other_step);
    loop_go_on(loop, &endless_step);
    loop_go_on(loop, &other_step);
    loop_timer_init(&timer, on_stop_timer);
    loop_timer_start(loop, &timer, 5);
    loop_run(loop);
    assert_string_equal(trace, "o");
    loop_undefer(&endless_step);
}

static struct loop_deferred own_step, answer;
static struct loop_task little;

static bool is_little_posted;

static void on_own_step(struct loop_deferred *step)
{
    if (trace_len > 0) {
        note('s');
        loop_stop(loop);
        return;
    }
    if (!is_little_posted)
        loop_post(loop, &little);
    is_little_posted = true;
    loop_go_on(loop, step);
}

static void on_little(struct loop_task *task)
{
    (void)task;
    note('p');
    loop_defer(loop, &answer);
}

static void on_answer(struct loop_deferred *deferred)
{
    (void)deferred;
    note('d');
}

/* Goal: while work goes on from pass to pass, what comes in one is answered before that goes on.
 * Method: the step posts what the next pass begins with. */
static void a_backlog_keeps_no_answer_waiting(void **state)
{
    (void)state;
    little = (struct loop_task){ .run = on_little };
    loop_deferred_init(&own_step, on_own_step);
    loop_deferred_init(&answer, on_answer);
    loop_go_on(loop, &own_step);
    loop_run(loop);
    assert_string_equal(trace, "pds");
}

/* ---- what may come last ---- */

static struct loop_deferred first_last, second_last;
static struct loop_task between;

static void on_between(struct loop_task *task)
{
    (void)task;
    note('p');
}

static void on_first_last(struct loop_deferred *step)
{
    (void)step;
    note('1');
    loop_post(loop, &between);
}

static void on_second_last(struct loop_deferred *step)
{
    (void)step;
    note('2');
    loop_stop(loop);
}

/* Goal: what comes last is done behind what was deferred, and one in each pass: what came meanwhile
 * is served before the next.
 * Method: the first posts a task. */
static void what_comes_last_comes_one_at_a_time(void **state)
{
    (void)state;
    between = (struct loop_task){ .run = on_between };
    loop_deferred_init(&first_last, on_first_last);
    loop_deferred_init(&second_last, on_second_last);
    loop_deferred_init(&other_step, on_other_step);
    loop_go_last(loop, &first_last);
    loop_go_last(loop, &second_last);
    loop_go_last(loop, &first_last); /* it stands there already */
    loop_defer(loop, &other_step);
    loop_run(loop);
    assert_string_equal(trace, "o1p2");
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(timers_fire_in_order_and_never_early),
        LOOP_TEST(a_timer_by_the_wall_clock_is_never_early),
        LOOP_TEST(a_timer_of_zero_waits_for_the_next_pass),
        LOOP_TEST(a_pass_has_its_order),
        LOOP_TEST(endless_deferred_work_starves_nobody),
        LOOP_TEST(an_endless_backlog_starves_nobody),
        LOOP_TEST(a_backlog_keeps_no_answer_waiting),
        LOOP_TEST(what_comes_last_comes_one_at_a_time),
        LOOP_TEST(a_stopped_watch_is_not_called),
        LOOP_TEST(posted_tasks_run_once_and_in_order),
        LOOP_TEST(a_stopped_loop_may_run_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
