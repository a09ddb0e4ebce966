#include "net/workers.h"

#include <assert.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/thread.h"

enum { THREADS_MAX = 64 };

struct workers {
    struct lock lock; /* guards the queue and is_ending; held for pointer moves only */
    /* One for each job, and each thread that is to end. A condition's signal waits for threads that
     * it woke before, and they may be without a core. */
    sem_t arrived;
    struct job *first;
    struct job *last;
    int queued;
    int queue_max;
    bool is_ending;
    int thread_count;
    pthread_t threads[THREADS_MAX];
};

static void come_back(struct loop_task *task)
{
    struct job *job = (struct job *)((char *)task - offsetof(struct job, task));
    job->done(job);
}

/* The next job; NULL when the pool is ending and none is left. */
static struct job *take(struct workers *workers)
{
    while (sem_wait(&workers->arrived) != 0)
        ;
    lock_take(&workers->lock);
    struct job *job = workers->first;
    if (job != NULL) {
        workers->first = job->next;
        workers->queued--;
    }
    assert(job != NULL || workers->is_ending);
    lock_release(&workers->lock);
    return job;
}

static void *run_worker(void *arg)
{
    struct workers *workers = arg;
    for (struct job *job; (job = take(workers)) != NULL;) {
        job->run(job);
        loop_post(job->loop, &job->task);
    }
    return NULL;
}

int workers_new(const char *name, int threads, int queue_max, struct workers **made)
{
    assert(threads > 0 && threads <= THREADS_MAX);
    struct workers *workers = calloc(1, sizeof *workers);
    if (workers == NULL)
        return ERR_NO_MEMORY;
    lock_init(&workers->lock, LOCK_LEAF);
    sem_init(&workers->arrived, 0, 0);
    workers->queue_max = queue_max;
    for (; workers->thread_count < threads; workers->thread_count++) {
        pthread_t *thread = &workers->threads[workers->thread_count];
        char full_name[24];
        snprintf(full_name, sizeof full_name, "%.10s-%d", name, workers->thread_count);
        int err = thread_start(thread, full_name, run_worker, workers);
        if (err != 0) {
            workers_free(workers);
            return err;
        }
    }
    *made = workers;
    return 0;
}

void workers_free(struct workers *workers)
{
    lock_take(&workers->lock);
    workers->is_ending = true;
    lock_release(&workers->lock);
    for (int i = 0; i < workers->thread_count; i++)
        sem_post(&workers->arrived);
    for (int i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    assert(workers->first == NULL);
    sem_destroy(&workers->arrived);
    lock_fini(&workers->lock);
    free(workers);
}

int workers_submit(struct workers *workers, struct loop *loop, struct job *job)
{
    int err = ERR_WOULD_BLOCK;
    job->loop = loop;
    job->task.run = come_back;
    job->next = NULL;
    lock_take(&workers->lock);
    assert(!workers->is_ending);
    if (workers->queued < workers->queue_max) {
        if (workers->first == NULL)
            workers->first = job;
        else
            workers->last->next = job;
        workers->last = job;
        workers->queued++;
        err = 0;
    }
    lock_release(&workers->lock);
    if (err == 0)
        sem_post(&workers->arrived);
    return err;
}
