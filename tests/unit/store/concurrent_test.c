#include "store/store_dir.h"
#include "store/store_internal.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/fault.h"

enum { PUTTERS = 2, GETTERS = 3, MESSAGES = 3000 };

struct work {
    struct store_dir *dir;
    int32_t queue_id;
    atomic_bool failed;
};

/* cmocka's asserts leave the thread they are called on: threads only take notes. */
static void *put_all(void *arg)
{
    struct work *work = arg;
    for (int i = 0; i < MESSAGES; i++) {
        char body[32];
        int len = snprintf(body, sizeof body, "%d", i);
        struct record record =
            store_dir_record("orders", work->queue_id, slice_of(body, (size_t)len),
                             "UNIQ_KEY\001u\002TAGS\001red\002");
        struct store_put_result result;
        if (store_put(work->dir->store, &record, 1, 1700000000000 + i, &result, NULL) != 0 ||
            result.queue_offset != i)
            atomic_store(&work->failed, true);
        if (i % 64 == 0)
            store_request_flush(work->dir->store, result.end_phy_offset);
    }
    return NULL;
}

/* True when the records in the buffer are numbered from `next` on. */
static bool are_in_order(struct slice bytes, int64_t next, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        struct record record;
        int64_t number;
        if (record_decode(bytes, RECORD_CHECK_BODY_CRC, &record) != 0 ||
            record.queue_offset != next + i || !slice_to_i64(record.body, &number) ||
            number != next + i)
            return false;
        bytes = slice_from(bytes, (size_t)record.total_bytes);
    }
    return bytes.len == 0;
}

static void *get_all(void *arg)
{
    struct work *work = arg;
    struct buf bytes = BUF_INIT;
    for (int64_t next = 0; next < MESSAGES && !atomic_load(&work->failed);) {
        struct store_get_request request = { .topic = SLICE("orders"),
                                             .queue_id = work->queue_id,
                                             .queue_offset = next,
                                             .max_count = 32,
                                             .max_bytes = 1 << 20,
                                             .may_block = true };
        struct store_get_result result;
        buf_clear(&bytes);
        if (store_get(work->dir->store, &request, &bytes, &result) != 0)
            atomic_store(&work->failed, true);
        if (result.status == GET_FOUND) {
            if (!are_in_order(buf_slice(&bytes), next, result.count))
                atomic_store(&work->failed, true);
            next = result.next_offset;
        } else {
            sched_yield();
        }
    }
    buf_fini(&bytes);
    return NULL;
}

/* Goal: gets beside puts see whole messages, in order, none missing.
 * Method: two threads put to a queue each, three get; the flusher and the indexer run; files roll.
 */
static void gets_beside_puts(void **state)
{
    (void)state;
    struct store_dir *dir = store_dir_new();
    dir->options.flush_interval_ms = 1;
    dir->options.queue_flush_interval_ms = 1;
    store_dir_open(dir);
    struct work work[PUTTERS + GETTERS] = { 0 };
    pthread_t threads[PUTTERS + GETTERS];
    for (int i = 0; i < PUTTERS + GETTERS; i++) {
        work[i].dir = dir;
        work[i].queue_id = i % PUTTERS;
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < PUTTERS ? put_all : get_all, &work[i]), 0);
    }
    for (int i = 0; i < PUTTERS + GETTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(atomic_load(&work[i].failed));
    }
    struct buf found = BUF_INIT;
    int64_t last_ms;
    int64_t last_phy_offset;
    store_dir_await_index(dir);
    assert_int_equal(store_query(dir->store, SLICE("orders"), SLICE("u"), 32, 0, INT64_MAX, &found,
                                 &last_ms, &last_phy_offset),
                     32);
    buf_fini(&found);
    store_dir_remove(dir);
}

/* ---- a put that has its queue, and waits ------------------------------------------------------
 */

struct waiting_put {
    struct store_dir *dir;
    const char *properties;
    atomic_bool is_held, may_go;
    int err;
};

static void *hold_appends(void *arg)
{
    struct waiting_put *put = arg;
    struct lock *lock = &put->dir->store->append_lock;
    lock_take(lock);
    atomic_store(&put->is_held, true);
    while (!atomic_load(&put->may_go))
        sched_yield();
    lock_release(lock);
    return NULL;
}

static void *put_late(void *arg)
{
    struct waiting_put *put = arg;
    struct store_put_result result;
    struct record record = store_dir_record("orders", 1, SLICE("late"), put->properties);
    put->err = store_put(put->dir->store, &record, 1, 1700000000000, &result, NULL);
    return NULL;
}

/* The topic is deleted once a put has got this queue of it. */
static void delete_beside_a_put(struct store_dir *dir, struct slice topic, int32_t queue_id,
                                const char *properties)
{
    struct waiting_put put = { .dir = dir, .properties = properties };
    struct consume_queue *queue = NULL;
    pthread_t holder, putter;
    assert_int_equal(pthread_create(&holder, NULL, hold_appends, &put), 0);
    while (!atomic_load(&put.is_held))
        sched_yield();
    assert_int_equal(pthread_create(&putter, NULL, put_late, &put), 0);
    while (queue == NULL) {
        int err = queues_find(dir->store->queues, topic, queue_id, true, &queue);
        assert_true(err == 0 || err == ERR_NOT_FOUND);
        sched_yield();
    }
    store_delete_topic(dir->store, topic);
    atomic_store(&put.may_go, true);
    pthread_join(putter, NULL);
    pthread_join(holder, NULL);
    assert_int_equal(put.err, 0);
}

