#include "store/store_dir.h"

#include <stdio.h>
#include <unistd.h>

#define LOG_FILE "commitlog/00000000000000000000"
#define NEXT_LOG_FILE "commitlog/00000000000000065536"
#define QUEUE_FILE "consumequeue/orders/0/00000000000000000000"

static int set_up(void **state)
{
    struct store_dir *dir = store_dir_new();
    dir->options.append_record_crc = true;
    return store_dir_set_up(state, dir);
}

struct said {
    int lines;
    char last[1024];
};

static void say(void *ctx, const char *line)
{
    struct said *said = ctx;
    said->lines++;
    snprintf(said->last, sizeof said->last, "%s", line);
}

static struct store_offline_options offline_options(const struct store_dir *dir, struct said *said)
{
    *said = (struct said){ 0 };
    return (struct store_offline_options){
        .root_dir = dir->path, .commit_log_file_bytes = LOG_FILE_BYTES, .say = say, .ctx = said
    };
}

static struct store_check_result check(const struct store_dir *dir, struct said *said)
{
    struct store_check_result result;
    struct store_offline_options options = offline_options(dir, said);
    assert_int_equal(store_check(&options, &result), 0);
    return result;
}

/* Fills more than two files of the log, closes. Gives where the tenth record lies. */
static struct store_put_result fill_and_close(struct store_dir *dir)
{
    struct store_put_result tenth = { 0 };
    for (int i = 0; store_dir_log_end(dir) < 2 * LOG_FILE_BYTES + 5000; i++) {
        char body[32];
        snprintf(body, sizeof body, "body-%d", i);
        struct store_put_result put = store_dir_put(dir, "orders", 0, body, "TAGS\001red\002");
        if (i == 10)
            tenth = put;
    }
    store_dir_close(dir);
    return tenth;
}

/* Goal: a whole store has nothing wrong; looking changes nothing. */
static void a_whole_store_is_whole(void **state)
{
    struct store_dir *dir = *state;
    struct said said;
    fill_and_close(dir);
    struct store_check_result found = check(dir, &said);
    assert_int_equal(found.problems, 0);
    assert_int_equal(found.queue_problems, 0);
    assert_int_equal(found.records, found.queue_entries);
    assert_int_equal(said.lines, 0);
    store_dir_open(dir);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), found.records);
}

/* Goal: check names the damaged bytes, repair keeps them and fills their place, and the store opens
 * with everything else where it was. Method: a bit of the tenth record's properties, a bit of its
 * queue entry. */
static void a_damaged_record_is_found_and_set_aside(void **state)
{
    struct store_dir *dir = *state;
    struct said said;
    struct store_put_result tenth = fill_and_close(dir);
    int64_t all = check(dir, &said).records;
    store_dir_flip(dir, LOG_FILE, tenth.end_phy_offset - 25, 2);
    store_dir_flip(dir, QUEUE_FILE, 20 * ENTRY_BYTES + 7, 2);
    struct store_check_result found = check(dir, &said);
    assert_int_equal(found.problems, 1);
    assert_int_equal(found.damaged_bytes, tenth.end_phy_offset - tenth.phy_offset);
    assert_int_equal(found.records, all - 1);
    assert_true(found.queue_problems >= 1);

    struct store_repair_result done;
    struct store_offline_options options = offline_options(dir, &said);
    assert_int_equal(store_repair(&options, &done), 0);
    assert_int_equal(done.mended, 1);
    assert_int_equal(done.bytes_set_aside, found.damaged_bytes);
    char name[96];
    snprintf(name, sizeof name, "set-aside/commitlog-%020lld-%lld", (long long)tenth.phy_offset,
             (long long)found.damaged_bytes);
    assert_true(store_dir_has(dir, name));
    assert_true(store_dir_has(dir, "set-aside/checkpoint.0"));
    assert_int_equal(check(dir, &said).problems, 0);

    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_open(dir);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), all);
    store_dir_expect(dir, "orders", 0, 9, "body-9");
    store_dir_expect(dir, "orders", 0, 11, "body-11");
    store_dir_expect(dir, "orders", 0, 20, "body-20");
    struct buf bytes = BUF_INIT;
    struct store_get_request request = { .topic = SLICE("orders"),
                                         .queue_offset = 10,
                                         .max_count = 1,
                                         .max_bytes = 1 << 20,
                                         .may_block = true };
    struct store_get_result got;
    assert_int_equal(store_get(dir->store, &request, &bytes, &got), 0);
    assert_int_equal(got.count, 1); /* the next one */
    assert_int_equal(got.next_offset, 12);
    buf_fini(&bytes);
}

