#include "store/store_dir.h"

#include <stdio.h>

#include "wire/multi_dispatch.h"
#include "wire/properties.h"

#define A_FILE "consumequeue/%LMQ%a/0/00000000000000000000"

static struct store_dir *configured(struct store_dir *dir)
{
    dir->options.light_queues_enable = true;
    dir->options.light_queues_most = 4;
    dir->options.delete_when = "";
    return dir;
}

static int set_up(void **state)
{
    return store_dir_set_up(state, configured(store_dir_new()));
}

static struct store_put_result put_to(struct store_dir *dir, const char *topic, const char *names,
                                      const char *body)
{
    char properties[512];
    snprintf(properties, sizeof properties, "K\001v\002INNER_MULTI_DISPATCH\001%s\002", names);
    return store_dir_put(dir, topic, 0, body, properties);
}

static int64_t queue_max(struct store_dir *dir, const char *topic)
{
    return store_queue_max(dir->store, slice_str(topic), 0);
}

/* The record at this place, whatever topic it is of. */
static struct record record_at(struct store_dir *dir, const char *topic, int64_t queue_offset,
                               struct buf *bytes)
{
    struct store_get_request request = {
        .topic = slice_str(topic), .queue_offset = queue_offset, .max_count = 1, .may_block = true
    };
    struct store_get_result result;
    struct record record;
    assert_int_equal(store_get(dir->store, &request, bytes, &result), 0);
    assert_int_equal(result.status, GET_FOUND);
    assert_int_equal(record_decode(buf_slice(bytes), RECORD_CHECK_ALL, &record), 0);
    return record;
}

static void expect_body(struct store_dir *dir, const char *topic, int64_t queue_offset,
                        const char *body)
{
    struct buf bytes = BUF_INIT;
    struct record record = record_at(dir, topic, queue_offset, &bytes);
    assert_true(slice_eq(record.body, slice_str(body)));
    buf_fini(&bytes);
}

/* Fails the test unless the record at this place says it has these places. */
static void expect_places(struct store_dir *dir, const char *topic, int64_t queue_offset,
                          const char *places)
{
    struct buf bytes = BUF_INIT;
    struct record record = record_at(dir, topic, queue_offset, &bytes);
    struct slice got = property_get(record.properties, SLICE(PROPERTY_MULTI_QUEUE_OFFSET));
    assert_true(slice_eq(got, slice_str(places)));
    buf_fini(&bytes);
}

/* Three messages: %LMQ%a has the first and the last, %LMQ%b all. */
static void put_three(struct store_dir *dir)
{
    put_to(dir, "orders", "%LMQ%a,%LMQ%b", "one");
    put_to(dir, "orders", "%LMQ%b", "two");
    put_to(dir, "bills", "%LMQ%b,%LMQ%a", "three");
}

static void expect_three(struct store_dir *dir)
{
    assert_int_equal(queue_max(dir, "%LMQ%a"), 2);
    assert_int_equal(queue_max(dir, "%LMQ%b"), 3);
    expect_body(dir, "%LMQ%a", 0, "one");
    expect_body(dir, "%LMQ%a", 1, "three");
    expect_body(dir, "%LMQ%b", 1, "two");
    expect_body(dir, "%LMQ%b", 2, "three");
    expect_body(dir, "orders", 1, "two");
    expect_places(dir, "bills", 0, "2,1");
}

/* Goal: a message stands in its own queue and in the light ones it names, numbered in each. */
static void a_message_stands_in_all_its_queues(void **state)
{
    put_three(*state);
    expect_three(*state);
}

/* Goal: a killed process loses no place. Method: the files as they are, opened again, whether the
 * queues were written or not. */
static void a_killed_store_has_every_place(void **state)
{
    struct store_dir *dir = *state;
    put_three(dir);
    struct store_dir *killed = configured(store_dir_copy(dir));
    store_dir_open(killed);
    expect_three(killed);
    put_to(killed, "orders", "%LMQ%a", "four");
    expect_body(killed, "%LMQ%a", 2, "four");
    store_dir_remove(killed);
}

