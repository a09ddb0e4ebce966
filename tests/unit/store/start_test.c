/* Goal: a start that fails leaves nothing behind: no thread, no descriptor, no memory (which the
 * build with the address sanitizer counts), and nothing of the store is worse for it. */
#include <dirent.h>
#include <errno.h>

#include "store/store_dir.h"
#include "wrap_pthread.h"

static int may_start; /* so many threads more */
static int running;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg)
{
    if (may_start == 0)
        return EAGAIN;
    may_start--;
    running++;
    return __real_pthread_create(thread, attributes, run, arg);
}

int __real_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result)
{
    running--;
    return __real_pthread_join(thread, result);
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* Method: each of the store's threads in turn does not start; then all do. */
static void a_store_without_one_of_its_threads_does_not_start(void **state)
{
    enum {
        THREADS = 7
    }; /* allocator, read_ahead, indexer, flusher, cleaner, compactor, scrubber */
    struct store_dir *dir = *state;
    dir->options.scrub_bytes_per_second = 1 << 20;
    may_start = THREADS;
    store_dir_open(dir);
    assert_int_equal(may_start, 0);
    store_dir_put_numbered(dir, "orders", 0);
    store_dir_close(dir);
    int descriptors = open_descriptors();
    for (int started = 0; started < THREADS; started++) {
        may_start = started;
        assert_int_equal(store_open(&dir->options, &dir->store), ERR_NO_MEMORY);
        assert_null(dir->store);
        assert_int_equal(running, 0);
        assert_int_equal(open_descriptors(), descriptors);
    }
    may_start = THREADS;
    store_dir_open(dir);
    store_dir_expect_numbered(dir, "orders", 0, 1);
    store_dir_put_numbered(dir, "orders", 0);
    store_dir_expect_numbered(dir, "orders", 0, 2);
}

static int set_up(void **state)
{
    *state = store_dir_new();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_without_one_of_its_threads_does_not_start, set_up,
                                        store_dir_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