/* Goal: a file that lacks bytes behind its end mark only, where nothing was, can be repaired.
 * Method: the first of three loses its last byte. */
static void a_file_cut_behind_its_end_mark_is_filled_up(void **state)
{
    struct store_dir *dir = *state;
    struct said said;
    char path[256];
    fill_and_close(dir);
    int64_t all = check(dir, &said).records;
    store_dir_file_path(dir, LOG_FILE, path);
    assert_int_equal(truncate(path, LOG_FILE_BYTES - 1), 0);
    assert_int_equal(store_open(&dir->options, &dir->store), ERR_CORRUPT);
    dir->store = NULL;
    assert_int_equal(check(dir, &said).records, all);
    struct store_repair_result done;
    struct store_offline_options options = offline_options(dir, &said);
    assert_int_equal(store_repair(&options, &done), 0);
    assert_int_equal(done.mended, 1);
    assert_int_equal(done.bytes_set_aside, 0);
    store_dir_open(dir);
    assert_int_equal(store_queue_max(dir->store, SLICE("orders"), 0), all);
}

static bool knows_only_orders(void *ctx, struct slice topic)
{
    (void)ctx;
    return slice_eq(topic, SLICE("orders"));
}

static void put_batch(struct store_dir *dir)
{
    struct record record = store_dir_record("bulk", 0, SLICE("three in one"), "INNER_NUM\0013\002");
    struct store_put_result put;
    record.sys_flag = SYS_FLAG_INNER_BATCH;
    assert_int_equal(store_put(dir->store, &record, 1, ++dir->now_ms, &put, NULL), 0);
}

/* Goal: a queue that is lost wholly, or in part, is said to be; not one whose topic was deleted.
 * Method: of a queue of three files the first, the second and all of them are taken away, and all
 * of a queue of batches; then nobody knows the topic. */
static void lost_queues_are_named(void **state)
{
    static const char *const lost[] = { QUEUE_FILE, "consumequeue/orders/0/00000000000000002000",
                                        "consumequeue/orders/0", "consumequeue/orders",
                                        "batchconsumequeue/bulk" };
    struct store_dir *dir = *state;
    struct said said;
    store_set_batch_topic(dir->store, SLICE("bulk"));
    for (int i = 0; i < 5; i++)
        put_batch(dir);
    fill_and_close(dir);
    assert_int_equal(check(dir, &said).queue_problems, 0);
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        struct store_dir *copy = store_dir_copy(dir);
        store_dir_delete(copy, lost[i]);
        struct store_check_result found = check(copy, &said);
        assert_true(found.queue_problems > 0);
        assert_int_equal(found.problems, 0);
        assert_non_null(strstr(said.last, i < 4 ? "orders" : "bulk"));
        store_dir_remove(copy);
    }
    struct store_check_result result;
    struct store_offline_options options = offline_options(dir, &said);
    store_dir_delete(dir, "batchconsumequeue/bulk");
    options.knows_topic = knows_only_orders;
    assert_int_equal(store_check(&options, &result), 0);
    assert_int_equal(result.queue_problems, 0);
}

/* Goal: a missing file and one that was cut short do not keep the rest from being read.
 * Method: the second file of three is removed; then once more with half of it there. */
static void missing_bytes_are_filled(void **state)
{
    struct store_dir *dir = *state;
    struct said said;
    fill_and_close(dir);
    char path[256];
    store_dir_file_path(dir, NEXT_LOG_FILE, path);
    assert_int_equal(truncate(path, 30000), 0);
    assert_true(check(dir, &said).problems >= 2); /* the length, and what is not there */
    struct store_repair_result done;
    struct store_offline_options options = offline_options(dir, &said);
    assert_int_equal(store_repair(&options, &done), 0);
    assert_int_equal(check(dir, &said).problems, 0);
    store_dir_delete(dir, NEXT_LOG_FILE);
    assert_true(check(dir, &said).problems >= 2);
    assert_int_equal(store_repair(&options, &done), 0);
    assert_int_equal(check(dir, &said).problems, 0);
    store_dir_write(dir, "abort", 0, "1", 1);
    store_dir_open(dir);
    assert_true(store_dir_log_end(dir) > 2 * LOG_FILE_BYTES);
    store_dir_expect(dir, "orders", 0, 0, "body-0");
}