/* Goal: a bit that turned in the last entry which a killed process left in a light queue's file
 * hides no message behind it. Method: bits all over the entry; the third message is in memory only.
 */
static void a_turned_last_entry_hides_nothing_behind_it(void **state)
{
    struct store_dir *dir = *state;
    put_to(dir, "orders", "%LMQ%a", "one");
    put_to(dir, "orders", "%LMQ%a", "two");
    store_dir_close(dir);
    store_dir_open(dir);
    put_to(dir, "orders", "%LMQ%a", "three");
    for (int bit = 0; bit < ENTRY_BYTES * 8; bit += 9) {
        struct store_dir *killed = configured(store_dir_copy(dir));
        store_dir_flip(killed, A_FILE, ENTRY_BYTES + bit / 8, bit % 8);
        store_dir_open(killed);
        assert_int_equal(queue_max(killed, "%LMQ%a"), 3);
        expect_body(killed, "%LMQ%a", 0, "one");
        expect_body(killed, "%LMQ%a", 2, "three");
        put_to(killed, "orders", "%LMQ%a", "four");
        expect_body(killed, "%LMQ%a", 3, "four");
        store_dir_remove(killed);
    }
}

/* Goal: a restart goes on with the next numbers, from the files. */
static void a_restart_goes_on_numbering(void **state)
{
    struct store_dir *dir = *state;
    put_three(dir);
    store_dir_close(dir);
    assert_true(store_dir_has(dir, A_FILE));
    store_dir_open(dir);
    expect_three(dir);
    put_to(dir, "orders", "%LMQ%b,%LMQ%a", "four");
    expect_places(dir, "orders", 2, "3,2");
}

/* Goal: light queues that were lost are built again from the log. */
static void lost_light_queues_are_built_again(void **state)
{
    struct store_dir *dir = *state;
    put_three(dir);
    store_dir_close(dir);
    store_dir_delete(dir, A_FILE);
    store_dir_open(dir);
    expect_three(dir);
}

/* Goal: places that a client made up are not stored, alone or in a batch. */
static void places_made_up_are_dropped(void **state)
{
    struct store_dir *dir = *state;
    struct record records[2];
    struct store_put_result result;
    const char *forged = "INNER_MULTI_DISPATCH\001%LMQ%a\002INNER_MULTI_QUEUE_OFFSET\00177\002";
    store_dir_put(dir, "orders", 0, "one", forged);
    expect_places(dir, "orders", 0, "0");
    for (int i = 0; i < 2; i++)
        records[i] = store_dir_record("orders", 0, SLICE("two"), forged);
    assert_int_equal(store_put(dir->store, records, 2, dir->now_ms++, &result, NULL), 0);
    expect_places(dir, "orders", 1, "");
    expect_places(dir, "orders", 2, "");
    assert_int_equal(queue_max(dir, "%LMQ%a"), 1);
}

/* Goal: what may not go to light queues, or names them wrongly, is in its own queue only. */
static void some_messages_go_to_no_light_queue(void **state)
{
    struct store_dir *dir = *state;
    put_to(dir, "%RETRY%g", "%LMQ%a", "retried");
    put_to(dir, "%DLQ%g", "%LMQ%a", "dead");
    put_to(dir, "SCHEDULE_TOPIC_XXXX", "%LMQ%a", "delayed");
    put_to(dir, "orders", "%LMQ%a,%LMQ%a", "twice");
    put_to(dir, "orders", "%LMQ%a,plain", "plain");
    put_to(dir, "orders", "%LMQ%../../x", "path");
    put_to(dir, "%LMQ%a", "%LMQ%a", "itself");
    assert_int_equal(queue_max(dir, "%LMQ%a"), 1);
    assert_int_equal(queue_max(dir, "orders"), 3);
    expect_body(dir, "%LMQ%a", 0, "itself");
    expect_places(dir, "orders", 0, "");
}

/* Goal: a light queue sent to by its own name goes on in the same numbers. */
static void a_light_queue_takes_messages_of_its_own(void **state)
{
    struct store_dir *dir = *state;
    put_three(dir);
    assert_int_equal(store_dir_put(dir, "%LMQ%a", 0, "own", "").queue_offset, 2);
    put_to(dir, "orders", "%LMQ%a", "four");
    expect_body(dir, "%LMQ%a", 2, "own");
    expect_body(dir, "%LMQ%a", 3, "four");
}

