#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/thread_end.h"

static char ran[8]; /* by the thread that is joined before it is read */

static void note_a(void)
{
    strcat(ran, "a");
}

static void note_b(void)
{
    strcat(ran, "b");
}

static void *live(void *arg)
{
    (void)arg;
    thread_at_end(note_a);
    thread_at_end(note_b);
    strcat(ran, "-");
    return NULL;
}

/* Goal: what is to be done at a thread's end is done then, the last one first, for each thread. */
static void runs_when_the_thread_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        ran[0] = '\0';
        assert_int_equal(pthread_create(&thread, NULL, live, NULL), 0);
        pthread_join(thread, NULL);
        assert_string_equal(ran, "-ba");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(runs_when_the_thread_ends) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