/* Goal: a store that a broker has open is left alone. */
static void an_open_store_is_left_alone(void **state)
{
    struct store_dir *dir = *state;
    struct said said;
    struct store_check_result result;
    struct store_offline_options options = offline_options(dir, &said);
    assert_int_equal(store_check(&options, &result), ERR_LOCKED);
}

/* Goal: dump says where each record is. */
static void dump_lists_records(void **state)
{
    struct store_dir *dir = *state;
    struct said said;
    store_dir_put(dir, "orders", 0, "one", "");
    struct store_put_result two = store_dir_put(dir, "orders", 0, "two", "");
    store_dir_put(dir, "orders", 0, "three", "");
    store_dir_close(dir);
    struct store_offline_options options = offline_options(dir, &said);
    assert_int_equal(store_dump(&options, 0, INT64_MAX), 0);
    assert_int_equal(said.lines, 3);
    assert_int_equal(store_dump(&options, two.phy_offset, 1), 0);
    char begin[64];
    int len = snprintf(begin, sizeof begin, "%lld topic=orders queue=0 queue_offset=1 ",
                       (long long)two.phy_offset);
    assert_memory_equal(said.last, begin, (size_t)len);
}

/* Goal: a record that was good once and is damaged keeps the store from opening, in the middle and
 * at the end of the log: nothing is cut. Method: a bit of the last record, of one before it. */
static void damage_is_not_taken_for_the_end(void **state)
{
    struct store_dir *dir = *state;
    store_dir_put(dir, "orders", 0, "one", "");
    struct store_put_result two = store_dir_put(dir, "orders", 0, "two", "");
    struct store_put_result three = store_dir_put(dir, "orders", 0, "three", "");
    store_dir_close(dir);
    const int64_t places[] = { two.phy_offset + 88, three.phy_offset + 88, three.phy_offset + 2 };
    for (int i = 0; i < 3; i++) {
        struct store_dir *damaged = store_dir_copy(dir);
        store_dir_flip(damaged, LOG_FILE, places[i], 2);
        store_dir_write(damaged, "abort", 0, "1", 1);
        struct said said;
        assert_int_equal(check(damaged, &said).problems, 1);
        struct store_repair_result done;
        struct store_offline_options options = offline_options(damaged, &said);
        assert_int_equal(store_repair(&options, &done), 0);
        store_dir_open(damaged);
        store_dir_expect(damaged, "orders", 0, 0, "one");
        if (i > 0)
            store_dir_expect(damaged, "orders", 0, 1, "two");
        else
            store_dir_expect(damaged, "orders", 0, 2, "three");
        store_dir_remove(damaged);
    }
}

static bool has_damage(void *ctx)
{
    struct store_dir *dir = ctx;
    struct store_state now;
    struct store_queue_entry entry;
    store_state(dir->store, &now);
    return now.damaged_records > 0 &&
           store_queue_entry_at(dir->store, SLICE("orders"), 0, 20, &entry) == 0 &&
           entry.tags_code != 0 && entry.phy_offset > 0;
}

/* Goal: what rots is noticed though nobody reads it; a queue entry is put right. Method: a bit of a
 * record and the whole of an entry are damaged in a closed store; it is opened with a fast
 * scrubber. */
static void rot_is_noticed_without_a_reader(void **state)
{
    struct store_dir *dir = *state;
    static const uint8_t nonsense[ENTRY_BYTES] = { 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 99 };
    struct store_put_result tenth = fill_and_close(dir);
    store_dir_flip(dir, LOG_FILE, tenth.end_phy_offset - 30, 2);
    store_dir_write(dir, QUEUE_FILE, 20 * ENTRY_BYTES, nonsense, sizeof nonsense);
    dir->options.scrub_bytes_per_second = 1 << 30;
    dir->options.scrub_first_ms = 1;
    store_dir_open(dir);
    store_dir_await(has_damage, dir);
    store_dir_expect(dir, "orders", 0, 20, "body-20");
}

#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, store_dir_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_whole_store_is_whole),
        STORE_TEST(a_damaged_record_is_found_and_set_aside),
        STORE_TEST(lost_queues_are_named),
        STORE_TEST(a_file_cut_behind_its_end_mark_is_filled_up),
        STORE_TEST(missing_bytes_are_filled),
        STORE_TEST(an_open_store_is_left_alone),
        STORE_TEST(rot_is_noticed_without_a_reader),
        STORE_TEST(dump_lists_records),
        STORE_TEST(damage_is_not_taken_for_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
