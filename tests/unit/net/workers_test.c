#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <semaphore.h>

#include "net/workers.h"

static struct loop *loop;
static int done_left;

struct counted_job {
    struct job job;
    sem_t *gate; /* NULL: runs at once */
    int runs;
};

static void run_job(struct job *job)
{
    struct counted_job *counted = list_entry(job, struct counted_job, job);
    assert_false(loop_is_current(loop));
    if (counted->gate != NULL)
        sem_wait(counted->gate);
    counted->runs++;
}

static void job_done(struct job *job)
{
    struct counted_job *counted = list_entry(job, struct counted_job, job);
    assert_true(loop_is_current(loop));
    assert_int_equal(counted->runs, 1);
    if (--done_left == 0)
        loop_stop(loop);
}

static void submit_all(struct loop_task *task);

enum { JOBS = 100 };
static struct counted_job jobs[JOBS];
static struct workers *workers;

static void submit_all(struct loop_task *task)
{
    (void)task;
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(workers_submit(workers, loop, &jobs[i].job), 0);
}

/* Goal: each job runs once on a worker and comes back once on the loop.
 * Method: a hundred jobs for three threads. */
static void jobs_run_off_the_loop_and_come_back(void **state)
{
    (void)state;
    assert_int_equal(loop_new("test", &loop), 0);
    assert_int_equal(workers_new("work", 3, JOBS, &workers), 0);
    for (int i = 0; i < JOBS; i++)
        jobs[i] = (struct counted_job){ .job = { .run = run_job, .done = job_done } };
    done_left = JOBS;
    struct loop_task start = { .run = submit_all };
    loop_post(loop, &start);
    loop_run(loop);
    workers_free(workers);
    loop_free(loop);
}

static void submit_too_many(struct loop_task *task)
{
    (void)task;
    /* The one worker may or may not have taken the first job from the queue of two already. */
    int taken = 0;
    while (workers_submit(workers, loop, &jobs[taken].job) == 0)
        taken++;
    assert_true(taken == 2 || taken == 3);
    done_left = taken;
    for (int i = 0; i < taken; i++)
        sem_post(jobs[0].gate);
}

/* Goal: a full queue refuses, what was taken is still run, and freeing the pool runs out the queue.
 * Method: one worker held at a gate, a queue of two. */
static void a_full_queue_refuses(void **state)
{
    (void)state;
    sem_t gate;
    sem_init(&gate, 0, 0);
    assert_int_equal(loop_new("test", &loop), 0);
    assert_int_equal(workers_new("work", 1, 2, &workers), 0);
    for (int i = 0; i < JOBS; i++)
        jobs[i] =
            (struct counted_job){ .job = { .run = run_job, .done = job_done }, .gate = &gate };
    struct loop_task start = { .run = submit_too_many };
    loop_post(loop, &start);
    loop_run(loop);
    workers_free(workers);
    loop_free(loop);
    sem_destroy(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_off_the_loop_and_come_back),
        cmocka_unit_test(a_full_queue_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