/* Goal: the limit counts what is on disk and what is in memory. */
static void there_is_room_for_so_many(void **state)
{
    struct store_dir *dir = *state;
    assert_true(store_has_room_for_light_queues(dir->store, SLICE("%LMQ%1,%LMQ%2,%LMQ%3,%LMQ%4")));
    put_three(dir);
    assert_true(store_has_room_for_light_queues(dir->store, SLICE("%LMQ%c,%LMQ%d,%LMQ%a")));
    assert_false(store_has_room_for_light_queues(dir->store, SLICE("%LMQ%c,%LMQ%d,%LMQ%e")));
    store_dir_close(dir);
    store_dir_open(dir);
    assert_true(store_has_room_for_light_queues(dir->store, SLICE("%LMQ%a,%LMQ%c,%LMQ%d,")));
    assert_false(store_has_room_for_light_queues(dir->store, SLICE("%LMQ%c,%LMQ%d,%LMQ%e")));
    store_delete_topic(dir->store, SLICE("%LMQ%b"));
    assert_true(store_has_room_for_light_queues(dir->store, SLICE("%LMQ%c,%LMQ%d,%LMQ%e")));
}

struct going {
    struct store_dir *dir;
    struct map names;
};

static bool one_is_gone(void *ctx)
{
    struct going *going = ctx;
    return store_take_past_lives(going->dir->store, &going->names);
}

/* Goal: a light queue that leads nowhere any more goes, its directory too; one of its name begins
 * anew, and a reader that was further on is sent to its start. Others stay. */
static void an_expired_light_queue_goes(void **state)
{
    struct store_dir *dir = *state;
    struct going going = { .dir = dir };
    map_init(&going.names);
    put_to(dir, "orders", "%LMQ%a,%LMQ%b", "one");
    put_to(dir, "orders", "%LMQ%a,%LMQ%b", "two");
    assert_false(one_is_gone(&going)); /* both began: nobody can know anything of them */
    for (int i = 0; store_dir_log_end(dir) < LOG_FILE_BYTES + 1000; i++)
        store_dir_put_big(dir, "orders", 0, i, 500);
    put_to(dir, "orders", "%LMQ%b", "new");
    store_dir_age(dir, "commitlog/00000000000000000000", 100);
    store_clean_now(dir->store);
    store_dir_await(one_is_gone, &going);
    assert_int_equal(going.names.count, 1);
    assert_non_null(map_get(&going.names, SLICE("%LMQ%a")));
    map_fini(&going.names);
    assert_false(store_has_queues(dir->store, SLICE("%LMQ%a")));
    assert_true(store_has_queues(dir->store, SLICE("%LMQ%b")));
    assert_int_equal(queue_max(dir, "%LMQ%a"), 0);
    assert_int_equal(queue_max(dir, "%LMQ%b"), 3);
    put_to(dir, "orders", "%LMQ%a", "again");
    struct store_get_request request = {
        .topic = SLICE("%LMQ%a"), .queue_offset = 2, .max_count = 1, .may_block = true
    };
    struct store_get_result result;
    struct buf body = BUF_INIT;
    assert_int_equal(store_get(dir->store, &request, &body, &result), 0);
    assert_int_equal(result.status, GET_OFFSET_OVERFLOW_BADLY);
    assert_int_equal(result.next_offset, 0);
    expect_body(dir, "%LMQ%a", 0, "again");
    buf_fini(&body);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_message_stands_in_all_its_queues),
        CASE(a_killed_store_has_every_place),
        CASE(a_turned_last_entry_hides_nothing_behind_it),
        CASE(a_restart_goes_on_numbering),
        CASE(lost_light_queues_are_built_again),
        CASE(places_made_up_are_dropped),
        CASE(some_messages_go_to_no_light_queue),
        CASE(a_light_queue_takes_messages_of_its_own),
        CASE(there_is_room_for_so_many),
        CASE(an_expired_light_queue_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
