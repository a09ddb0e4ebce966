#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/thread.h"
#include "wrap_pthread.h"

static int cause; /* what pthread_create() fails with; 0: it does not */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg)
{
    return cause != 0 ? cause : __real_pthread_create(thread, attributes, run, arg);
}

static void *wait_for(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return gate;
}

/* Goal: a thread has its name, cut to what the kernel takes. Method: one that waits is asked. */
static void a_thread_has_its_name(void **state)
{
    (void)state;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    char name[16];
    void *result;
    pthread_mutex_lock(&gate);
    assert_int_equal(thread_start(&thread, "read_ahead_of_all", wait_for, &gate), 0);
    assert_int_equal(pthread_getname_np(thread, name, sizeof name), 0);
    assert_string_equal(name, "read_ahead_of_a");
    pthread_mutex_unlock(&gate);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &gate);
}

/* Goal: where there is no room for a thread, that is want of memory, and nothing to wait for. */
static void no_room_is_want_of_memory(void **state)
{
    (void)state;
    pthread_t thread;
    cause = EAGAIN;
    assert_int_equal(thread_start(&thread, "none", wait_for, NULL), ERR_NO_MEMORY);
    cause = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_its_name),
        cmocka_unit_test(no_room_is_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
