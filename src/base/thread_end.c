#include "base/thread_end.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static _Thread_local void (*runs[THREAD_END_MAX])(void);
static _Thread_local int run_count;

static void run_all(void *value)
{
    (void)value;
    while (run_count > 0)
        runs[--run_count]();
}

static void make_key(void)
{
    int cause = pthread_key_create(&key, run_all);
    assert(cause == 0);
}

void thread_at_end(void (*run)(void))
{
    pthread_once(&key_once, make_key);
    assert(run_count < THREAD_END_MAX);
    runs[run_count++] = run;
    pthread_setspecific(key, runs); /* any value but NULL has run_all() called */
}
