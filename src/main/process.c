/* process.c - the frame around servers.
 *
 * Signals that end the process are blocked before the first thread is made, so that all threads
 * inherit that and the main thread alone takes them, by waiting for them. A loop belongs to its
 * thread; the main thread asks it by a posted call and waits for the answer.
 */
#include "main/process.h"

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"
#include "main/fault_socket.h"

/* Cold reads and index look-ups wait for the disk, not for a core. */
enum { WORKER_COUNT = 4, WORKER_QUEUE_MAX = 4096 };

static void end_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

/* Every connection is a descriptor; the soft limit of 1024 is a default for select(), not for
 * servers. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int process_init(struct process *process)
{
    sigset_t set;
    end_signals(&set);
    int cause = pthread_sigmask(SIG_BLOCK, &set, NULL);
    assert(cause == 0);
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    int err = log_start(STDERR_FILENO, LOG_INFO);
    if (err != 0)
        return err;
    fault_socket_start();
    err = workers_new("worker", WORKER_COUNT, WORKER_QUEUE_MAX, &process->workers);
    if (err != 0)
        log_stop();
    return err;
}

void process_end_workers(struct process *process)
{
    workers_free(process->workers);
    process->workers = NULL;
}

void process_fini(struct process *process)
{
    assert(process->workers == NULL);
    log_stop();
}

void process_wait_for_end(void)
{
    sigset_t set;
    int got = 0;
    end_signals(&set);
    while (sigwait(&set, &got) != 0)
        ;
    log_info("stopping signal=%d", got);
}

struct loop_thread {
    struct loop *loop;
    pthread_t thread;
};

static void *run_loop(void *arg)
{
    struct loop_thread *thread = arg;
    loop_run(thread->loop);
    return NULL;
}

int loop_thread_start(const char *name, struct loop_thread **started)
{
    struct loop_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        return ERR_NO_MEMORY;
    int err = loop_new(name, &thread->loop);
    if (err != 0)
        goto fail;
    err = thread_start(&thread->thread, name, run_loop, thread);
    if (err != 0)
        goto fail_loop;
    *started = thread;
    return 0;
fail_loop:
    loop_free(thread->loop);
fail:
    free(thread);
    return err;
}

struct loop *loop_thread_loop(const struct loop_thread *thread)
{
    return thread->loop;
}

struct loop_call {
    struct loop_task task;
    int (*fn)(void *ctx);
    void *ctx;
    int result;
    sem_t done;
};

static void run_call(struct loop_task *task)
{
    struct loop_call *call = (struct loop_call *)task;
    call->result = call->fn(call->ctx);
    sem_post(&call->done);
}

int loop_thread_call(struct loop_thread *thread, int (*fn)(void *ctx), void *ctx)
{
    struct loop_call call = { .task = { .run = run_call }, .fn = fn, .ctx = ctx };
    sem_init(&call.done, 0, 0);
    loop_post(thread->loop, &call.task);
    while (sem_wait(&call.done) != 0)
        ;
    sem_destroy(&call.done);
    return call.result;
}

void loop_thread_stop(struct loop_thread *thread)
{
    loop_stop(thread->loop);
    pthread_join(thread->thread, NULL);
    loop_free(thread->loop);
    free(thread);
}