/* ---- a put beside who waits for the disk ------------------------------------------------------
 */

/* Two queues, whose entries are in their files; that of "busy" is open. */
static void reopen_with_two_queues(struct store_dir *dir)
{
    for (int i = 0; i < QUEUE_FILE_ENTRIES; i++) {
        store_dir_put_numbered(dir, "busy", 0);
        store_dir_put_numbered(dir, "idle", 0);
    }
    store_dir_close(dir);
    store_dir_open(dir);
    store_dir_expect(dir, "busy", 0, 0, "busy-0-0");
}

/* A put to "busy" while a read of another thread lasts. */
static void put_beside_a_read(struct store_dir *dir)
{
    while (fault_pausing() == 0)
        sched_yield();
    store_dir_put_numbered(dir, "busy", 0);
    assert_int_equal(fault_pausing(), 1);
    fault_disarm_all();
    store_dir_expect_numbered(dir, "busy", 0, QUEUE_FILE_ENTRIES + 1);
}

/* Goal: a put does not wait for the read of an entry of its queue that is looked for damage.
 * Method: the scrubber looks at a record each 50 ms; after the log is in its memory, the next read
 * is that of an entry.
 */
static void a_put_passes_the_scrubber(void **state)
{
    struct store_dir *dir = *state;
    dir->options.scrub_first_ms = 1;
    dir->options.scrub_bytes_per_second = 1;
    reopen_with_two_queues(dir);
    store_dir_expect(dir, "idle", 0, 0, "idle-0-0");
    fault_arm_pause("disk.read", 1, 1, ANY_TEST_MS);
    put_beside_a_read(dir);
}

/* What the look for "idle" came to. */
static void *find_idle(void *arg)
{
    struct store_dir *dir = arg;
    struct consume_queue *queue;
    return (void *)(intptr_t)queues_find(dir->store->queues, SLICE("idle"), 0, true, &queue);
}

/* Goal: a put does not wait for a queue that another thread opens. Who wants that queue does, and
 * who may not wait is told so.
 */
static void a_put_passes_an_opening(void **state)
{
    struct store_dir *dir = *state;
    struct consume_queue *queue;
    pthread_t threads[2];
    void *err;
    reopen_with_two_queues(dir);
    fault_arm_pause("disk.read", 0, 1, ANY_TEST_MS);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, find_idle, dir), 0);
    while (fault_pausing() == 0)
        sched_yield();
    assert_int_equal(queues_find(dir->store->queues, SLICE("idle"), 0, false, &queue),
                     ERR_WOULD_BLOCK);
    put_beside_a_read(dir);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &err), 0);
        assert_int_equal((intptr_t)err, 0);
    }
    store_dir_expect_numbered(dir, "idle", 0, QUEUE_FILE_ENTRIES);
}

/* Goal: whoever waits for a queue that another thread could not open opens it himself. */
static void an_opening_that_fails_is_tried_again(void **state)
{
    struct store_dir *dir = *state;
    pthread_t threads[2];
    void *errs[2];
    reopen_with_two_queues(dir);
    fault_arm_pause("disk.read", 0, 1, ANY_TEST_MS);
    fault_arm("disk.read", 0, 1, ERR_IO);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, find_idle, dir), 0);
    put_beside_a_read(dir);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], &errs[i]), 0);
    assert_int_equal((intptr_t)errs[0] + (intptr_t)errs[1], ERR_IO);
    store_dir_expect_numbered(dir, "idle", 0, QUEUE_FILE_ENTRIES);
}

/* Goal: a topic that is deleted while a queue of it is being opened is gone, for who opens it too,
 * and is there anew for the next put.
 */
static void a_topic_goes_while_it_is_opened(void **state)
{
    struct store_dir *dir = *state;
    pthread_t thread;
    reopen_with_two_queues(dir);
    fault_arm_pause("disk.read", 0, 1, ANY_TEST_MS);
    assert_int_equal(pthread_create(&thread, NULL, find_idle, dir), 0);
    while (fault_pausing() == 0)
        sched_yield();
    store_delete_topic(dir->store, SLICE("idle"));
    fault_disarm_all();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(store_queue_max(dir->store, SLICE("idle"), 0), 0);
    store_dir_put_numbered(dir, "idle", 0);
    store_dir_expect_numbered(dir, "idle", 0, 1);
}

/* Goal: no put goes to a queue of a topic that was deleted meanwhile: it is in the one that is
 * there now, with its number. */
static void a_put_outlives_its_topic(void **state)
{
    struct store_dir *dir = *state;
    delete_beside_a_put(dir, SLICE("orders"), 1, "");
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 1), 1);
    store_dir_expect(dir, "orders", 1, 0, "late");
}

/* Goal: the same for a light queue that a put names. */
static void a_put_outlives_its_light_queue(void **state)
{
    struct store_dir *dir = *state;
    delete_beside_a_put(dir, SLICE("%LMQ%a"), 0, "INNER_MULTI_DISPATCH\001%LMQ%a\002");
    assert_int_equal(store_queue_max(dir->store, SLICE("%LMQ%a"), 0), 1);
}

static int set_up(void **state)
{
    struct store_dir *dir = store_dir_new();
    dir->options.light_queues_enable = true;
    return store_dir_set_up(state, dir);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gets_beside_puts),    CASE(a_put_passes_the_scrubber),
        CASE(a_put_passes_an_opening),         CASE(an_opening_that_fails_is_tried_again),
        CASE(a_topic_goes_while_it_is_opened), CASE(a_put_outlives_its_topic),
        CASE(a_put_outlives_its_light_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
