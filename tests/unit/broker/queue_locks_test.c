#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/groups/queue_locks.h"

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

/* Goal: one of before the clock was set back expires as if it had been renewed when that is seen.
 */
static void a_clock_set_back_keeps_no_lock(void **state)
{
    struct queue_locks *locks = *state;
    struct message_queue q = queue(0);
    assert_true(queue_locks_take(locks, GROUP, &q, ALICE, 1000000000));
    assert_false(queue_locks_take(locks, GROUP, &q, BOB, 5));
    assert_true(queue_locks_take(locks, GROUP, &q, BOB, 5 + QUEUE_LOCK_MS + 1));
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

/* Goal: over random takes, renewals and releases by several clients, and time that passes, the
 * locks agree with a model that is a table of owners. Method: a small number of everything, so that
 * all meet. */
static void the_model_agrees(void **state)
{
    enum { GROUPS = 2, QUEUES = 3, CLIENTS = 3, STEPS = 20000 };
    static const char *const groups[GROUPS] = { "g", "h" };
    static const char *const clients[CLIENTS] = { "alice", "bob", "carol" };
    struct queue_locks *locks = *state;
    struct {
        int owner; /* -1: nobody */
        int64_t renewed_ms;
    } model[GROUPS][QUEUES];
    for (int g = 0; g < GROUPS; g++)
        for (int q = 0; q < QUEUES; q++)
            model[g][q].owner = -1;
    uint64_t random = 7;
    int64_t now_ms = 0;
    for (int i = 0; i < STEPS; i++) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        uint32_t r = (uint32_t)(random >> 33);
        int g = (int)(r % GROUPS), q = (int)(r / 2 % QUEUES), c = (int)(r / 6 % CLIENTS);
        struct message_queue at = queue(q);
        int owner = model[g][q].owner;
        now_ms += r / 18 % (QUEUE_LOCK_MS / 4);
        bool is_held = owner >= 0 && now_ms - model[g][q].renewed_ms <= QUEUE_LOCK_MS;
        if (r / 1000 % 4 == 0) {
            queue_locks_release(locks, slice_str(groups[g]), &at, slice_str(clients[c]));
            if (owner == c)
                model[g][q].owner = -1;
        } else {
            bool is_free = !is_held || owner == c;
            assert_int_equal(
                queue_locks_take(locks, slice_str(groups[g]), &at, slice_str(clients[c]), now_ms),
                is_free);
            if (is_free) {
                model[g][q].owner = c;
                model[g][q].renewed_ms = now_ms;
            }
        }
        bool any = false;
        for (int k = 0; k < QUEUES; k++)
            any |= model[g][k].owner >= 0 && now_ms - model[g][k].renewed_ms <= QUEUE_LOCK_MS;
        assert_int_equal(queue_locks_group_has(locks, slice_str(groups[g]), now_ms), any);
    }
}

/* Goal: what a client sends for a lock is kept with each: an id or names without end get none. */
static void long_names_get_no_lock(void **state)
{
    static uint8_t bytes[2000];
    struct queue_locks *locks = *state;
    struct slice text = slice_of(bytes, sizeof bytes);
    struct message_queue q = queue(0);
    struct message_queue longer = { text, SLICE("b"), 0 };
    assert_false(queue_locks_take(locks, GROUP, &q, text, 0));
    assert_false(queue_locks_take(locks, text, &q, ALICE, 0));
    assert_false(queue_locks_take(locks, GROUP, &longer, ALICE, 0));
    assert_true(queue_locks_take(locks, GROUP, &q, ALICE, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_model_agrees, setup, teardown),
        cmocka_unit_test_setup_teardown(a_queue_has_one_owner_per_group, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lock_expires_without_renewal, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_set_back_keeps_no_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(long_names_get_no_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(release_of_another_has_no_effect, setup, teardown),
        cmocka_unit_test_setup_teardown(group_has_locks_until_they_expire, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
