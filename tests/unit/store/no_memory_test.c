/* Goal: want of memory costs a store nothing that was acknowledged, and nothing is taken for
 * damaged. Method: a start, puts, gets and a clean stop, in which another allocation fails each
 * time; the next time goes on with the directory as it was left, and looks for all that was put
 * before.
 */
#include "no_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "store/store_dir.h"

enum { PUTS = 3, READ_BACK = 8 };

struct scene {
    struct store_dir *dir;
    _Atomic int64_t acknowledged; /* in the queue; shared with the children */
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int put_next(struct store *store, int64_t now_ms)
{
    char body[32];
    struct store_put_result put;
    int len = snprintf(body, sizeof body, "orders-%lld",
                       (long long)store_queue_max(store, SLICE("orders"), 0));
    struct record record = store_dir_record("orders", 0, slice_of(body, (size_t)len),
                                            "UNIQ_KEY\001u\002KEYS\001a b\002");
    return store_put(store, &record, 1, now_ms, &put, NULL);
}

/* Each of the last messages is there, and is what was put there. */
static int expect_last(struct store *store, int64_t acknowledged)
{
    struct store_bounds bounds;
    struct buf bytes = BUF_INIT;
    int err = store_queue_bounds(store, SLICE("orders"), 0, &bounds);
    if (err == 0 && bounds.max < acknowledged)
        err = ERR_INVALID;
    for (int64_t i = bounds.max - min64(bounds.max, READ_BACK); err == 0 && i < bounds.max; i++) {
        char body[32];
        struct record record;
        struct store_get_result got;
        struct store_get_request request = { .topic = SLICE("orders"),
                                             .queue_offset = i,
                                             .max_count = 1,
                                             .max_bytes = 4096,
                                             .may_block = true };
        int len = snprintf(body, sizeof body, "orders-%lld", (long long)i);
        buf_clear(&bytes);
        err = store_get(store, &request, &bytes, &got);
        if (err == 0 && (got.status != GET_FOUND ||
                         record_decode(buf_slice(&bytes), RECORD_CHECK_ALL, &record) != 0 ||
                         !slice_eq(record.body, slice_of(body, (size_t)len))))
            err = ERR_INVALID;
    }
    buf_fini(&bytes);
    return err;
}

static int use_store(void *ctx)
{
    struct scene *scene = ctx;
    struct store *store;
    int err = store_open(&scene->dir->options, &store);
    if (err != 0)
        return err;
    err = expect_last(store, atomic_load(&scene->acknowledged));
    for (int i = 0; i < PUTS && err == 0; i++) {
        err = put_next(store, scene->dir->now_ms + i);
        if (err == 0)
            atomic_store(&scene->acknowledged, store_queue_max(store, SLICE("orders"), 0));
    }
    if (err == 0)
        err = expect_last(store, atomic_load(&scene->acknowledged));
    int closed = store_close(store);
    return err != 0 ? err : closed;
}

static void want_of_memory_loses_nothing(void **state)
{
    struct scene *scene = *state;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    skip(); /* a sanitizer takes memory for each thread that starts, and cannot go without */
#endif
    int count = no_memory_at_each(use_store, scene);
    print_message("%d allocations, %lld messages\n", count,
                  (long long)atomic_load(&scene->acknowledged));
    assert_true(count > 30);
    assert_true(atomic_load(&scene->acknowledged) > PUTS);
    assert_int_equal(use_store(scene), 0);
    assert_false(store_dir_has(scene->dir, "set-aside"));
}

static int set_up(void **state)
{
    struct scene *scene =
        mmap(NULL, sizeof *scene, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(scene != MAP_FAILED);
    scene->dir = store_dir_new();
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    store_dir_remove(scene->dir);
    munmap(scene, sizeof *scene);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(want_of_memory_loses_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
