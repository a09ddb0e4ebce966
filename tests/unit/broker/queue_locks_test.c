#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/queue_locks.h"

#define GROUP SLICE("g")
#define ALICE SLICE("alice")
#define BOB SLICE("bob")

static int setup(void **state)
{
    return queue_locks_new((struct queue_locks **)state);
}

static int teardown(void **state)
{
    queue_locks_free(*state);
    return 0;
}

static struct message_queue queue(int32_t id)
{
    return (struct message_queue){ SLICE("t"), SLICE("b"), id };
}

/* Goal: a queue is one client's, who may renew; the same queue of another group is another lock. */
static void a_queue_has_one_owner_per_group(void **state)
{
    struct queue_locks *locks = *state;
    struct message_queue q = queue(0);
    assert_true(queue_locks_take(locks, GROUP, &q, ALICE, 0));
    assert_false(queue_locks_take(locks, GROUP, &q, BOB, 1));
    assert_true(queue_locks_take(locks, GROUP, &q, ALICE, 2));
    assert_true(queue_locks_take(locks, SLICE("h"), &q, BOB, 2));
}

/* Goal: a lock that was not renewed for QUEUE_LOCK_MS can be taken by another; a renewed one not.
 */
static void a_lock_expires_without_renewal(void **state)
{
    struct queue_locks *locks = *state;
    struct message_queue q = queue(0);
    assert_true(queue_locks_take(locks, GROUP, &q, ALICE, 0));
    assert_true(queue_locks_take(locks, GROUP, &q, ALICE, 1000));
    assert_false(queue_locks_take(locks, GROUP, &q, BOB, QUEUE_LOCK_MS + 1));
    assert_true(queue_locks_take(locks, GROUP, &q, BOB, 1000 + QUEUE_LOCK_MS + 1));
    assert_false(queue_locks_take(locks, GROUP, &q, ALICE, 1000 + QUEUE_LOCK_MS + 2));
}

/* Goal: only the owner releases. */
static void release_of_another_has_no_effect(void **state)
{
    struct queue_locks *locks = *state;
    struct message_queue q = queue(0);
    assert_true(queue_locks_take(locks, GROUP, &q, ALICE, 0));
    queue_locks_release(locks, GROUP, &q, BOB);
    assert_false(queue_locks_take(locks, GROUP, &q, BOB, 1));
    queue_locks_release(locks, GROUP, &q, ALICE);
    assert_true(queue_locks_take(locks, GROUP, &q, BOB, 2));
}

/* Goal: a group consumes in order while one of its locks lives. */
static void group_has_locks_until_they_expire(void **state)
{
    struct queue_locks *locks = *state;
    struct message_queue q = queue(3);
    assert_false(queue_locks_group_has(locks, GROUP, 0));
    assert_true(queue_locks_take(locks, GROUP, &q, ALICE, 0));
    assert_true(queue_locks_group_has(locks, GROUP, QUEUE_LOCK_MS));
    assert_false(queue_locks_group_has(locks, GROUP, QUEUE_LOCK_MS + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_queue_has_one_owner_per_group, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lock_expires_without_renewal, setup, teardown),
        cmocka_unit_test_setup_teardown(release_of_another_has_no_effect, setup, teardown),
        cmocka_unit_test_setup_teardown(group_has_locks_until_they_expire, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
